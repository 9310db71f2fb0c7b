import assert from "node:assert/strict";
import { test } from "node:test";

import { valuesOf } from "../../headway/static/js/task-question.js";

test("choices are buttons, and so are the values of a schema that has few", () => {
  const [text, anyText] = [{ choices: null }, { choices: null, schema: null }];

  assert.deepEqual(valuesOf({ choices: ["a", 1], schema: null }), [
    ["a", "a"],
    ["1", 1],
  ]);
  assert.deepEqual(valuesOf({ ...text, schema: { enum: ["mm", "cm"] } }), [
    ["mm", "mm"],
    ["cm", "cm"],
  ]);
  assert.deepEqual(valuesOf({ ...text, schema: { type: "boolean" } }), [
    ["Yes", true],
    ["No", false],
  ]);
  assert.equal(valuesOf({ ...text, schema: { type: "integer" } }), null);
  assert.equal(valuesOf(anyText), null);
});
