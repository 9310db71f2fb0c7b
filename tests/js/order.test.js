import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { arrange, compare } from "../../headway/static/js/order.js";

const { seen, tasks } = JSON.parse(readFileSync(new URL("../orders.json", import.meta.url), "utf8"));

test("what needs a person comes first, then what has ended, newest first", () => {
  const sorted = tasks.toSorted((/** @type {any} */ one, /** @type {any} */ other) => compare(one, other, seen));

  assert.deepEqual(
    sorted.map((/** @type {any} */ task) => task.place),
    tasks.map((/** @type {any} */ _, /** @type {number} */ place) => place),
  );
});

/** A list that counts its moves. */
class List {
  moves = 0;
  /** @type {any[]} */
  items;

  /** @param {string} names */
  constructor(names) {
    this.items = [...names].map((name) => this.item(name));
  }

  get names() {
    return this.items.map(({ name }) => name).join("");
  }

  getRootNode() {
    return { activeElement: null };
  }

  /** @param {any} item @param {any} before */
  insertBefore(item, before) {
    this.moves++;
    this.items = this.items.filter((one) => one !== item);
    this.items.splice(before ? this.items.indexOf(before) : this.items.length, 0, item);
  }

  /** One that is not in the list. @param {string} name */
  item(name) {
    const list = this;
    return {
      name,
      contains: () => false,
      get parentElement() {
        return list.items.includes(this) ? list : null;
      },
      get nextElementSibling() {
        return this.parentElement && (list.items[list.items.indexOf(this) + 1] ?? null);
      },
    };
  }
}

for (const [before, after, changed] of [
  ["abcd", "bcda", "a"],
  ["abcd", "dabc", "d"],
  ["abcd", "acbd", "b"],
  ["abcd", "abcd", "c"],
]) {
  test(`from ${before} to ${after} only ${changed} moves`, () => {
    const list = /** @type {any} */ (new List(before));
    const named = (/** @type {string} */ name) => list.items.find((/** @type {any} */ item) => item.name === name);

    arrange(list, [...after].map(named), new Set([named(changed)]));

    assert.equal(list.names, after);
    assert.ok(list.moves <= 1);
  });
}

for (const after of ["xab", "axb", "abx"]) {
  test(`a new one comes to its place in ${after}, and no other moves`, () => {
    const list = /** @type {any} */ (new List("ab"));
    const added = list.item("x");
    const named = (/** @type {string} */ name) => list.items.find((/** @type {any} */ item) => item.name === name) ?? added;

    arrange(list, [...after].map(named), new Set([added]));

    assert.equal(list.names, after);
    assert.equal(list.moves, 1);
  });
}
