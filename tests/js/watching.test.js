/** What watchers of tasks hear: each version once, whatever its endpoint, until they stop. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { server, settled, snapshot } from "./fakes.js";
import { history, page, pass } from "./watched-page.js";

function permutations(items) {
  if (items.length < 2) return [items];
  return items.flatMap((item, i) =>
    permutations([...items.slice(0, i), ...items.slice(i + 1)]).map((rest) => [item, ...rest]),
  );
}

test("whatever the order of arrival, versions only grow and the newest is last", async () => {
  for (const order of permutations([1, 2, 3, 4])) {
    const { watcher } = await page();
    const { versions, onSnapshot } = history();
    watcher.watchTask("a", onSnapshot);

    for (const version of [...order, ...order]) watcher.receive(snapshot("a", version));

    assert.deepEqual(versions, [...new Set(versions)].sort(), `${order}`);
    assert.equal(versions.at(-1), 4);
  }
});

test("pushed, acknowledged, polled and posted snapshots meet by version", async () => {
  const { socket, http, watcher } = await page();
  const { versions, onSnapshot } = history();
  http.answer = () => ({ snapshots: [snapshot("a", 3)], missing: [] });
  socket.answer = () => ({ snapshots: [snapshot("a", 5)], logs: {}, missing: [] });
  watcher.receive(snapshot("a", 1));
  watcher.watchTask("a", onSnapshot);

  await pass(2000);
  socket.open();
  await settled();
  socket.emit("snapshot", snapshot("a", 4));
  socket.emit("snapshot", snapshot("a", 6));

  assert.deepEqual(versions, [1, 3, 5, 6]);
});

test("all that is begun in one turn is asked for in one call", async () => {
  const { socket, watcher } = await page();
  socket.open();
  await settled();
  socket.calls.length = 0;

  for (const id of ["a", "b", "c"]) watcher.watchTask(id, () => {});
  await settled();

  assert.deepEqual(socket.calls, [["watch", { task_ids: ["a", "b", "c"], after: { a: 0, b: 0, c: 0 } }]]);
});

test("no call names more than 100 tasks", async () => {
  const { socket, http, watcher } = await page();
  for (let i = 0; i < 250; i++) watcher.watchTask(`task-${i}`, () => {});

  await pass(2000);
  socket.open();
  await settled();

  assert.deepEqual(http.addresses.map((address) => address.match(/task_id/g).length), [100, 100, 50]);
  assert.deepEqual(socket.calls.map(([, { task_ids }]) => task_ids.length), [100, 100, 50]);
});

test("every connect watches again what has not ended", async () => {
  const { socket, watcher } = await page();
  watcher.watchMine(() => {});
  watcher.watchTask("a", () => {});
  watcher.watchTask("b", () => {});
  socket.open();
  await settled();
  const ended = snapshot("b", 9, { phase: "succeeded" });
  socket.emit("snapshot", ended);
  const answer = socket.answer;
  socket.answer = (event) => (event === "watch_mine" ? { snapshots: [ended], counts: {} } : answer(event));

  socket.close();
  socket.calls.length = 0;
  socket.open();
  await settled();

  assert.deepEqual(socket.names(), ["watch_mine", "watch"]);
  assert.deepEqual(socket.calls[1][1].task_ids, ["a"]);
});

test("every connect asks again for a task that has ended, without a list that tells of it", async () => {
  const { socket, watcher } = await page();
  const { versions, onSnapshot } = history();
  watcher.watchTask("b", onSnapshot);
  socket.open();
  await settled();
  socket.emit("snapshot", snapshot("b", 9, { phase: "succeeded" }));
  socket.answer = (_, { task_ids }) => ({ snapshots: [], logs: {}, missing: task_ids }); // the link was withdrawn

  socket.close();
  socket.open();
  await settled();

  assert.deepEqual(versions, [9, null]);
});

test("a refused call is repeated with back-off until it is acknowledged", async () => {
  const { socket, watcher, connection } = await page();
  const { versions, onSnapshot } = history();
  let refusals = 3;
  socket.answer = (_, { task_ids }) =>
    refusals-- > 0
      ? { error: { code: "unavailable", message: "Redis does not answer." } }
      : { snapshots: task_ids.map((id) => snapshot(id, 1)), logs: {}, missing: [] };
  watcher.watchTask("a", onSnapshot);
  socket.open();
  await settled();

  const counts = [];
  for (const ms of [499, 1, 999, 1, 1999, 1]) {
    await pass(ms);
    counts.push(socket.calls.length);
  }

  assert.deepEqual(counts, [1, 2, 2, 3, 3, 4]);
  assert.deepEqual(versions, [1]);
  assert.equal(connection.state, "live");
});

test("a refused list is asked for again too", async () => {
  const { socket, watcher } = await page();
  const { versions, onSnapshot } = history();
  socket.answer = () => ({ error: { code: "unavailable", message: "no" } });
  watcher.watchMine(onSnapshot);
  socket.open();
  await settled();
  socket.answer = () => ({ snapshots: [snapshot("a", 2), snapshot("b", 1)] });

  await pass(500);

  assert.deepEqual(socket.names(), ["watch_mine", "watch_mine"]);
  assert.deepEqual(versions, [2, 1]);
});

test("news of the server refresh the place of queued tasks alone", async () => {
  const { socket, watcher } = await page();
  const places = [];
  watcher.watchTask("a", (next) => places.push(next.queue_position));
  watcher.watchTask("b", () => {});
  socket.answer = () => ({
    snapshots: [snapshot("a", 1, { phase: "queued", queue_position: 3 }), snapshot("b", 1)],
    logs: {},
    missing: [],
  });
  socket.open();
  await settled();
  socket.answer = () => ({
    snapshots: [snapshot("a", 1, { phase: "queued", queue_position: 1 })],
    logs: {},
    missing: [],
  });

  socket.emit("server", server({ queued: 2 }));
  await settled();

  assert.deepEqual(socket.calls[1][1].task_ids, ["a"]);
  assert.deepEqual(places, [3, 1]);
});

test("a missing task is told once, and again when it is found", async () => {
  const { socket, watcher } = await page();
  const { versions, onSnapshot } = history();
  socket.answer = (_, { task_ids }) => ({ snapshots: [], logs: {}, missing: task_ids });
  watcher.watchTask("a", onSnapshot);

  socket.open();
  await settled();
  socket.close();
  socket.open();
  await settled();
  watcher.receive(snapshot("a", 1));

  assert.deepEqual(versions, [null, 1]);
});

test("a task that was running a moment ago and is gone is told as missing, to its card and to the list", async () => {
  const { socket, watcher } = await page();
  const { versions, onSnapshot } = history();
  const mine = [];
  watcher.watchMine((next, taskId) => mine.push([taskId, next?.version]));
  watcher.watchTask("a", onSnapshot);
  socket.answer = (event) => ({ snapshots: event === "watch" ? [snapshot("a", 5)] : [], logs: {}, missing: [] });
  socket.open();
  await settled();

  socket.answer = () => ({ snapshots: [], logs: {}, missing: ["a"] }); // Redis was emptied
  socket.close();
  socket.open();
  await settled();

  assert.deepEqual(versions, [5, null]);
  assert.deepEqual(mine, [["a", 5], ["a", undefined]]);
});

test("an older snapshot takes no task back from its end, whatever the endpoint", async () => {
  const { socket, http, watcher } = await page();
  const { versions, onSnapshot } = history();
  watcher.watchTask("a", onSnapshot);
  socket.open();
  await settled();
  socket.emit("snapshot", snapshot("a", 9, { phase: "cancelled" }));
  http.answer = () => ({ snapshots: [snapshot("a", 8, { phase: "cancelling" })], missing: [] });

  socket.emit("snapshot", snapshot("a", 8, { phase: "succeeded" }));
  await watcher.refresh("a");
  watcher.receive(snapshot("a", 7));

  assert.deepEqual(versions, [9]);
});

test("a second watcher of a task gets what is known at once", async () => {
  const { watcher } = await page();
  watcher.receive(snapshot("a", 5));
  const { versions, onSnapshot } = history();

  watcher.watchTask("a", onSnapshot);

  assert.deepEqual(versions, [5]);
});

test("after stop() nothing arrives, and the server is told when nobody watches", async () => {
  const { socket, watcher } = await page();
  const { versions, onSnapshot } = history();
  const stops = [watcher.watchTask("a", onSnapshot), watcher.watchTask("a", () => {})];
  socket.open();
  await settled();

  stops[0]();
  socket.emit("snapshot", snapshot("a", 1));
  assert.deepEqual(socket.names(), ["watch"]);
  stops[1]();
  await settled();

  assert.deepEqual(versions, []);
  assert.deepEqual(socket.calls.at(-1), ["unwatch", { task_ids: ["a"] }]);
});

test("what had ended and was never watched needs no unwatch", async () => {
  const { socket, watcher } = await page();
  socket.open();
  await settled();
  watcher.receive(snapshot("a", 1, { phase: "succeeded" }));
  const stop = watcher.watchTask("a", () => {});
  await settled();
  socket.calls.length = 0;

  stop();
  await settled();

  assert.deepEqual(socket.calls, []);
});

test("the list hears of tasks that were started elsewhere", async () => {
  const { socket, watcher } = await page();
  const { versions, onSnapshot } = history();
  watcher.watchMine(onSnapshot);
  socket.open();
  await settled();

  socket.emit("snapshot", snapshot("new", 8));
  socket.emit("snapshot", snapshot("new", 7));

  assert.deepEqual(versions, [8]);
});

test("a watcher is idle when nobody listens", async () => {
  const { watcher } = await page();
  const [stopTask, stopMine] = [watcher.watchTask("a", () => {}), watcher.watchMine(() => {})];

  stopTask();
  assert.equal(watcher.isIdle, false);
  stopMine();
  assert.equal(watcher.isIdle, true);
});

for (const before of ["open", "refused"]) {
  test(`a watcher that is closed asks, polls and connects no more: ${before}`, async () => {
    const { socket, http, watcher, connection } = await page();
    watcher.watchTask("a", () => {});
    if (before === "open") socket.open();
    else socket.emit("connect_error", new Error("refused"));
    await settled();

    watcher.close();
    http.addresses.length = socket.calls.length = 0;
    await pass(60_000);

    assert.equal(connection.connected, false);
    assert.deepEqual([http.addresses, socket.calls, socket.restarts], [[], [], 0]);
  });
}

test("hundreds that are left at once are left in few calls, but what is watched again is not", async () => {
  const { socket, watcher } = await page();
  socket.answer = (event, { task_ids = [] }) => ({ snapshots: task_ids.map((id) => snapshot(id, 1)), logs: {}, missing: [] });
  socket.open();
  const stops = Array.from({ length: 150 }, (_, index) => watcher.watchTask(`task-${index}`, () => {}));
  await settled();
  socket.calls.length = 0;

  for (const stop of stops) stop();
  watcher.watchTask("task-0", () => {});
  await settled();

  const left = socket.calls.filter(([event]) => event === "unwatch").map(([, { task_ids }]) => task_ids);
  assert.deepEqual(left.map(({ length }) => length), [99, 50]);
  assert.ok(!left.flat().includes("task-0"));
});

test("by a token for some tasks the list hears of those that have no card", async () => {
  for (const [token, left] of [["", 1], ["a token", 0]]) {
    const { socket, watcher } = await page();
    socket.answer = () => ({ snapshots: [snapshot("a", 1)], logs: {}, missing: [], counts: {} });
    watcher.server = { ...watcher.server, token };
    watcher.watchMine(() => {});
    const stop = watcher.watchTask("a", () => {});
    socket.open();
    await settled();

    stop();
    await settled();

    assert.equal(socket.names().filter((name) => name === "unwatch").length, left, token);
  }
});

test("a second list is told of what the first one has", async () => {
  const { socket, watcher } = await page();
  socket.answer = () => ({ snapshots: [snapshot("a", 3)], counts: { running: 1 } });
  const first = watcher.watchMine(() => {});
  socket.open();
  await settled();
  first();
  const read = [];

  watcher.watchMine(() => {}, (counts, newest) => read.push([counts, newest.map(({ version }) => version)]));
  await settled();

  assert.deepEqual(read, [[{ running: 1 }, [3]]]);
});

test("what was pushed before a page's answer is newer than it", async () => {
  const { watcher } = await page();
  watcher.receive(snapshot("a", 7, { phase: "running" }));

  const [old, news, other] = [["a", 6], ["a", 8], ["b", 1]].map(([id, version]) => snapshot(id, version, { phase: "queued" }));

  assert.equal(watcher.newest(old).version, 7);
  assert.equal(watcher.newest(news), news);
  assert.equal(watcher.newest(other), other);
});
