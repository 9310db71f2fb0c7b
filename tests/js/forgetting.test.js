import assert from "node:assert/strict";
import { test } from "node:test";

import { TrackedTasks } from "headway/tracked-tasks.js";

function ended(task_id, version, created_at = "2026-11-22T08:00:00.000Z") {
  return { task_id, version, phase: "succeeded", state: "SUCCESS", created_at };
}

function watched(...snapshots) {
  const tasks = new TrackedTasks();
  const heard = [];
  tasks.listListeners.add((snapshot, id, isForgotten) => heard.push([id, snapshot?.version ?? null, isForgotten]));
  for (const snapshot of snapshots) {
    tasks.track(snapshot.task_id).listeners.add(() => {});
    tasks.receive(snapshot);
  }
  heard.length = 0;
  return { tasks, heard };
}

test("all are told once that a task was forgotten", () => {
  const { tasks, heard } = watched(ended("a", 5));

  tasks.forget("a"); // by this page's own request
  tasks.forget("a", 5); // as it is pushed

  assert.deepEqual(heard, [["a", null, true]]);
});

test("an answer that was read before does not bring it back, a new task of its id does", () => {
  const { tasks, heard } = watched(ended("a", 5));

  tasks.forget("a", 6);
  tasks.receive(ended("a", 6));
  tasks.receive(ended("a", 7));

  assert.deepEqual(heard, [["a", null, true], ["a", 7, false]]);
});

test("what the list should have and has not is asked for again, and not what is older", () => {
  const { tasks } = watched(ended("old", 1, "2026-11-21"), ended("gone", 2, "2026-11-23"), ended("here", 3, "2026-11-22"));

  tasks.listRead({}, [ended("here", 3, "2026-11-22")]);

  assert.deepEqual(tasks.unasked, ["gone"]);
  assert.deepEqual(tasks.unfinished, ["gone"]);
  tasks.receive(ended("gone", 2, "2026-11-23"));
  assert.deepEqual(tasks.unasked, []);
});
