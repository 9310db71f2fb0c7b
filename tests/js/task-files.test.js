import assert from "node:assert/strict";
import { test } from "node:test";

import { TaskFiles } from "../../headway/static/js/task-files.js";
import { settled } from "./fakes.js";

function viewer() {
  const server = { files: /** @type {object[]} */ ([]), reads: 0, away: false };
  const page = { changes: 0 };
  const files = new TaskFiles(
    async () => {
      server.reads++;
      if (server.away) throw new Error("away");
      return { files: server.files };
    },
    () => page.changes++,
  );
  return { server, page, files };
}

test("what is new is told once, and what is not new is not", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { server, page, files } = viewer();

  files.reach();
  await settled();
  assert.equal(page.changes, 0);
  t.mock.timers.tick(300);
  server.files = [{ name: "a" }];
  files.reach();
  await settled();
  t.mock.timers.tick(300);
  files.reach();
  await settled();

  assert.deepEqual([page.changes, server.reads], [1, 3]);
});

test("many hints in a row are two reads: the second is after the last of them", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { server, page, files } = viewer();

  files.reach();
  for (let n = 0; n < 100; n++) {
    server.files = [{ name: `${n}` }];
    files.reach();
  }
  await settled();
  t.mock.timers.tick(300);
  await settled();

  assert.equal(server.reads, 2);
  assert.equal(page.changes, 1);
});

test("a read that fails is tried again, but not once it has stopped", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { server, page, files } = viewer();
  server.away = true;
  server.files = [{ name: "a" }];

  files.reach();
  await settled();
  server.away = false;
  t.mock.timers.tick(1000);
  await settled();
  assert.equal(page.changes, 1);
  files.stop();
  server.files = [];
  files.reach();
  t.mock.timers.tick(1000);
  await settled();

  assert.deepEqual([page.changes, server.reads], [1, 2]);
});
