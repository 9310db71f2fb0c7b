/** When the page may say that it is live, and when not. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { server, settled, snapshot } from "./fakes.js";
import { page, pass } from "./watched-page.js";

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
