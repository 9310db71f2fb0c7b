/** What a person may do with one task: the buttons of its card, and a small form for another time. */

import { buttonsReason } from "./connection-words.js";
import { Refused, newKey, post, reason } from "./requests.js";
import WORDS from "./card-words.js";
import { TaskQuestion } from "./task-question.js";
import { openParts } from "./snapshot.js";
import { actions, cancelWords, timeLabel } from "./words.js";

/**
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./task-watcher.js").TaskWatcher} TaskWatcher
 * @typedef {import("./words.js").Action} Action
 */

const MINUTE_MS = 60_000;
const FARTHEST_MS = 365 * 24 * 60 * MINUTE_MS;

export class TaskActions {
  /** @type {Snapshot | null} */
  #snapshot = null;
  /** @type {Map<Action, HTMLButtonElement>} */
  #buttons = new Map();
  #watcher;
  #bar;
  #message;
  #note;
  #fallback;
  #question;
  /** @type {string | undefined} what the card was when it began to show the message */
  #saidIn;
  /** @type {HTMLFormElement | undefined} */
  #form;
  #isBusy = false;
  /** @type {Action | ""} which was pressed once, and asks to be pressed again */
  #asked = "";
  #key = newKey(); // of the next "again"; a new one only when a task has come of it

  /**
   * @param {TaskWatcher} watcher
   * @param {object} parts
   * @param {HTMLElement} parts.actions where the buttons go
   * @param {HTMLElement} parts.message says what went wrong
   * @param {HTMLElement} parts.note says what was done
   * @param {HTMLElement} parts.more takes the focus when the button that had it goes
   */
  constructor(watcher, { actions: bar, message, note, more }) {
    this.#watcher = watcher;
    this.#bar = bar;
    this.#message = message;
    this.#note = note;
    this.#fallback = more;
    this.#question = new TaskQuestion(
      message,
      (taskId) => watcher.server.link(`/tasks/${encodeURIComponent(taskId)}`),
      ({ id }, value) => void this.#ask("answer", { question_id: id, value }),
    );
    this.#add("now", () => this.#ask("schedule", { countdown: 0 }));
    this.#add("change", () => (this.#form ? this.#close() : this.#open()));
    this.#button("change").ariaExpanded = "false";
    this.#add("go_on", () => this.#again({ resume: true }));
    this.#add("again", () => this.#again());
    this.#add("cancel", () => this.#cancel());
    this.#add("forget", () => this.#forget());
    for (const action of /** @type {const} */ (["cancel", "forget"])) {
      this.#button(action).addEventListener("blur", () => this.#askAgain(""));
    }
  }

  /**
   * Offer what fits the task's phase.
   *
   * @param {Snapshot | null} snapshot null: nothing can be done
   */
  show(snapshot) {
    this.#snapshot = snapshot;
    const offered = snapshot ? actions(snapshot, this.#labels) : {};
    if (offered.forget && this.#asked === "forget") offered.forget = WORDS.actions.forget_surely;
    if (offered.cancel && this.#asked === "cancel" && snapshot) offered.cancel = cancelWords(snapshot);
    const held = this.#focused();
    for (const [action, button] of this.#buttons) {
      const words = offered[action] ?? "";
      button.hidden = !words;
      if (button.textContent === words) continue;
      button.textContent = words;
      button.setAttribute("aria-label", `${words}: ${snapshot?.title}`);
    }
    this.#question.show(snapshot);
    this.#forgetWhatIsOver(snapshot?.phase ?? "missing");
    this.#enable();
    if (!offered.change) this.#close();
    const isGone = held instanceof HTMLElement && (!held.isConnected || (held.hidden && this.#bar.contains(held)));
    if (isGone) this.#fallback.focus();
  }

  get #labels() {
    return this.#watcher.connection.labelsOf(this.#snapshot?.name ?? "");
  }

  /** @param {Action} action @param {() => void} act */
  #add(action, act) {
    const button = document.createElement("button");
    button.type = "button";
    button.hidden = true;
    button.dataset.action = action;
    button.addEventListener("click", ({ detail }) => {
      if (detail < 2) act(); // a double click is one wish, however fast the first was answered
    });
    this.#buttons.set(action, button);
    this.#bar.append(button);
  }

  // Requests

  /** @param {{resume: true}} [body] of one that goes on where it was saved */
  async #again(body) {
    const started = await this.#ask("retry", body, body ? `${this.#key} resume` : this.#key);
    if (!started) return;
    this.#key = newKey();
    const link = document.createElement("a");
    link.href = this.#watcher.server.link(`/tasks/${encodeURIComponent(started.task_id)}`);
    link.textContent = "a new task";
    this.#note.replaceChildren("Started again, as ", link, ".");
  }

  /** What cannot be undone takes a second press. */
  async #forget() {
    const taskId = this.#snapshot?.task_id ?? "";
    if (this.#asked !== "forget") return this.#askAgain("forget");
    this.#asked = "";
    if ((await this.#ask("forget")) === null) this.#watcher.forget(taskId);
  }

  /** Nor what ends many tasks. */
  #cancel() {
    if (this.#snapshot && openParts(this.#snapshot) && this.#asked !== "cancel") return this.#askAgain("cancel");
    this.#asked = "";
    void this.#ask("cancel");
  }

  /** @param {Action | ""} action */
  #askAgain(action) {
    if (this.#asked === action) return;
    this.#asked = action;
    this.show(this.#snapshot);
  }

  /**
   * Ask for a change of the task; the answer's snapshot goes where all others go. Returns it, undefined
   * where it was refused, null for a task that is gone.
   *
   * @param {"answer" | "cancel" | "schedule" | "retry" | "forget"} what
   * @param {object} [body]
   * @param {string} [key]
   */
  async #ask(what, body, key) {
    const taskId = this.#snapshot?.task_id ?? "";
    const before = this.#focused();
    const { server } = this.#watcher;
    this.#say("");
    this.#busy(true);
    try {
      const address = server.at(`/tasks/${encodeURIComponent(taskId)}/${what}`);
      const snapshot = await post(address, { body, key, headers: server.headers });
      if (snapshot) this.#watcher.receive(snapshot);
      return snapshot;
    } catch (error) {
      await this.#explain(taskId, error);
      return undefined;
    } finally {
      this.#busy(false);
      // A button that is off loses the focus.
      if (document.activeElement === document.body && before instanceof HTMLElement) this.#focus(before);
    }
  }

  /**
   * The truth first, if the refusal shows that the card has missed it.
   *
   * @param {string} taskId
   * @param {unknown} error
   */
  async #explain(taskId, error) {
    if (error instanceof Refused && (error.status === 404 || error.status === 409)) {
      await this.#watcher.refresh(taskId).catch(() => undefined);
    }
    this.#say(reason(error));
  }

  /** The element that has the focus, also within a shadow tree. */
  #focused() {
    return /** @type {Document | ShadowRoot} */ (this.#bar.getRootNode()).activeElement;
  }

  /** @param {boolean} busy */
  #busy(busy) {
    this.#isBusy = busy;
    this.#enable();
    const root = this.#bar.getRootNode();
    const host = root instanceof ShadowRoot ? root.host : this.#bar.closest("[task-id]");
    host?.toggleAttribute("data-busy", busy); // a list that takes it away knows where the focus was
  }

  /** Buttons are off during a request, and while none could work: then they say why. */
  #enable() {
    const why = buttonsReason(this.#watcher.connection);
    const inForm = this.#form?.querySelectorAll("button") ?? [];
    for (const button of [...this.#buttons.values(), ...this.#question.buttons, ...inForm]) {
      button.disabled = this.#isBusy || why !== "";
      button.title = why;
    }
  }

  /** @param {string} sentence empty: none */
  #say(sentence) {
    this.#message.textContent = sentence;
    this.#note.textContent = "";
    this.#saidIn = undefined;
  }

  /**
   * A message stays while the card is what it was when the message came.
   *
   * @param {string} phase
   */
  #forgetWhatIsOver(phase) {
    this.#saidIn ??= phase;
    if (this.#saidIn !== phase) this.#say("");
  }

  /**
   * Where the wanted element is gone, the harmless one gets the focus: a second Enter must not do another thing.
   *
   * @param {HTMLElement} wanted
   */
  #focus(wanted) {
    (wanted.checkVisibility() ? wanted : this.#fallback).focus();
  }

  // The form for another time

  #open() {
    const snapshot = /** @type {Snapshot} */ (this.#snapshot);
    const now = this.#watcher.connection.now();
    const form = (this.#form = document.createElement("form"));
    const [label, input, save] = [
      document.createElement("label"),
      document.createElement("input"),
      document.createElement("button"),
    ];
    form.dataset.part = "change";
    label.append(timeLabel(this.#labels), " ", input);
    [input.type, input.required] = ["datetime-local", true];
    [input.min, input.max] = [wholeMinute(now), wholeMinute(now + FARTHEST_MS)];
    input.value = wholeMinute(Math.max(now, Date.parse(snapshot.scheduled_for ?? "") || now));
    save.textContent = "Save";
    save.setAttribute("aria-label", `Save the new time of ${snapshot.title}`);
    form.append(label, " ", save);
    form.addEventListener("keydown", ({ key }) => key === "Escape" && this.#close());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#change(input.value);
    });
    this.#message.before(form);
    this.#button("change").ariaExpanded = "true";
    input.focus();
  }

  /** @param {string} time of the reader's own clock */
  async #change(time) {
    if (await this.#ask("schedule", { eta: new Date(time).toISOString() })) this.#close();
  }

  #close() {
    if (!this.#form) return;
    const focused = this.#form.contains(this.#focused());
    this.#form.remove();
    this.#form = undefined;
    this.#button("change").ariaExpanded = "false";
    if (focused) this.#focus(this.#button("change"));
  }

  /** @param {Action} action */
  #button(action) {
    return /** @type {HTMLButtonElement} */ (this.#buttons.get(action));
  }
}

/**
 * The next whole minute of the reader's own clock, as a datetime-local field has it.
 *
 * @param {number} ms
 */
function wholeMinute(ms) {
  const minute = new Date(Math.ceil(ms / MINUTE_MS) * MINUTE_MS);
  return new Date(minute.getTime() - minute.getTimezoneOffset() * MINUTE_MS).toISOString().slice(0, 16);
}
