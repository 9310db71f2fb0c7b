/** How a task with parts reads, as tests/test_parts_words.py has it; and what may be done with it. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { read } from "../../headway/static/js/card-reading.js";
import { asShown, isFinal } from "../../headway/static/js/snapshot.js";
import { actions, cancelWords } from "../../headway/static/js/words.js";

const cases = JSON.parse(readFileSync(new URL("../parts.json", import.meta.url), "utf8"));

for (const { case: name, snapshot, phase, ...texts } of cases) {
  test(`parts: ${name}`, () => {
    const reading = read(snapshot, { now: Date.parse(snapshot.updated_at) });
    for (const [part, text] of Object.entries(texts)) assert.equal(reading[part], text, part);
    assert.equal(asShown(snapshot).phase, phase);
  });
}

test("there is more to come of a task whose parts go on, and they can be cancelled, which is asked", () => {
  const [{ snapshot }] = cases;
  assert.ok(!isFinal(snapshot));
  assert.deepEqual(actions(snapshot), { cancel: "Cancel" });
  assert.equal(cancelWords(snapshot), "Cancel with 3 parts?");
  assert.ok(isFinal({ ...snapshot, parts: { ...snapshot.parts, ended: 4 } }));
});
