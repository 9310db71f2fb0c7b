/** What a person may do with one task on its card. */

import { ActionButtons } from "./action-buttons.js";
import { ActionReport } from "./action-report.js";
import { buttonsReason } from "./connection-words.js";
import { newKey, reason } from "./requests.js";
import WORDS from "./card-words.js";
import { CardFocus } from "./card-focus.js";
import { make } from "./drawn-elements.js";
import { TaskQuestion } from "./task-question.js";
import { openParts } from "./snapshot.js";
import { requestChange } from "./task-requests.js";
import { TimeForm } from "./time-form.js";
import { opens } from "./token-links.js";
import { actions, cancelWords, timeLabel } from "./words.js";

/**
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./task-watcher.js").TaskWatcher} TaskWatcher
 */

export class TaskActions {
  /** @type {Snapshot | null} */
  #snapshot = null;
  #buttons;
  #watcher;
  #report;
  #focus;
  #question;
  #form;
  #isBusy = false;
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
    this.#buttons = new ActionButtons(bar, () => this.show(this.#snapshot));
    this.#report = new ActionReport(message, note);
    this.#focus = new CardFocus(bar, more);
    this.#question = new TaskQuestion(
      message,
      (taskId) => watcher.server.pageOf(taskId),
      ({ id }, value) => void this.#ask("answer", { question_id: id, value }),
    );
    this.#buttons.add("now", () => this.#ask("schedule", { countdown: 0 }));
    this.#buttons.add("change", () => (this.#form.isOpen ? this.#close() : this.#open()));
    this.#buttons.add("go_on", () => this.#again({ resume: true }));
    this.#buttons.add("again", () => this.#again());
    this.#buttons.add("cancel", () => this.#cancel());
    this.#buttons.add("forget", () => this.#forget());
    this.#form = new TimeForm(this.#buttons.of("change"), message, (time) => void this.#change(time));
  }

  /**
   * Offer what fits the task's phase.
   *
   * @param {Snapshot | null} snapshot null: nothing can be done
   */
  show(snapshot) {
    this.#snapshot = snapshot;
    const offered = snapshot ? actions(snapshot, this.#labels) : {};
    const again = { forget: WORDS.actions.forget_surely, cancel: snapshot ? cancelWords(snapshot) : "" };
    const { held } = this.#focus;
    this.#buttons.show(offered, again, snapshot?.title);
    this.#question.show(snapshot);
    this.#report.keepWhile(snapshot?.phase ?? "missing");
    this.#enable();
    if (!offered.change) this.#close();
    this.#focus.leave(held);
  }

  get #labels() {
    return this.#watcher.connection.labelsOf(this.#snapshot?.name ?? "");
  }

  // Requests

  /** @param {{resume: true}} [body] of one that goes on where it was saved */
  async #again(body) {
    const started = await this.#ask("retry", body, body ? `${this.#key} resume` : this.#key);
    if (!started) return;
    this.#key = newKey();
    const { server } = this.#watcher;
    const { new_task } = WORDS.card;
    const isOpen = await opens(server, started.task_id);
    const link = isOpen ? make("a", { href: server.pageOf(started.task_id) }, new_task) : new_task;
    const [before, after] = WORDS.card.started_again.split("{task}");
    this.#report.note(before, link, after);
  }

  /** What cannot be undone takes a second press. */
  async #forget() {
    const taskId = this.#snapshot?.task_id ?? "";
    if (!this.#buttons.isSure("forget")) return;
    if ((await this.#ask("forget")) === null) this.#watcher.forget(taskId);
  }

  /** Nor what ends many tasks. */
  #cancel() {
    const endsMany = this.#snapshot !== null && openParts(this.#snapshot) > 0;
    if (endsMany && !this.#buttons.isSure("cancel")) return;
    void this.#ask("cancel");
  }

  /**
   * Ask for a change of the task, and say what is wrong. Returns the snapshot, undefined where it was refused, null for
   * a task that is gone.
   *
   * @param {Parameters<typeof requestChange>[2]} what
   * @param {object} [body]
   * @param {string} [key]
   */
  async #ask(what, body, key) {
    const { held } = this.#focus;
    this.#report.say("");
    this.#busy(true);
    try {
      return await requestChange(this.#watcher, this.#snapshot?.task_id ?? "", what, body, key);
    } catch (error) {
      this.#report.say(reason(error));
      return undefined;
    } finally {
      this.#busy(false);
      this.#focus.restore(held); // a button that is off loses it
    }
  }

  /** @param {boolean} busy */
  #busy(busy) {
    this.#isBusy = busy;
    this.#enable();
    this.#focus.note(busy);
  }

  /** Buttons are off during a request, and while none could work: then they say why. */
  #enable() {
    const why = buttonsReason(this.#watcher.connection);
    for (const button of [...this.#buttons.all, ...this.#question.buttons, ...this.#form.buttons]) {
      button.disabled = this.#isBusy || why !== "";
      button.title = why;
    }
  }

  #open() {
    const { title, scheduled_for: time } = /** @type {Snapshot} */ (this.#snapshot);
    const now = this.#watcher.connection.now();
    this.#form.open({ label: timeLabel(this.#labels), title, time, now, onEscape: () => this.#close() });
  }

  /** @param {string} time of the reader's own clock */
  async #change(time) {
    if (await this.#ask("schedule", { eta: new Date(time).toISOString() })) this.#close();
  }

  #close() {
    if (this.#form.close()) this.#focus.put(this.#buttons.of("change"));
  }
}
