import assert from "node:assert/strict";
import { test } from "node:test";

import { left, phrase, possible } from "headway/choice-words.js";

test("what has not ended can be cancelled, what has ended started again and forgotten", () => {
  for (const phase of ["scheduled", "queued", "running", "retrying", "waiting"]) {
    assert.deepEqual(["cancel", "retry", "forget"].map((action) => possible(action, phase)), [true, false, false]);
  }
  for (const phase of ["succeeded", "failed", "cancelled"]) {
    assert.deepEqual(["cancel", "retry", "forget"].map((action) => possible(action, phase)), [false, true, true]);
  }
  assert.ok(!["cancel", "retry", "forget"].some((action) => possible(action, "cancelling")));
});

test("a button says how many tasks it is for, and that forgetting is for good", () => {
  assert.equal(phrase("cancel", 0, false), "Cancel");
  assert.equal(phrase("retry", 2, false), "Run 2 again");
  assert.equal(phrase("forget", 2, false), "Forget 2");
  assert.equal(phrase("forget", 2, true), "Forget 2 for good?");
});

test("what is left out is said before", () => {
  assert.equal(left([]), "");
  assert.equal(left(["failed", "succeeded"]), "");
  assert.match(left(["running"]), /once they have ended/);
  assert.equal(
    left(["running", "failed", "succeeded"]),
    "Cancel leaves out the 2 that have ended. Run again and Forget leave out the 1 that has not.",
  );
  assert.equal(
    left(["running", "queued", "failed"]),
    "Cancel leaves out the 1 that has ended. Run again and Forget leave out the 2 that have not.",
  );
  assert.equal(left(["cancelling"]), "1 is being cancelled already.");
  assert.equal(left(["cancelling", "cancelling"]), "2 are being cancelled already.");
});
