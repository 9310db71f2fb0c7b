import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { Connection } from "../../static/js/connection.js";
import { FakeSocket, server } from "./fakes.js";

const NOW = Date.parse("2026-11-22T08:00:00Z");

beforeEach(() => mock.timers.enable({ apis: ["setTimeout", "Date"], now: NOW }));
afterEach(() => mock.timers.reset());

async function opened() {
  const socket = new FakeSocket();
  const connection = new Connection(async () => ({ io: () => socket }));
  await connection.open();
  socket.open();
  return { socket, connection };
}

test("speaks over the websocket alone", async () => {
  let options;
  await new Connection(async () => ({ io: (given) => ((options = given), new FakeSocket()) })).open();

  assert.deepEqual(options.transports, ["websocket"]);
  assert.ok(options.reconnectionDelayMax <= 2000);
});

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

test("a server that closes the socket is asked again", async () => {
  const { socket } = await opened();

  socket.close("io server disconnect");
  mock.timers.tick(2000);

  assert.equal(socket.restarts, 1);
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
  connection.observe("2026-11-22T09:00:00.000Z");

  socket.close();
  socket.open();
  connection.observe("2026-11-22T08:00:01.000Z");

  assert.equal(connection.now(), NOW + 1000);
});

test("a server without a clock of its own is no error", async () => {
  const { connection } = await opened();

  connection.heard(server({ now: null, workers: 0 }));

  assert.equal(connection.now(), NOW);
  assert.equal(connection.server.workers, 0);
});
