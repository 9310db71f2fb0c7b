import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { Connection } from "../../headway/static/js/connection.js";
import { TaskWatcher } from "../../headway/static/js/task-watcher.js";
import { FakeServer, FakeSocket, settled, snapshot } from "./fakes.js";

beforeEach(() => mock.timers.enable({ apis: ["setTimeout", "Date"], now: Date.parse("2026-11-22T08:00:00Z") }));
afterEach(() => mock.timers.reset());

const ENDS = ["succeeded", "failed", "cancelled"];

/** A page that has just been loaded: the server drew these cards, and has the newest 50 of them in its list. */
async function reloaded(ids, { phases = ENDS, list = true } = {}) {
  const socket = new FakeSocket();
  const http = new FakeServer();
  const connection = new Connection({ socket });
  const watcher = new TaskWatcher(connection, { fetch: http.fetch, random: () => 1 });
  const all = ids.map((id, i) => snapshot(id, i + 1, { phase: phases[i % phases.length] }));
  socket.answer = (event, payload) =>
    event === "watch_mine"
      ? { snapshots: all.slice(0, 50) }
      : { snapshots: all.filter(({ task_id }) => payload.task_ids.includes(task_id)), logs: {}, missing: [] };
  connection.open();
  const stop = ids.map((id) => watcher.watchTask(id, () => {}));
  if (list) watcher.watchMine(() => {});
  return { socket, http, connection, watcher, stop };
}

async function pass(ms) {
  mock.timers.tick(ms);
  await settled();
}

function named(count) {
  return Array.from({ length: count }, (_, i) => `task-${i}`);
}

for (const count of [0, 1, 2, 50, 51, 150, 151, 250]) {
  for (const phases of [...ENDS.map((end) => [end]), ENDS, ["running"], ["running", "succeeded"]]) {
    for (const list of [true, false]) {
      test(`${count} cards (${phases}) ${list ? "and the list" : "alone"} are Live, and not polled`, async () => {
        const { socket, http, connection } = await reloaded(named(count), { phases, list });

        socket.open();
        await settled();
        await pass(10_000);

        assert.equal(connection.state, "live");
        assert.deepEqual(http.addresses, []);
      });
    }
  }
}

test("a page that was polling is Live when the socket opens, though all has ended by then", async () => {
  const { socket, http, connection } = await reloaded(named(3));
  http.answer = () => ({ tasks: named(3).map((id, i) => snapshot(id, i + 1, { phase: "failed" })) });
  await pass(2000);
  assert.equal(connection.state, "polling");

  socket.open();
  await settled();

  assert.equal(connection.state, "live");
});

test("cards that go while they are asked for keep nobody waiting", async () => {
  const { socket, connection, stop } = await reloaded(named(150), { phases: ["running"], list: false });
  const answer = socket.answer;
  socket.answer = (event, payload) => {
    if (event === "watch") stop.slice(100).forEach((each) => each());
    return answer(event, payload);
  };

  socket.open();
  await settled();

  assert.equal(connection.state, "live");
});

test("a check of what has ended leaves the page Live", async () => {
  const { socket, connection, watcher } = await reloaded(named(3));
  socket.open();
  await settled();

  watcher.check();
  await settled();

  assert.equal(connection.state, "live");
});

test("an answer that is long in coming takes Live away, and gives it back", async () => {
  const { socket, connection, watcher } = await reloaded(named(1), { phases: ["running"] });
  const answer = socket.answer;
  socket.answer = (event, payload) =>
    new Promise((resolve) => setTimeout(() => resolve(answer(event, payload)), event === "watch_mine" ? 3000 : 1));
  socket.open();
  await pass(2000);
  assert.notEqual(connection.state, "live");

  await pass(1000);
  await pass(1);
  assert.equal(connection.state, "live");
  watcher.check();
  await pass(3000);
  await pass(1);

  assert.equal(connection.state, "live");
});

test("a listener that throws is reported, and keeps neither the others nor the connection from their work", async () => {
  const reported = mock.method(console, "error", () => {});
  const { socket, connection, watcher } = await reloaded(named(2));
  const seen = [];
  connection.on("server", () => {
    throw new Error("no place for it on this page");
  });
  watcher.watchTask("task-0", () => {
    throw new Error("cannot draw");
  });
  watcher.watchTask("task-0", (next) => seen.push(next.version));

  socket.open();
  await settled();

  assert.equal(connection.state, "live");
  assert.deepEqual(seen, [1]);
  assert.deepEqual([...new Set(reported.mock.calls.map(({ arguments: [error] }) => error.message))], [
    "no place for it on this page",
    "cannot draw",
  ]);
});
