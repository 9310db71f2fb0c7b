import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { ServerClock } from "../../headway/static/js/clock.js";
import { Connection } from "../../headway/static/js/connection.js";
import { FakeSocket, server } from "./fakes.js";

const NOW = Date.parse("2026-11-22T08:00:00Z");

beforeEach(() => mock.timers.enable({ apis: ["setTimeout", "Date"], now: NOW }));
afterEach(() => mock.timers.reset());

async function opened({ random = () => 1 } = {}) {
  const socket = new FakeSocket();
  const clock = new ServerClock({ steady: () => Date.now() });
  const connection = new Connection({ socket, random, clock });
  connection.open();
  socket.open();
  return { socket, connection };
}

test("a call that is answered with an error rejects with its message", async () => {
  const { socket, connection } = await opened();
  socket.answer = () => ({ error: { code: "unavailable", message: "Ask again." } });

  await assert.rejects(connection.request("watch", {}), { message: "Ask again." });
  assert.equal(connection.connected, true);
});

test("a call on a closed socket rejects and is not sent", async () => {
  const { socket, connection } = await opened();
  socket.close();

  await assert.rejects(connection.request("watch", {}));
  assert.deepEqual(socket.calls, []);
});

test("a server that sends its pages away is asked again at once, by each page at a time of its own", async () => {
  const [first, last] = [await opened({ random: () => 0.1 }), await opened({ random: () => 1 })];

  first.socket.close("io server disconnect");
  last.socket.close("io server disconnect");
  mock.timers.tick(50);
  assert.deepEqual([first.socket.restarts, last.socket.restarts], [1, 0]);
  mock.timers.tick(450);

  assert.deepEqual([first.socket.restarts, last.socket.restarts], [1, 1]);
});

test("a loss that the socket heals by itself is left to it", async () => {
  const { socket } = await opened();

  socket.close("transport close");
  mock.timers.tick(60_000);

  assert.equal(socket.restarts, 0);
});

test("a socket that says nothing for longer than the pings let expect is not Live, until it speaks", async () => {
  const { socket, connection } = await opened();
  connection.note({ allAcknowledged: true });
  mock.timers.tick(60_000);
  assert.equal(connection.state, "live");

  socket.dead = true;
  mock.timers.tick(9000);
  assert.equal(connection.state, "reconnecting");
  socket.dead = false;
  socket.emit("server", server());

  assert.equal(connection.state, "live");
});

test("that a socket is heard costs no timer for each packet, and its silence counts from the last one", async () => {
  const { socket, connection } = await opened();
  connection.note({ allAcknowledged: true });
  const timers = mock.method(globalThis, "setTimeout");

  for (let n = 0; n < 1000; n++) socket.emit("packet");
  mock.timers.tick(5000);
  socket.emit("packet");
  assert.equal(timers.mock.callCount(), 0);
  timers.mock.restore();
  socket.dead = true;
  mock.timers.tick(8999);
  assert.equal(connection.state, "live");
  mock.timers.tick(1);

  assert.equal(connection.state, "reconnecting");
});

test("a socket that never says anything is not Live for long", async () => {
  const { socket, connection } = await opened();
  socket.close();
  mock.timers.tick(20_000);

  socket.dead = true;
  socket.open();
  connection.note({ allAcknowledged: true });
  mock.timers.tick(8999);
  assert.equal(connection.state, "live");
  mock.timers.tick(1);

  assert.equal(connection.state, "reconnecting");
});

test("a socket that is closed is not called silent when it is back", async () => {
  const { socket, connection } = await opened();
  socket.dead = true;
  mock.timers.tick(8000);

  socket.close();
  socket.dead = false;
  socket.open();
  connection.note({ allAcknowledged: true });
  mock.timers.tick(5000);

  assert.equal(connection.state, "live");
});

test("a server that refuses the socket is asked again", async () => {
  const { socket } = await opened();
  socket.close();

  socket.emit("connect_error", new Error("starting"));
  mock.timers.tick(2000);

  assert.equal(socket.restarts, 1);
});

test("the server's clock is followed by the freshest of its times", async () => {
  const { connection } = await opened();
  assert.equal(connection.now(), NOW);

  connection.observe("2026-11-22T08:01:00.000Z");
  connection.observe("2026-11-22T08:00:30.000Z"); // was long on its way

  assert.equal(connection.now(), NOW + 60_000);
});

test("a new socket measures the clock anew", async () => {
  const { socket, connection } = await opened();
  connection.onServerState(server({ now: "2026-11-22T09:00:00.000Z" }));

  socket.close();
  socket.open();
  assert.equal(connection.now(), NOW + 3_600_000, "until then it is the best that is known");
  connection.onServerState(server({ now: "2026-11-22T08:00:01.000Z" }));

  assert.equal(connection.now(), NOW + 1000);
});

test("a server without a clock of its own is no error", async () => {
  const { connection } = await opened();

  connection.onServerState(server({ now: null, workers: 0 }));

  assert.equal(connection.now(), NOW);
  assert.equal(connection.server.workers, 0);
});
