import assert from "node:assert/strict";
import { test } from "node:test";

import { TaskCounts } from "../../headway/static/js/task-counts.js";

const READ = Date.parse("2026-11-22T08:00:00.000Z");
const BEFORE = "2026-11-22T07:59:00.000Z";
const AFTER = "2026-11-22T08:01:00.000Z";

function counts() {
  const counts = new TaskCounts();
  counts.read({ queued: 2, running: 1, succeeded: 7000, failed: 0 }, READ);
  return counts;
}

test("counts are of all tasks, each phase by itself", () => {
  assert.equal(counts().of(["running"]), 1);
  assert.equal(counts().of(["succeeded"]), 7000);
  assert.equal(counts().of(["running", "cancelling"]), 1);
  assert.equal(counts().of([]), 7003);
});

test("a task that changes its phase leaves the one and comes to the other", () => {
  const all = counts();
  all.note("a", "running");

  assert.equal(all.receive({ task_id: "a", phase: "running", created_at: BEFORE }), false);
  assert.equal(all.receive({ task_id: "a", phase: "failed", created_at: BEFORE }), false);

  assert.equal(all.of(["running"]), 0);
  assert.equal(all.of(["failed"]), 1);
  assert.equal(all.of([]), 7003);
});

test("a new task adds one, and one that is gone takes it away", () => {
  const all = counts();

  assert.equal(all.receive({ task_id: "b", phase: "queued", created_at: AFTER }), false);
  assert.equal(all.of(["queued"]), 3);

  all.remove("b");
  assert.equal(all.of(["queued"]), 2);
});

test("a task that began about when the counts were read has them read again, whichever clock is ahead", () => {
  for (const ms of [-300, 0, 300]) {
    const created_at = new Date(READ + ms).toISOString();
    assert.equal(counts().receive({ task_id: "d", phase: "queued", created_at }), true);
  }
});

test("a task of which nobody knows the phase before has the counts read again", () => {
  const all = counts();

  assert.equal(all.receive({ task_id: "c", phase: "running", created_at: BEFORE }), true);

  assert.equal(all.of([]), 7003);
});
