import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { ServerClock } from "../../headway/static/js/clock.js";
import { Connection } from "../../headway/static/js/connection.js";
import { TaskWatcher } from "../../headway/static/js/task-watcher.js";
import { FakeServer, FakeSocket, server, settled, snapshot } from "./fakes.js";

beforeEach(() => mock.timers.enable({ apis: ["setTimeout", "Date"], now: Date.parse("2026-11-22T08:00:00Z") }));
afterEach(() => mock.timers.reset());

/** A page: a watcher, its socket (closed yet), the server it polls, and the chip's history. */
async function page() {
  const socket = new FakeSocket();
  const http = new FakeServer();
  const clock = new ServerClock({ steady: () => Date.now() }); // time passes when the test lets it
  const connection = new Connection({ socket, clock });
  const chip = [];
  connection.on("change", (state) => chip.push(state));
  const watcher = new TaskWatcher(connection, { fetch: http.fetch, random: () => 1 });
  connection.open();
  return { socket, http, connection, watcher, chip };
}

/** A callback that notes the versions it is given; null for a missing task. */
function history() {
  const versions = [];
  const onSnapshot = (next) => versions.push(next && next.version);
  return { versions, onSnapshot };
}

async function pass(ms) {
  mock.timers.tick(ms);
  await settled();
}

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

test("the chip says Live only when connected, heard and acknowledged", async () => {
  const { socket, watcher, connection, chip } = await page();
  let acknowledge;
  socket.answer = () => new Promise((resolve) => (acknowledge = resolve));
  watcher.watchTask("a", () => {});

  socket.open({ live: false });
  await settled();
  assert.equal(connection.state, "reconnecting");
  socket.emit("server", server({ live: true }));
  assert.equal(connection.state, "reconnecting");
  acknowledge({ snapshots: [snapshot("a", 1)], logs: {}, missing: [] });
  await settled();
  assert.equal(connection.state, "reconnecting", "that may have been read before the server heard");
  acknowledge({ snapshots: [snapshot("a", 1)], logs: {}, missing: [] });
  await settled();
  assert.equal(connection.state, "live");
  socket.emit("server", server({ live: false }));
  assert.equal(connection.state, "reconnecting");
  socket.close();

  assert.deepEqual(chip, ["live", "reconnecting"]);
});

test("a socket that has answered stays Live while the next answer is on its way, but not for long", async () => {
  const { socket, watcher, connection } = await page();
  socket.open();
  await settled();
  let acknowledge;
  socket.answer = () => new Promise((resolve) => (acknowledge = resolve));

  watcher.watchTask("a", () => {});
  await settled();
  await pass(1999);
  assert.equal(connection.state, "live");
  acknowledge({ snapshots: [snapshot("a", 1)], logs: {}, missing: [] });
  await pass(1);
  assert.equal(connection.state, "live");

  watcher.watchTask("b", () => {});
  await settled();
  await pass(2000);
  assert.equal(connection.state, "reconnecting");
  acknowledge({ snapshots: [snapshot("b", 1)], logs: {}, missing: [] });
  await settled();
  assert.equal(connection.state, "live");
});

test("Live waits for the list and for every call of what was watched", async () => {
  for (const [tasks, calls] of [[0, 1], [50, 2], [150, 3]]) {
    const { socket, watcher, connection } = await page();
    let acknowledge;
    socket.answer = () => new Promise((resolve) => (acknowledge = resolve));
    watcher.watchMine(() => {});
    for (let i = 0; i < tasks; i++) watcher.watchTask(`task-${i}`, () => {});
    socket.open();
    await settled();

    const states = [];
    for (let call = 0; call < calls; call++) {
      states.push(connection.state);
      acknowledge({ snapshots: [], logs: {}, missing: [] });
      await settled();
    }

    assert.deepEqual([...states, connection.state], [...Array(calls).fill("reconnecting"), "live"]);
    assert.equal(socket.calls.length, calls);
  }
});

test("who starts tasks faster than they are answered is Live all the same", async () => {
  const { socket, watcher, chip } = await page();
  let acknowledge;
  socket.answer = () => new Promise((resolve) => (acknowledge = resolve));
  watcher.watchMine(() => {});
  watcher.watchTask("0", () => {});
  socket.open();
  for (let i = 1; i < 4; i++) {
    await settled();
    watcher.watchTask(`${i}`, () => {});
    acknowledge({ snapshots: [], logs: {}, missing: [] });
  }
  await settled();

  assert.deepEqual(socket.calls.slice(1).map(([, { task_ids }]) => task_ids), [["0", "1"], ["2"], ["3"]]);
  assert.deepEqual(chip, ["live"]);
});

test("a refusal ends Live until the answer comes", async () => {
  const { socket, watcher, chip } = await page();
  socket.open();
  await settled();
  socket.answer = () => ({ error: { code: "unavailable", message: "Redis does not answer." } });
  watcher.watchTask("a", () => {});
  await settled();
  assert.deepEqual(chip, ["live", "reconnecting"]);

  socket.answer = () => ({ snapshots: [snapshot("a", 1)], logs: {}, missing: [] });
  await pass(500);

  assert.deepEqual(chip, ["live", "reconnecting", "live"]);
});

test("a refusal is asked about again also where nothing is watched", async () => {
  const { socket, connection } = await page();
  socket.answer = () => ({ error: { code: "unavailable", message: "Redis does not answer." } });
  socket.open();
  await settled();
  assert.equal(connection.state, "reconnecting");

  socket.answer = () => ({ snapshots: [], logs: {}, missing: [] });
  await pass(500);

  assert.equal(connection.state, "live");
});

test("where the server was deaf, Live waits until all is asked for anew", async () => {
  const { socket, watcher, chip } = await page();
  watcher.watchTask("a", () => {});
  socket.open();
  await settled();
  let acknowledge;
  socket.answer = () => new Promise((resolve) => (acknowledge = resolve));

  socket.emit("server", server({ live: false }));
  socket.emit("server", server({ live: true }));
  await settled();
  assert.deepEqual(chip, ["live", "reconnecting"]);
  acknowledge({ snapshots: [snapshot("a", 2)], logs: {}, missing: [] });
  await settled();

  assert.deepEqual(chip, ["live", "reconnecting", "live"]);
});

test("after a deaf server, another one is asked once", async () => {
  const { socket, watcher } = await page();
  watcher.watchTask("a", () => {});
  socket.open({ live: false });
  await settled();
  socket.close();
  socket.calls.length = 0;

  socket.open({ live: true });
  await settled();

  assert.deepEqual(socket.names(), ["watch"]);
});

test("while Live nothing is polled", async () => {
  const { socket, http, watcher } = await page();
  watcher.watchMine(() => {});
  watcher.watchTask("a", () => {});
  await pass(1000);
  socket.open();
  await settled();

  await pass(3_600_000);

  assert.deepEqual(http.addresses, []);
});

test("polling starts after two seconds without a live socket and backs off while nothing changes", async () => {
  const { http, watcher, connection } = await page();
  watcher.watchMine(() => {});
  watcher.watchTask("a", () => {});

  await pass(1999);
  assert.deepEqual(http.addresses, []);
  await pass(1);
  assert.deepEqual(http.addresses, ["/tasks", "/status?task_id=a"]);
  assert.equal(connection.state, "polling");

  const pauses = [];
  for (let ms = 0, last = 0; ms <= 40_000; ms += 250) {
    const polls = http.addresses.length;
    await pass(250);
    if (http.addresses.length > polls) {
      pauses.push(ms + 250 - last);
      last = ms + 250;
    }
  }

  assert.deepEqual(pauses.slice(0, 5), [3000, 4500, 6750, 10_000, 10_000]);
});

test("a change brings polling back to every two seconds", async () => {
  const { http, watcher, connection } = await page();
  let version = 0;
  http.answer = () => ({ snapshots: [snapshot("a", ++version)], missing: [] });
  watcher.watchTask("a", () => {});

  for (let i = 0; i < 5; i++) await pass(2000);

  assert.equal(http.addresses.length, 5);
  assert.equal(connection.pollSeconds, 2);
});

test("a poll that brings nothing new is a 304, and counts as an answer", async () => {
  const { http, watcher, connection } = await page();
  const { versions, onSnapshot } = history();
  http.tag = '"one"';
  http.answer = () => ({ snapshots: [snapshot("a", http.tag === '"one"' ? 1 : 2)], missing: [] });
  watcher.watchTask("a", onSnapshot);

  await pass(2000);
  const heardAt = connection.heardAt;
  await pass(2000);
  await pass(3000);
  assert.deepEqual([versions, http.notModified, connection.state], [[1], 2, "polling"]);
  assert.ok(connection.heardAt > heardAt);
  assert.equal(connection.server.live, true);
  http.tag = '"two"';
  await pass(10_000);

  assert.deepEqual(versions, [1, 2]);
});

test("a check reads all anew, whatever the last answer's tag", async () => {
  const { http, watcher } = await page();
  http.tag = '"one"';
  watcher.watchTask("a", () => {});
  await pass(2000);

  watcher.check();
  await settled();

  assert.deepEqual([http.addresses.length, http.notModified], [2, 0]);
});

test("polling jitters, so that many pages do not come at once", async () => {
  const http = new FakeServer();
  const connection = new Connection({ socket: new FakeSocket() });
  const watcher = new TaskWatcher(connection, { fetch: http.fetch, random: () => 0 });
  watcher.watchTask("a", () => {});
  await pass(2000);

  await pass(2399);
  assert.equal(http.addresses.length, 1);
  await pass(1);

  assert.equal(http.addresses.length, 2);
});

test("polling stops when the socket is live again, and push goes on", async () => {
  const { socket, http, watcher, chip } = await page();
  const { versions, onSnapshot } = history();
  watcher.watchTask("a", onSnapshot);
  await pass(2000);

  socket.open();
  await settled();
  http.addresses.length = 0;
  await pass(60_000);
  socket.emit("snapshot", snapshot("a", 7));

  assert.deepEqual(http.addresses, []);
  assert.deepEqual(versions, [7]);
  assert.deepEqual(chip, ["polling", "live"]);
});

test("a poll that was on its way when the socket came back is the last", async () => {
  const { socket, http, watcher } = await page();
  let respond;
  http.answer = () => new Promise((resolve) => (respond = resolve));
  watcher.watchTask("a", () => {});
  await pass(2000);
  socket.open();
  await settled();

  respond({ snapshots: [], missing: [] });
  await settled();
  await pass(60_000);

  assert.equal(http.addresses.length, 1);
});

test("without a websocket the page polls and says so", async () => {
  const { http, watcher, connection } = await page();
  watcher.watchTask("a", () => {});

  await pass(2000);

  assert.deepEqual(http.addresses, ["/status?task_id=a"]);
  assert.equal(connection.state, "polling");
});

test("what has ended or is missing is not polled", async () => {
  const { http, watcher } = await page();
  http.answer = () => ({ snapshots: [snapshot("a", 1, { phase: "failed" })], missing: ["b"] });
  const { versions, onSnapshot } = history();
  watcher.watchTask("a", () => {});
  watcher.watchTask("b", onSnapshot);

  await pass(2000);
  await pass(60_000);

  assert.equal(http.addresses.length, 1);
  assert.deepEqual(versions, [null]);
});

test("failing polls make the chip say Offline, until one succeeds", async () => {
  const { http, watcher, chip } = await page();
  watcher.watchTask("a", () => {});
  http.answer = () => Promise.reject(new Error("no network"));
  await pass(2000);
  http.answer = () => ({ snapshots: [], missing: [] });

  await pass(10_000);

  assert.deepEqual([...new Set(chip)], ["offline", "polling"]);
  assert.equal(chip.at(-1), "polling");
});

test("a server that hears nothing counts as not live: it is polled", async () => {
  const { socket, http, watcher } = await page();
  watcher.watchTask("a", () => {});
  socket.open();
  await settled();

  socket.emit("server", server({ live: false }));
  await pass(2000);
  assert.equal(http.addresses.length, 1);
  socket.emit("server", server({ live: true }));
  await settled();
  await pass(60_000);

  assert.equal(http.addresses.length, 1);
  assert.deepEqual(socket.names(), ["watch", "watch"]);
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

test("a socket that does not answer is opened anew", async () => {
  const { socket, watcher, connection } = await page();
  socket.answer = () => Promise.reject(new Error("operation has timed out"));
  watcher.watchTask("a", () => {});

  socket.open();
  await settled();

  assert.equal(socket.restarts, 1);
  assert.equal(connection.connected, false);
});

test("a check asks at once: over the socket where there is one, else by a poll", async () => {
  const { socket, http, watcher } = await page();
  watcher.watchTask("a", () => {});

  watcher.check();
  await settled();
  assert.deepEqual(http.addresses, ["/status?task_id=a"]);
  assert.equal(socket.restarts, 1);

  socket.open();
  await settled();
  socket.calls.length = http.addresses.length = 0;
  watcher.check();
  await settled();

  assert.deepEqual(socket.names(), ["watch"]);
  assert.deepEqual(http.addresses, []);
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

test("Live is proven by an answer, also where nothing is watched", async () => {
  const { socket, watcher, connection } = await page();
  socket.open();
  await settled();
  assert.equal(connection.state, "live");

  socket.answer = () => new Promise(() => {});
  connection.note({ onLine: false });
  watcher.check();

  assert.equal(connection.state, "offline");
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

test("a poll tells of a missing task too, and it is polled no more", async () => {
  const { http, watcher } = await page();
  const { versions, onSnapshot } = history();
  watcher.receive(snapshot("a", 5));
  watcher.watchTask("a", onSnapshot);
  http.answer = () => ({ snapshots: [], missing: ["a"] });

  await pass(2000);
  await pass(60_000);

  assert.deepEqual(versions, [5, null]);
  assert.equal(http.addresses.length, 1);
});

test("one task can be read at once, also when it has ended and the socket is live", async () => {
  const { socket, http, watcher } = await page();
  const { versions, onSnapshot } = history();
  watcher.receive(snapshot("a", 5, { phase: "failed" }));
  watcher.watchTask("a", onSnapshot);
  socket.open();
  await settled();
  http.answer = () => ({ snapshots: [], missing: ["a"] });

  await watcher.refresh("a");

  assert.deepEqual(http.addresses, ["/status?task_id=a"]);
  assert.deepEqual(versions, [5, null]);
});

test("an older snapshot takes no task back from its end, whatever the door", async () => {
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

test("a half-open socket is helped out by polling until it is found out", async () => {
  const { socket, http, watcher, chip } = await page();
  watcher.watchTask("a", () => {});
  socket.open();
  await settled();
  await pass(7000);

  socket.dead = true;
  await pass(9000);
  await pass(2000);

  assert.deepEqual(http.addresses, ["/status?task_id=a"]);
  assert.deepEqual(chip, ["live", "reconnecting", "polling"]);
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
  watcher.receive(snapshot("a", 1, { phase: "succeeded" }));
  const stop = watcher.watchTask("a", () => {});
  socket.open();
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

// The log

function line(seq) {
  return { seq, at: "2026-11-22T08:00:00.000Z", level: "INFO", text: `line ${seq}` };
}

test("log lines arrive in order, each once", async () => {
  const { socket, watcher } = await page();
  const seen = [];
  watcher.watchTask("a", (_, newest) => seen.push(newest?.seq));
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
