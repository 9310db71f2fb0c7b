import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { TaskLog } from "../../headway/static/js/task-log.js";
import { settled } from "./fakes.js";

beforeEach(() => mock.timers.enable({ apis: ["setTimeout"] }));
afterEach(() => mock.timers.reset());

const line = (/** @type {number} */ seq) => ({ seq, at: "2026-12-01T10:00:00Z", level: "INFO", text: `line ${seq}` });

/** A log as the server has it, from `first` to `last`, and a viewer of it. */
function viewer() {
  const server = { first: 1, last: 0, reads: 0, away: false };
  const shown = [];
  const log = new TaskLog(
    0,
    (lines, lost) => shown.push(...(lost ? [`lost up to ${lost}`] : []), ...lines.map(({ seq }) => seq)),
    async (after) => {
      server.reads++;
      if (server.away) throw new Error("away");
      const begin = Math.max(after + 1, server.first);
      const lines = Array.from({ length: Math.max(0, server.last - begin + 1) }, (_, i) => line(begin + i));
      await settled();
      return { lines, first_seq: server.first };
    },
  );
  return { server, shown, log };
}

test("pushed lines are shown once and in order, without a read", () => {
  const { server, shown, log } = viewer();

  log.take([line(1), line(2)]);
  log.take([line(2), line(3)]);

  assert.deepEqual([shown, server.reads], [[1, 2, 3], 0]);
});

test("a gap is read, and what is no longer kept is said", async () => {
  const { server, shown, log } = viewer();
  server.first = 3;
  server.last = 5;

  log.take([line(5)]);
  await settled();

  assert.deepEqual(shown, ["lost up to 2", 3, 4, 5]);
});

test("what comes while lines are read is read after them", async () => {
  const { server, shown, log } = viewer();
  server.last = 4;

  log.reach(4);
  server.last = 6;
  log.take([line(6)]);
  log.reach(Infinity);
  await settled();
  await settled();

  assert.deepEqual(shown, [1, 2, 3, 4, 5, 6]);
  assert.equal(server.reads, 2);
});

test("a server that is away is asked once a second, however much is pushed", async () => {
  const { server, shown, log } = viewer();
  server.away = true;
  server.last = 30;

  for (let seq = 2; seq <= 30; seq++) {
    log.take([line(seq)]);
    await settled();
  }
  assert.equal(server.reads, 1);

  server.away = false;
  mock.timers.tick(1000);
  await settled();
  await settled();
  assert.equal(shown.length, 30);
  assert.equal(server.reads, 2);
});

test("nothing is read, and nothing shown, after the end", async () => {
  const { server, shown, log } = viewer();
  server.last = 2;
  log.reach(2);
  log.stop();
  await settled();
  await settled();
  assert.deepEqual(shown, []);

  const other = viewer();
  other.server.away = true;
  other.log.reach(1);
  other.log.stop();
  await settled();
  mock.timers.tick(10_000);
  other.log.reach(Infinity);
  await settled();
  assert.deepEqual([server.reads, other.server.reads], [1, 1]);
});
