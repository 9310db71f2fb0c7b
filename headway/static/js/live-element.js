/** What `<headway-task>` and `<headway-list>` have in common: whom they ask, their look, and the truth about both. */

import card from "../card.css";
import list from "../list.css";
import { Announcer } from "./announcer.js";
import WORDS from "./card-words.js";
import { connectionReason, connectionWords } from "./connection-words.js";
import { make } from "./drawn-elements.js";
import { fill } from "./format.js";
import { translated, withWords } from "./language.js";
import { parseSource } from "./server.js";
import { followLinks } from "./token-links.js";
import { release, watcherOf } from "./watchers.js";

/**
 * @typedef {import("./task-watcher.js").TaskWatcher} TaskWatcher
 * @typedef {import("./server.js").Source} Source
 */

const GRACE_MS = 300; // a check that is answered sooner is no loss of connection

/** The styles of all elements: a page's own elements may add to them. */
export const STYLES = [card, list];

/** @type {CSSStyleSheet | undefined} */
let sheet;

/** A style sheet that no Content-Security-Policy forbids: it is no `<style>` element. */
function ownStyle() {
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLES.join(""));
  }
  return sheet;
}

/** @type {WeakSet<TaskWatcher>} whose troubles are reported in the console */
const reported = new WeakSet();

/** @param {TaskWatcher} watcher */
function report(watcher) {
  if (reported.has(watcher)) return;
  reported.add(watcher);
  const { connection, server } = watcher;
  let lastReason = "";
  connection.on("change", () => {
    const reason = connectionReason(connection);
    if (reason && reason !== lastReason) console.error(`Headway, ${server.base}: ${connection.state}: ${reason}`);
    lastReason = reason;
  });
}

/** An element that shows what its `src` names. Attributes: `src`, `token`, and `actions` for buttons. */
export class LiveElement extends HTMLElement {
  static observedAttributes = ["src", "token", "actions", "tab"];

  /** @type {"task" | "list"} */
  static kind;

  /** @type {(() => void)[]} */
  #undo = [];
  /** Speaks of all that it shows; null within another one, which does. @type {Announcer | null} */
  announcer = null;
  #isDue = false;
  /** @type {HTMLElement | undefined} */
  #note;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #grace;

  connectedCallback() {
    if (!this.#undo.length) this.#beginSoon(); // else it was moved
  }

  disconnectedCallback() {
    queueMicrotask(() => this.isConnected || this.#end());
  }

  attributeChangedCallback() {
    this.#beginSoon();
  }

  /**
   * Show what the source names within the content, which is empty; return how to stop.
   *
   * @param {HTMLElement} _content
   * @param {TaskWatcher} _watcher
   * @param {string} _name see Source
   * @returns {() => void}
   */
  begin(_content, _watcher, _name) {
    throw new Error(this.localName);
  }

  /**
   * Say why nothing can be shown, for as long as nothing is known.
   *
   * @param {string} sentence
   */
  explain(sentence) {
    throw new Error(sentence);
  }

  /** Whether it shows anything yet. */
  get isFilled() {
    return false;
  }

  /** Whether nothing more is to be heard: then the connection does not matter. */
  get hasEnded() {
    return false;
  }

  /** Several attributes are often set in one go: one of them alone would ask the wrong server. */
  #beginSoon() {
    if (this.#isDue) return;
    this.#isDue = true;
    const begin = () => {
      this.#isDue = false;
      this.#end();
      if (this.isConnected) this.#begin();
    };
    queueMicrotask(() => withWords(this, this.#source(), begin));
  }

  #begin() {
    const root = this.shadowRoot ?? this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [ownStyle()];
    const content = make("div", { part: "content" });
    const note = (this.#note = make("p", { part: "connection", hidden: true }));
    root.replaceChildren(content, note, ...this.#voice(root));
    const source = this.#source();
    if (typeof source === "string") {
      content.textContent = fill(WORDS.card.no_source, { reason: source });
      console.error(`Headway: ${source}`, this);
      return;
    }
    const watcher = watcherOf(source.server);
    report(watcher);
    this.#undo.push(this.begin(content, watcher, source.name), followLinks(content, source.server), () => release(source.server));
    // Each poll brings the server's state: the reason for polling may be another by then.
    for (const topic of /** @type {const} */ (["change", "server"])) {
      this.#undo.push(watcher.connection.on(topic, () => this.#showSoon(watcher)));
    }
    this.showConnection(watcher);
  }

  /**
   * Make the announcer, and the elements by which it speaks.
   *
   * @param {ShadowRoot} root
   */
  #voice(root) {
    const around = /** @type {ShadowRoot} */ (root.host.getRootNode()).host;
    if (around instanceof LiveElement) return [];
    const polite = make("p", { ariaLive: "polite", className: "unseen" });
    const alert = make("p", { role: "alert", className: "unseen" });
    this.announcer = new Announcer(polite, alert);
    return [polite, alert];
  }

  #end() {
    clearTimeout(this.#grace);
    this.#grace = undefined;
    for (const undo of this.#undo.splice(0)) undo();
  }

  /** @returns {Source | string} a string: what is wrong with it */
  #source() {
    const { kind } = /** @type {typeof LiveElement} */ (this.constructor);
    try {
      return parseSource(kind, this.getAttribute("src"), this.getAttribute("token") ?? "", document.baseURI);
    } catch (error) {
      return /** @type {Error} */ (error).message;
    }
  }

  /** @param {TaskWatcher} watcher */
  #showSoon(watcher) {
    if (watcher.connection.state === "live") this.showConnection(watcher);
    else this.#grace ??= setTimeout(() => this.showConnection(watcher), GRACE_MS);
  }

  /** @param {TaskWatcher} watcher */
  showConnection({ connection }) {
    clearTimeout(this.#grace);
    this.#grace = undefined;
    const note = /** @type {HTMLElement} */ (this.#note);
    const reason = connectionReason(connection);
    const isOffline = connection.state === "offline";
    const problem = isOffline ? null : connection.server?.problem; // no task can be started or changed now
    if (isOffline && !this.isFilled) this.explain(reason || WORDS.connection.device);
    note.hidden = (connection.state === "live" && !problem) || this.hasEnded || (isOffline && !this.isFilled);
    note.textContent = problem
      ? `▲ ${translated(problem.message)}`
      : connectionWords(connection).join(" ") + (reason && `: ${reason}`);
  }
}
