import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { Announcer } from "../../headway/static/js/announcer.js";

beforeEach(() => mock.timers.enable({ apis: ["setTimeout"] }));
afterEach(() => mock.timers.reset());

/** A live region that remembers all it was made to say. */
class Region {
  said = [];
  set textContent(text) {
    this.said.push(text.replace("\u202f", " "));
  }
}

function listener() {
  const [polite, alert] = [new Region(), new Region()];
  const announcer = new Announcer(polite, alert);
  const observe = (phase, current = 0, task_id = "a") =>
    announcer.receive({ task_id, title: `Task ${task_id}`, phase, current, total: 100, attempt: 1, error: null });
  return { polite, alert, observe, announcer };
}

test("speaks of changes of state and of quarters, not of every percent", () => {
  const { polite, observe } = listener();

  for (let current = 0; current <= 60; current++) {
    observe("running", current);
    mock.timers.tick(5000);
  }

  assert.deepEqual(polite.said, ["Task a: 0 %", "Task a: 25 %", "Task a: 50 %"]);
});

test("a question is said with its words, and so is the next one", () => {
  const { polite, announcer } = listener();
  const asked = (id, text) => ({ task_id: "a", title: "Task a", phase: "waiting", question: { id, text } });

  announcer.receive(asked("1", "Import?"));
  mock.timers.tick(5000);
  announcer.receive(asked("1", "Import?"));
  announcer.receive(asked("2", "How?"));

  assert.deepEqual(polite.said, ["Task a: Waiting for an answer. Import?", "Task a: Waiting for an answer. How?"]);
});

test("says at most one thing in five seconds, the newest of each task", () => {
  const { polite, observe } = listener();
  observe("queued");
  observe("running", 10);
  observe("running", 30);
  observe("queued", 0, "b");

  mock.timers.tick(4999);
  assert.deepEqual(polite.said, ["Task a: Queued"]);
  mock.timers.tick(1);

  assert.deepEqual(polite.said, ["Task a: Queued", "Task a: 30 %. Task b: Queued"]);
});

test("a failure interrupts; what is left to say of it is dropped", () => {
  const { polite, alert, observe } = listener();
  observe("queued");
  observe("running", 10);
  observe("failed", 10);
  mock.timers.tick(5000);

  assert.deepEqual(polite.said, ["Task a: Queued"]);
  assert.equal(alert.said.length, 1);
  assert.match(alert.said[0], /^Task a: Failed/);
});

test("several that fail in one turn are all told of", async () => {
  const { alert, observe } = listener();
  for (const id of ["a", "b"]) observe("running", 10, id);

  for (const id of ["a", "b"]) observe("failed", 10, id);
  await null;
  observe("running", 10, "a");
  observe("failed", 10, "a");

  assert.match(alert.said[1], /^Task a: Failed.* Task b: Failed/);
  assert.match(alert.said[2], /^Task a: Failed/);
  assert.ok(!alert.said[2].includes("Task b"));
});

test("what had ended before is no news", () => {
  const { polite, alert, observe } = listener();

  observe("succeeded");
  observe("failed", 0, "b");

  assert.deepEqual([...polite.said, ...alert.said], []);
});

test("a task that is gone is told of by its name", () => {
  const { polite, observe, announcer } = listener();
  observe("running", 10);
  mock.timers.tick(5000);

  announcer.remove("a");
  mock.timers.tick(5000);
  announcer.remove("unseen", false, "a token");

  assert.deepEqual(polite.said, [
    "Task a: 10 %",
    "Task a: This task has expired or belongs to someone else.",
    "Task: This link has expired or was withdrawn, or the task is no longer kept.",
  ]);
});

test("a failure is told in the page's words", () => {
  const { alert, announcer } = listener();
  const error = { type: "OutcomeUnknown", message: "No answer." };
  announcer.receive({ task_id: "a", title: "Mail", phase: "running", current: 0, total: 1, attempt: 1, error: null });

  announcer.receive({ task_id: "a", title: "Mail", phase: "failed", current: 0, total: 1, attempt: 1, error });

  assert.match(alert.said[0], /^Mail: Failed\. .*It may have been done already\./);
});
