import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { Server } from "../../headway/static/js/server.js";
import { Socket } from "../../headway/static/js/socket.js";
import { settled } from "./fakes.js";

const HELLO = '0{"sid":"x","upgrades":[],"pingInterval":7000,"pingTimeout":6000,"maxPayload":100}';

beforeEach(() => mock.timers.enable({ apis: ["setTimeout", "Date"] }));
afterEach(() => mock.timers.reset());

/** A socket, all that it has told, and the websockets that it has opened. */
function page({ token = "", random = () => 1, host = "http://shop.example.com" } = {}) {
  const opened = [];
  const open = (address) => {
    const websocket = { address, sent: [], isClosed: false };
    websocket.send = (data) => websocket.sent.push(data);
    websocket.close = () => (websocket.isClosed = true);
    opened.push(websocket);
    return websocket;
  };
  const socket = new Socket(new Server(host, token), { open, random });
  const told = [];
  for (const event of ["connect", "disconnect", "connect_error", "snapshot"]) {
    socket.on(event, (payload) => told.push([event, payload?.message ?? payload]));
  }
  const hear = (...packets) => packets.forEach((data) => opened.at(-1).onmessage({ data }));
  const connect = () => {
    socket.connect();
    hear(HELLO, '40{"sid":"y"}');
    told.length = 0;
    return opened.at(-1);
  };
  return { socket, opened, told, hear, connect };
}

test("it is connected when the server has let it in, not before", () => {
  const { socket, opened, told, hear } = page();

  socket.connect();
  hear(HELLO);
  assert.deepEqual([socket.connected, told], [false, []]);
  hear('40{"sid":"y"}');

  assert.deepEqual([socket.connected, told], [true, [["connect", undefined]]]);
  assert.equal(opened[0].address, "ws://shop.example.com/socket.io/?EIO=4&transport=websocket");
  assert.deepEqual(opened[0].sent, ["40"]);
});

test("a token goes out when the server has greeted", () => {
  const { socket, opened, hear } = page({ token: 'a "b"' });

  socket.connect();
  assert.deepEqual(opened[0].sent, []);
  hear(HELLO);

  assert.deepEqual(opened[0].sent, ['40{"token":"a \\"b\\""}']);
});

test("an event comes with what it carries, whatever characters are in it", () => {
  const { connect, told, hear } = page();
  connect();

  hear('42["snapshot",{"result":1.5,"status":"a\u2028b\\nc"}]');

  assert.deepEqual(told, [["snapshot", { result: 1.5, status: "a\u2028b\nc" }]]);
});

test("each call gets its own answer, in whatever order they come", async () => {
  const { socket, connect, hear } = page();
  const websocket = connect();

  const calls = [socket.request("watch", { a: 1 }, 5000), socket.request("unwatch", {}, 5000)];
  await settled();
  hear('432[{"second":true}]', '431[{"first":true}]', '437[{"nobody":"asked"}]');

  assert.deepEqual(await Promise.all(calls), [{ first: true }, { second: true }]);
  assert.deepEqual(websocket.sent.slice(1), ['421["watch",{"a":1}]', '422["unwatch",{}]']);
});

test("a call without an answer in time is rejected, and so is one whose socket closes", async () => {
  const { socket, connect, opened } = page();
  connect();

  const late = assert.rejects(socket.request("watch", {}, 5000), /in time/);
  mock.timers.tick(5000);
  await late;
  const lost = assert.rejects(socket.request("watch", {}, 5000), /closed/);
  opened[0].onclose();
  await lost;

  await assert.rejects(socket.request("watch", {}, 5000), /not open/);
});

test("a ping is answered; without one in time the socket is lost", () => {
  const { socket, connect, hear, told } = page();
  const websocket = connect();

  mock.timers.tick(12_000);
  hear("2");
  mock.timers.tick(12_999);
  assert.deepEqual([websocket.sent.at(-1), socket.connected], ["3", true]);
  mock.timers.tick(1);

  assert.deepEqual(told, [["disconnect", "ping timeout"]]);
  assert.equal(websocket.isClosed, true);
});

test("a call after this machine has slept finds the socket lost at once", async () => {
  const { socket, connect, told } = page();
  connect();
  mock.timers.setTime(60_000);

  await assert.rejects(socket.request("watch", {}, 5000), /not open/);

  assert.deepEqual(told, [["disconnect", "ping timeout"]]);
});

test("after a loss each page tries at a time of its own, first within half a second, then within two", () => {
  for (const random of [() => 0.5, () => 1]) {
    const { connect, opened } = page({ random });
    connect();
    for (const within of [500, 1000, 2000, 2000]) {
      const count = opened.length;
      opened.at(-1).onclose();
      mock.timers.tick(within * random() - 1);
      assert.equal(opened.length, count);
      mock.timers.tick(1);
      assert.equal(opened.length, count + 1);
    }
  }
});

test("a websocket that does not open in time, or cannot be made, is tried again", () => {
  const { socket, opened, told } = page();
  socket.connect();
  mock.timers.tick(5000);
  assert.deepEqual(told, [["connect_error", "timeout"]]);
  mock.timers.tick(500);
  assert.equal(opened.length, 2);

  const refusing = new Socket(new Server("http://shop.example.com"), {
    open: () => {
      throw new Error("blocked");
    },
    random: () => 1,
  });
  refusing.on("connect_error", ({ message }) => told.push(message));
  refusing.connect();
  mock.timers.tick(500);

  assert.deepEqual(told.slice(1), ["transport error", "transport error"]);
});

test("it stays closed when the page closes it", () => {
  const { socket, connect, opened, told } = page();
  const websocket = connect();

  socket.disconnect();
  websocket.onclose();
  mock.timers.tick(60_000);

  assert.deepEqual([websocket.sent.at(-1), websocket.isClosed, opened.length], ["41", true, 1]);
  assert.deepEqual(told, [["disconnect", "io client disconnect"]]);
});

test("it stays closed when the server says no, and says why", () => {
  const { socket, opened, told, hear } = page();
  socket.connect();

  hear(HELLO, '44{"message":"Too many requests."}');
  mock.timers.tick(60_000);
  assert.deepEqual([socket.active, opened.length, told], [false, 1, [["connect_error", "Too many requests."]]]);
  socket.connect();

  assert.equal(opened.length, 2);
});

test("a server that sends it away is told as such, one that closes is not", () => {
  const { connect, told, hear, socket } = page();
  connect();
  hear("41");
  assert.deepEqual([told.splice(0), socket.active], [[["disconnect", "io server disconnect"]], false]);

  connect();
  hear("1");

  assert.deepEqual([told, socket.active], [[["disconnect", "transport close"]], true]);
});

test("what is no packet of the protocol ends the socket, as what it missed might matter", () => {
  for (const data of ["", "x", '42["snapshot",', new ArrayBuffer(2)]) {
    const { connect, told, hear } = page();
    connect();

    hear(data);

    assert.deepEqual(told, [["disconnect", "parse error"]]);
  }
});

test("a lost network closes the socket, but not one to this machine", () => {
  const network = new EventTarget();
  globalThis.addEventListener = (...args) => network.addEventListener(...args);
  globalThis.removeEventListener = (...args) => network.removeEventListener(...args);
  const [far, near] = [page(), page({ host: "http://localhost:5000" })];
  far.connect();
  near.connect();

  network.dispatchEvent(new Event("offline"));
  near.socket.disconnect();
  network.dispatchEvent(new Event("offline"));

  assert.deepEqual(far.told, [["disconnect", "transport close"]]);
  assert.deepEqual(near.told, [["disconnect", "io client disconnect"]]);
  delete globalThis.addEventListener;
  delete globalThis.removeEventListener;
});
