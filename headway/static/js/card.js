/** One task in a page: what is known of it, and when that is drawn. */

import { CardDrawing } from "./card-drawing.js";
import { adopt } from "./card-parts.js";
import WORDS from "./card-words.js";
import { set } from "./drawn-elements.js";
import { drawLater, drawNoMore, drawSoon } from "./drawing.js";
import { watchView } from "./in-view.js";
import { Pace } from "./pace.js";
import { asShown, isFinal } from "./snapshot.js";
import { TaskActions } from "./task-actions.js";
import { onTick } from "./ticker.js";
import { whyMissing } from "./words.js";

/**
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./snapshot.js").LogLine} LogLine
 * @typedef {import("./task-watcher.js").TaskWatcher} TaskWatcher
 *
 * @typedef {object} CardOptions
 * @property {boolean} hasActions whether a person may act on the task here
 * @property {string} [headline] until the task's own is known
 * @property {import("./card-reading.js").Hints} [hints]
 * @property {(snapshot: Snapshot) => {href: string, text: string} | null} [linkOf] a link of the
 *   page's own
 */

export class Card {
  #host;
  #root;
  #watcher;
  #parts;
  #actions;
  #drawn;
  /** @type {Snapshot | null} */
  #snapshot = null;
  /** @type {LogLine | null} */
  #line = null;
  #fault = "";
  #missing = ""; // why there is no snapshot, where that is known
  #pace = new Pace();
  #drawing = () => this.#draw();
  #isInView = true; // until it is known
  /** @type {string | undefined} */
  #drawnPhase;
  /** @type {(() => void) | undefined} */
  #unobserve;
  /** @type {(() => void) | undefined} */
  #stopTicking;
  /** @type {(() => void) | undefined} */
  #forget;

  /**
   * @param {HTMLElement} host gets the phase and the version as data attributes
   * @param {HTMLElement} root holds the parts; an empty one gets them
   * @param {TaskWatcher} watcher
   * @param {CardOptions} options
   */
  constructor(host, root, watcher, options) {
    const { hasActions, headline = WORDS.list.loading } = options;
    this.#host = host;
    this.#root = root;
    this.#watcher = watcher;
    this.#parts = adopt(root, { title: host.getAttribute("label") ?? WORDS.card.title, headline });
    this.#parts.more.addEventListener("click", () => this.#toggleDetails());
    this.#actions = hasActions ? new TaskActions(watcher, this.#parts) : null;
    this.#drawn = new CardDrawing(host, this.#parts, watcher, options);
  }

  /**
   * Show what is known by now.
   *
   * @param {Snapshot | null} snapshot null: the task is gone, or not the caller's
   * @param {LogLine | null} line the newest of its log
   * @param {boolean} isForgotten
   */
  take(snapshot, line, isForgotten) {
    this.#snapshot = snapshot;
    this.#line = line;
    this.#missing = snapshot ? "" : whyMissing(isForgotten, this.#watcher.server.token);
    if (snapshot) this.#pace.observe(asShown(snapshot));
    this.#unobserve ??= watchView(this.#host, (isInView) => {
      const comes = isInView && !this.#isInView;
      this.#isInView = isInView;
      if (comes) this.#drawSoon();
    });
    if (this.#actions) {
      this.#forget ??= this.#watcher.connection.on("change", () => this.#drawSoon());
    }
    if (!snapshot || isFinal(snapshot)) this.#endTicking();
    else this.#stopTicking ??= onTick(() => this.#drawSoon());
    this.#drawSoon();
  }

  /** Draw what is known by now: a card that comes into a page is laid out once, not first as one that is loading. */
  drawNow() {
    drawNoMore(this.#drawing);
    this.#draw();
  }

  /**
   * Say why nothing can be shown, for as long as nothing is known.
   *
   * @param {string} sentence empty: it is still being loaded
   */
  explain(sentence) {
    this.#fault = sentence;
    this.#drawSoon();
  }

  /** Draw no more. */
  stop() {
    this.#endTicking();
    this.#forget?.();
    this.#forget = undefined;
    this.#unobserve?.();
    this.#unobserve = undefined;
    drawNoMore(this.#drawing);
    this.#drawn.stop();
  }

  #endTicking() {
    this.#stopTicking?.();
    this.#stopTicking = undefined;
  }

  // Drawing: all cards in one frame, and no part that has not changed

  /** What nobody looks at can wait, except for a change of its phase: it may belong elsewhere in a list. */
  #drawSoon() {
    const canWait = !this.#isInView && this.#snapshot?.phase === this.#drawnPhase;
    (canWait ? drawLater : drawSoon)(this.#drawing);
  }

  #draw() {
    if (this.#snapshot) this.#drawn.show(this.#snapshot, this.#line, this.#pace);
    else if (this.#missing) this.#drawn.showNone("missing", this.#missing);
    else if (this.#fault) this.#drawn.showNone("unreachable", WORDS.card.fault, this.#fault);
    else return;
    this.#drawnPhase = this.#snapshot?.phase;
    this.#actions?.show(this.#snapshot);
    // Last: who sees the version finds all else drawn.
    if (this.#snapshot) set(this.#host, "data-version", String(this.#snapshot.version));
  }

  #toggleDetails() {
    const { more } = this.#parts;
    const isOpen = this.#root.classList.toggle("open");
    set(more, "aria-expanded", String(isOpen));
    this.#drawSoon();
  }
}
