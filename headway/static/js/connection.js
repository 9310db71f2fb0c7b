/** One websocket to the server, and the truth about it: what the chip says, the server's state and its clock. */

import { ServerClock } from "./clock.js";
import { callAll } from "./listeners.js";
import { Server } from "./server.js";
import { Socket } from "./socket.js";

/**
 * @typedef {"live" | "reconnecting" | "polling" | "offline"} ConnectionState
 *
 * @typedef {import("./server.js").ServerState} ServerState
 *
 * @typedef {object} Facts
 * @property {boolean} connected the socket is open; what follows is of this socket
 * @property {boolean} serverIsLive the server said that it receives from Redis
 * @property {boolean} allAcknowledged all that is watched is acknowledged
 * @property {boolean} silent nothing came over the socket for longer than the server's pings let expect
 * @property {boolean} onLine
 * @property {number} pollSeconds 0: not polling
 * @property {boolean} pollFailed
 * @property {string} fault why the last poll failed, in one sentence; "" where it did not
 *
 * @typedef {"connect" | "announced" | "server" | "snapshot" | "forgotten" | "log" | "stream" | "files" | "change"} Topic "server":
 *   the server's state, read anywhere; "announced": it came over the socket
 */

const ANSWER_MS = 5000; // the server itself gives up on Redis after 2 s
const SENT_AWAY_MS = 500;
const REFUSED_MS = 2000;
const SILENCE_MS = 9000; // the server pings every 7 s, and Engine.IO waits 6 s more before it gives the socket up

export class Connection {
  /** @type {Map<Topic, Set<(payload: any) => void>>} */
  #listeners = new Map();
  #socket;
  /** @type {Facts} */
  #facts = {
    connected: false,
    serverIsLive: false,
    allAcknowledged: false,
    silent: false,
    onLine: true,
    pollSeconds: 0,
    pollFailed: false,
    fault: "",
  };
  #refusal = ""; // the server's own words, where it opened the websocket and then refused it
  #isClosed = false;
  #random;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #silence;
  /** @type {ServerState | null} */
  server = null;

  /**
   * @param {object} [means]
   * @param {Server} [means.server]
   * @param {Socket} [means.socket] to the server
   * @param {() => number} [means.random]
   * @param {ServerClock} [means.clock]
   */
  constructor({
    server = new Server(),
    socket = new Socket(server),
    random = Math.random,
    clock = new ServerClock(),
  } = {}) {
    this.address = server;
    this.#socket = socket;
    this.#random = random;
    this.clock = clock;
    /** When anything was last heard; the server's time, ms. */
    this.heardAt = clock.now();
  }

  /** Open the socket and keep it open. */
  open() {
    const socket = this.#socket;
    socket.on("connect", () => this.#connected());
    socket.on("disconnect", (/** @type {string} */ reason) => this.#disconnected(reason));
    socket.on("connect_error", (/** @type {Error} */ error) => this.#refused(error));
    socket.on("packet", () => this.#expectPackets());
    socket.on("server", (/** @type {ServerState} */ server) => this.#onServer(server));
    for (const topic of /** @type {const} */ (["snapshot", "forgotten", "log", "stream", "files"])) {
      socket.on(topic, (payload) => this.#emit(topic, payload));
    }
    socket.connect();
  }

  /** Close the socket for good. */
  close() {
    this.#isClosed = true;
    this.#socket.disconnect();
    clearTimeout(this.#silence);
  }

  get connected() {
    return this.#facts.connected;
  }

  get pollSeconds() {
    return this.#facts.pollSeconds;
  }

  get fault() {
    return this.#facts.fault;
  }

  /**
   * What the tasks of this name say instead of the usual words.
   *
   * @param {string} name
   * @returns {import("./words.js").Labels}
   */
  labelsOf(name) {
    return this.server?.labels?.[name] ?? {};
  }

  /** Why it is not live, in half a sentence. */
  get why() {
    const { connected, serverIsLive, silent } = this.#facts;
    if (!connected) return this.#refusal ? `the server refuses: ${this.#refusal}` : "the websocket cannot be opened";
    if (silent) return "nothing comes over the websocket";
    return serverIsLive ? "the server does not answer over the websocket" : "the server receives nothing from Redis";
  }

  /** @returns {ConnectionState} */
  get state() {
    const { serverIsLive, allAcknowledged, silent, onLine, pollSeconds, pollFailed } = this.#facts;
    // Also on a machine that is on no network: localhost is enough.
    if (serverIsLive && allAcknowledged && !silent) return "live";
    if (!onLine || pollFailed) return "offline";
    return pollSeconds ? "polling" : "reconnecting";
  }

  /** The server's time, ms. */
  now() {
    return this.clock.now();
  }

  /**
   * Listen; call what is returned to stop.
   *
   * @param {Topic} topic
   * @param {(payload: any) => void} listener
   */
  on(topic, listener) {
    const listeners = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  /**
   * Note what others know of the connection.
   *
   * @param {Partial<Facts>} news
   */
  note(news) {
    const before = this.#shown();
    Object.assign(this.#facts, news);
    if (this.#shown() !== before) this.#emit("change", this.state);
  }

  /**
   * Take in the server's state, which a poll brings too.
   *
   * @param {ServerState} server
   */
  onServerState(server) {
    this.server = server;
    if (server.now) this.clock.set(Date.parse(server.now));
    this.heardAt = this.now();
    this.#emit("server", server);
  }

  /** Take in that the server has answered, and is as it was. */
  onNothingNew() {
    if (this.server) this.onServerState({ ...this.server, now: null });
  }

  /**
   * Take in a time that the server wrote, perhaps long ago.
   *
   * @param {string} time
   */
  observe(time) {
    this.clock.observe(Date.parse(time));
    this.heardAt = this.now();
  }

  /**
   * Call the server and return its answer. Rejects for `{error}`; a socket that does not answer is dead, whatever it
   * says, and is opened again.
   *
   * @param {string} event
   * @param {object} payload
   * @returns {Promise<any>}
   */
  async request(event, payload) {
    if (!this.connected) throw new Error("The socket is not open");
    let answer;
    try {
      answer = await this.#socket.request(event, payload, ANSWER_MS);
    } catch (error) {
      if (this.connected) this.#restart();
      throw error;
    }
    if (answer?.error) throw new Error(answer.error.message);
    return answer;
  }

  /** Connect now rather than at the next turn of the back-off. */
  reconnectNow() {
    if (!this.connected && !this.#isClosed) this.#restart();
  }

  #shown() {
    const { pollSeconds, fault } = this.#facts;
    return this.state === "polling" ? `polling ${pollSeconds}` : `${this.state} ${fault}`;
  }

  #connected() {
    this.#refusal = "";
    this.clock.measureAgain();
    this.#expectPackets();
    this.note({ connected: true, allAcknowledged: false });
    this.#emit("connect", undefined);
  }

  /** @param {Error} error */
  #refused(error) {
    this.#refusal = this.#socket.active ? "" : error.message;
    this.#connectWithin(REFUSED_MS);
  }

  /** @param {string} reason */
  #disconnected(reason) {
    this.note({ connected: false, serverIsLive: false, allAcknowledged: false });
    if (reason === "io server disconnect") this.#connectWithin(SENT_AWAY_MS);
  }

  /** A half-open socket says nothing, and no error either: until Engine.IO has found out, there is polling. */
  #expectPackets() {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.note({ silent: true }), SILENCE_MS);
    this.note({ silent: false });
  }

  /**
   * The socket gives up where the server itself says no; it may be starting, or stopping beside another.
   *
   * @param {number} ms
   */
  #connectWithin(ms) {
    setTimeout(() => {
      if (!this.#isClosed) this.#socket.connect();
    }, ms * this.#random());
  }

  #restart() {
    this.#socket.disconnect();
    this.#socket.connect();
  }

  /** @param {ServerState} server */
  #onServer(server) {
    this.onServerState(server);
    this.#emit("announced", server);
    this.note({ serverIsLive: server.live }); // last: what asks again has said so by now
  }

  /** @param {Topic} topic @param {any} payload */
  #emit(topic, payload) {
    callAll(this.#listeners.get(topic) ?? [], payload);
  }
}
