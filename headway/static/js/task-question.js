/** The answers that a card offers to its task's question: a button for each choice, or a field for a text. */

import WORDS from "./card-words.js";
import { make, makeButton } from "./drawn-elements.js";
import { translated } from "./language.js";

/**
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./snapshot.js").Question} Question
 */

export class TaskQuestion {
  #box = make("div", { part: "question", role: "group", hidden: true });
  #asked = "";
  #linkOf;
  #answer;

  /**
   * @param {HTMLElement} next what stands below it
   * @param {(taskId: string) => string} linkOf the address of a task's page, which has a form for any answer
   * @param {(question: Question, value: unknown) => void} answer
   */
  constructor(next, linkOf, answer) {
    this.#linkOf = linkOf;
    this.#answer = answer;
    this.#box.dataset.part = "question";
    next.before(this.#box);
  }

  get buttons() {
    return this.#box.querySelectorAll("button");
  }

  /** @param {Snapshot | null} snapshot */
  show(snapshot) {
    const question = snapshot?.question ?? null;
    const asked = question?.id ?? "";
    if (asked === this.#asked) return; // a redraw would undo what is being typed
    this.#asked = asked;
    this.#box.hidden = !question;
    this.#box.ariaLabel = translated(question?.text ?? "");
    this.#box.replaceChildren(...(question && snapshot ? this.#controls(question, snapshot.task_id) : []));
  }

  /** @param {Question} question @param {string} taskId */
  #controls(question, taskId) {
    const values = valuesOf(question);
    const { answer } = WORDS.actions;
    if (values) return values.map(([words, value]) => makeButton(words, () => this.#answer(question, value)));
    if (question.schema) return [make("a", { href: `${this.#linkOf(taskId)}#question` }, answer)];
    return [this.#form(question, answer)];
  }

  /** @param {Question} question @param {string} words */
  #form(question, words) {
    const input = make("input", { required: true, autocomplete: "off", ariaLabel: translated(question.text) });
    const form = make("form", {}, input, " ", make("button", {}, words));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#answer(question, input.value);
    });
    return form;
  }
}

/**
 * The answers from which to choose, each with its words; null for a question with other answers.
 *
 * @param {Question} question
 * @returns {[string, unknown][] | null}
 */
export function valuesOf({ choices, schema }) {
  const { enum: members = null, type = "" } = /** @type {{enum?: unknown[], type?: string}} */ (schema ?? {});
  if (type === "boolean") return [[WORDS.card.yes, true], [WORDS.card.no, false]];
  return (choices ?? members)?.map((value) => [translated(String(value)), value]) ?? null;
}
