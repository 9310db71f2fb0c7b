/** Headway's server as a page reaches it: at which address, and with which token. */

/**
 * @typedef {object} ServerState
 * @property {boolean} live whether the web process receives from Redis
 * @property {string | null} now
 * @property {number | null} workers null, as the next three: not known yet
 * @property {number | null} slots
 * @property {number | null} queued
 * @property {Record<string, {queued: number, workers: number}> | null} queues
 * @property {boolean | null} paused whether a restored Redis waits for its operator
 * @property {{code: string, message: string} | null} problem why no task can be started now though
 *   Redis answers
 * @property {Record<string, import("./words.js").Labels>} [labels] by a task's registered name
 *
 * @typedef {object} Source what an element's `src` names
 * @property {Server} server
 * @property {string} name the task's id; "" for a list
 */

/** By element, what its `src` must end in, as a pattern and in words. */
const ENDINGS = {
  task: { pattern: /^(.*)\/status\/([^/]+)\/?$/, words: "/status/<task id>" },
  list: { pattern: /^(.*)\/tasks()\/?$/, words: "/tasks" },
};

export class Server {
  /**
   * @param {string} [base] where Headway lives, without a slash at the end: "https://example.com/headway", or a path of
   *   the page's own host
   * @param {string} [token] "": the browser's cookies say who asks
   */
  constructor(base = "", token = "") {
    this.base = base;
    this.token = token;
  }

  /**
   * The address of one of Headway's paths.
   *
   * @param {string} path
   */
  at(path) {
    return this.base + path;
  }

  /** The address of a task's own page. @param {string} taskId */
  pageOf(taskId) {
    return this.at(`/tasks/${encodeURIComponent(taskId)}`);
  }

  /** What each request carries. @returns {Record<string, string>} */
  get headers() {
    return { Accept: "application/json", ...(this.token && { Authorization: `Bearer ${this.token}` }) };
  }

  /** Scheme, host and port; undefined for the page's own. */
  get origin() {
    return this.base.includes("://") ? new URL(this.base).origin : undefined;
  }

  /** Where its websocket is. */
  get socketAddress() {
    const path = `${this.base}/socket.io/?EIO=4&transport=websocket`;
    const address = new URL(path, globalThis.location?.href); // Node has none
    address.protocol = address.protocol.replace("http", "ws");
    return address.href;
  }
}

/**
 * Read an element's `src`. Throws an Error whose message says what is wrong with it.
 *
 * @param {keyof typeof ENDINGS} kind
 * @param {string | null} src
 * @param {string} token
 * @param {string} page the address that a relative `src` is relative to
 * @returns {Source}
 */
export function parseSource(kind, src, token, page) {
  const { pattern, words } = ENDINGS[kind];
  const wanted = `src must be an address that ends in ${words}`;
  if (!src) throw new Error(`${wanted}; there is none.`);
  if (!URL.canParse(src, page)) throw new Error(`${wanted}, not "${src}".`);
  const { protocol, origin, pathname } = new URL(src, page);
  const found = pattern.exec(pathname);
  if (!found || !protocol.startsWith("http")) throw new Error(`${wanted}, not "${src}".`);
  return { server: new Server(origin + found[1], token), name: decodeURIComponent(found[2]) };
}
