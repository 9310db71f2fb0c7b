import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { ServerClock } from "../../headway/static/js/clock.js";
import { Connection } from "../../headway/static/js/connection.js";
import { TaskWatcher } from "../../headway/static/js/task-watcher.js";
import { FakeServer, FakeSocket, server, settled, snapshot } from "./fakes.js";

const NOW = Date.parse("2026-11-22T08:00:00Z");
const HOURS = 3_600_000;

beforeEach(() => mock.timers.enable({ apis: ["setTimeout", "Date"], now: NOW }));
afterEach(() => mock.timers.reset());

/** A machine whose time of day is set, and which sleeps, as a test says. */
function machine({ wrongBy = 0 } = {}) {
  const it = { wall: NOW + wrongBy, steady: 1234.5 };
  it.pass = (ms) => ((it.wall += ms), (it.steady += ms));
  it.clock = new ServerClock({ wall: () => it.wall, steady: () => it.steady });
  return it;
}

for (const jump of [-24 * HOURS, -5 * HOURS, -2000, 2000, 5 * HOURS, 24 * HOURS]) {
  test(`a clock that is set by ${jump / 1000} s changes nothing of the server's time`, () => {
    const it = machine();
    it.clock.set(NOW);
    it.pass(1000);

    it.wall += jump;
    it.pass(500);

    assert.equal(it.clock.now(), NOW + 1500);
    assert.equal(it.clock.hasSkipped(), true);
    assert.equal(it.clock.hasSkipped(), false, "it is noticed once");
  });

  test(`a clock that is wrong by ${jump / 1000} s shows the server's time`, () => {
    const it = machine({ wrongBy: jump });

    it.clock.set(NOW);
    it.pass(60_000);

    assert.equal(it.clock.now(), NOW + 60_000);
    assert.equal(it.clock.hasSkipped(), false);
  });
}

test("a sleep in which the steady clock stood still is noticed, and mended by the server's next word", () => {
  const it = machine();
  it.clock.set(NOW);

  it.wall += 5 * HOURS;
  assert.equal(it.clock.hasSkipped(), true);
  it.clock.set(NOW + 5 * HOURS);

  assert.equal(it.clock.now(), NOW + 5 * HOURS);
});

test("an old time tells nothing, and a late one less than an early one", () => {
  const it = machine();
  it.clock.set(NOW + 100);

  it.clock.observe(NOW - 2 * HOURS);
  it.clock.set(NOW + 40);

  assert.equal(it.clock.now(), NOW + 100);
});

test("until the server has spoken its time is that of the machine, and no older than what it wrote", () => {
  const it = machine({ wrongBy: -HOURS });
  assert.equal(it.clock.now(), NOW - HOURS);

  it.clock.observe(NOW);

  assert.equal(it.clock.now(), NOW);
});

test("on a new socket the server's clock is measured anew, and the old measure holds until then", () => {
  const it = machine({ wrongBy: 5 * HOURS });
  it.clock.set(NOW);

  it.clock.measureAgain();
  assert.equal(it.clock.now(), NOW);
  it.clock.set(NOW - 1000);

  assert.equal(it.clock.now(), NOW - 1000);
});

async function page() {
  const it = machine();
  const [socket, http] = [new FakeSocket(), new FakeServer()];
  const connection = new Connection({ socket, random: () => 1, clock: it.clock });
  const watcher = new TaskWatcher(connection, { fetch: http.fetch, random: () => 1 });
  socket.answer = () => ({ snapshots: [snapshot("a", 1)], logs: {}, missing: [] });
  http.answer = () => ({ snapshots: [], server: server({ now: new Date(NOW + 5 * HOURS).toISOString() }) });
  watcher.watchTask("a", () => {});
  connection.open();
  socket.open();
  await settled();
  socket.calls.length = 0;
  return { it, socket, http, connection, watcher };
}

test("after a sleep the page asks for everything, and for the time", async () => {
  const { it, socket, http, connection, watcher } = await page();
  it.wall += 5 * HOURS;

  watcher.checkClock();
  await settled();

  assert.deepEqual(socket.names(), ["watch"]);
  assert.deepEqual(http.addresses, ["/status?task_id=a"]);
  assert.equal(connection.now(), NOW + 5 * HOURS);
  assert.equal(connection.state, "live");
  mock.timers.tick(7000);
  await settled();
  assert.equal(http.addresses.length, 1, "it does not go on polling");
});

test("while time passes as it should nothing is asked", async () => {
  const { it, socket, http, watcher } = await page();

  for (let i = 0; i < 3600; i++) {
    it.pass(1000);
    watcher.checkClock();
  }

  assert.deepEqual([socket.calls, http.addresses], [[], []]);
});
