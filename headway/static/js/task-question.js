/** The answers that a card offers to its task's question: a button for each choice, or a field for a text. */

import WORDS from "./card-words.js";
import { translated } from "./language.js";

/**
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {import("./snapshot.js").Question} Question
 */

export class TaskQuestion {
  #box = document.createElement("div");
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
    this.#box.part.add("question");
    this.#box.role = "group";
    this.#box.hidden = true;
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
    if (values) return values.map(([words, value]) => this.#button(words, () => this.#answer(question, value)));
    if (question.schema) return [this.#link(taskId)];
    return [this.#form(question)];
  }

  /** @param {string} words @param {() => void} act */
  #button(words, act) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = words;
    button.addEventListener("click", ({ detail }) => {
      if (detail < 2) act();
    });
    return button;
  }

  /** @param {Question} question */
  #form(question) {
    const [form, input, button] = [
      document.createElement("form"),
      document.createElement("input"),
      document.createElement("button"),
    ];
    input.required = true;
    input.autocomplete = "off";
    input.ariaLabel = translated(question.text);
    button.textContent = WORDS.actions.answer;
    form.append(input, " ", button);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#answer(question, input.value);
    });
    return form;
  }

  /** @param {string} taskId */
  #link(taskId) {
    const link = document.createElement("a");
    link.href = `${this.#linkOf(taskId)}#question`;
    link.textContent = WORDS.actions.answer;
    return link;
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
