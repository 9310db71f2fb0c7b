/** What a watcher polls while its socket is away or deaf, how often, and when it stops. */

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { Connection } from "../../headway/static/js/connection.js";
import { TaskWatcher } from "../../headway/static/js/task-watcher.js";
import { FakeServer, FakeSocket, server, settled, snapshot } from "./fakes.js";
import { history, page, pass } from "./watched-page.js";

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
  assert.deepEqual(http.addresses, ["/tasks?include=open", "/status?task_id=a"]);
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

test("a card that begins again is told, though nothing is new since the last poll", async () => {
  const { http, watcher } = await page();
  http.tag = 'W/"1"';
  http.answer = () => ({ snapshots: [snapshot("a", 1)], missing: [] });
  const stop = watcher.watchTask("a", () => {});
  await pass(4000);
  stop();
  const { versions, onSnapshot } = history();
  watcher.watchTask("a", onSnapshot);

  await pass(4000);

  assert.deepEqual(versions, [1]);
});

test("nor does it matter that a poll is on its way", async () => {
  const { http, watcher } = await page();
  http.tag = 'W/"1"';
  http.answer = () => ({ snapshots: [snapshot("a", 1)], missing: [] });
  const stop = watcher.watchTask("a", () => {});
  await pass(4000);
  mock.timers.tick(4000);
  stop();
  const { versions, onSnapshot } = history();
  watcher.watchTask("a", onSnapshot);
  await settled();

  await pass(4000);

  assert.deepEqual(versions, [1]);
});

test("a list that begins again is told, though nothing is new since the last poll", async () => {
  const { http, watcher } = await page();
  http.tag = 'W/"1"';
  http.answer = (address) => (address.startsWith("/tasks") ? { tasks: [snapshot("a", 1)], counts: { running: 1 } } : {});
  const stop = watcher.watchMine(() => {});
  await pass(4000);
  stop();
  const read = [];
  watcher.watchMine(() => {}, (counts, newest) => read.push([counts, newest.map(({ version }) => version)]));

  await pass(4000);

  assert.deepEqual(read, [[{ running: 1 }, [1]]]);
});
