/** A task's log lines: in order, each once, gaps asked for. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { settled, snapshot } from "./fakes.js";
import { history, page } from "./watched-page.js";

function line(seq) {
  return { seq, at: "2026-11-22T08:00:00.000Z", level: "INFO", text: `line ${seq}` };
}

test("log lines arrive in order, each once", async () => {
  const { socket, watcher } = await page();
  const seen = [];
  watcher.watchTask("a", (_, newest) => newest && seen.push(newest.seq));
  watcher.receive(snapshot("a", 1));
  socket.answer = () => ({ snapshots: [], logs: { a: { lines: [line(1), line(2)] } }, missing: [] });
  socket.open();
  await settled();

  socket.emit("log", { task_id: "a", lines: [line(2), line(3)] });
  socket.emit("log", { task_id: "a", lines: [line(1)] });
  await settled();

  assert.deepEqual([...new Set(seen)], [2, 3]);
  assert.deepEqual(socket.names(), ["watch"]);
});

test("a gap in the log is asked for after the last line known", async () => {
  const { socket, watcher } = await page();
  let newest;
  watcher.watchTask("a", (_, last) => (newest = last?.seq));
  watcher.receive(snapshot("a", 1));
  socket.answer = () => ({ snapshots: [], logs: { a: { lines: [line(1)] } }, missing: [] });
  socket.open();
  await settled();
  socket.answer = () => ({ snapshots: [], logs: { a: { lines: [line(2), line(3), line(4)] } }, missing: [] });

  socket.emit("log", { task_id: "a", lines: [line(4)] });
  assert.equal(newest, 1);
  await settled();

  assert.deepEqual(socket.calls[1], ["watch", { task_ids: ["a"], after: { a: 1 } }]);
  assert.equal(newest, 4);
});

test("a gap that shows while an answer is on its way is asked for again", async () => {
  const { socket, watcher } = await page();
  let newest;
  let acknowledge;
  watcher.watchTask("a", (_, last) => (newest = last?.seq));
  watcher.receive(snapshot("a", 1));
  socket.answer = () => new Promise((resolve) => (acknowledge = resolve));
  socket.open();
  await settled();

  socket.emit("log", { task_id: "a", lines: [line(3)] });
  acknowledge({ snapshots: [], logs: { a: { lines: [line(1), line(2)] } }, missing: [] });
  await settled();
  acknowledge({ snapshots: [], logs: { a: { lines: [line(3)] } }, missing: [] });
  await settled();

  assert.equal(newest, 3);
});

test("a line that comes before the first snapshot takes no task for gone", async () => {
  const { socket, watcher } = await page();
  const { versions, onSnapshot } = history();
  watcher.watchTask("a", onSnapshot);
  socket.open();

  socket.emit("log", { task_id: "a", lines: [line(1)] });
  watcher.receive(snapshot("a", 1));

  assert.deepEqual(versions, [1]);
});
