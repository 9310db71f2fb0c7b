import assert from "node:assert/strict";
import { afterEach, mock, test } from "node:test";

import { requestChange, requestChanges } from "../../headway/static/js/task-requests.js";
import { snapshot } from "./fakes.js";

afterEach(() => mock.restoreAll());

/** A watcher by this token that notes what it is told, of a server that answers all with `body`. */
function watching(token, body) {
  const text = async () => JSON.stringify(body);
  mock.method(globalThis, "fetch", async () => ({ ok: true, status: 202, text }));
  const told = [];
  const server = { token, headers: {}, at: (path) => path, pageOf: (id) => `/tasks/${id}` };
  return { told, watcher: { server, receive: ({ task_id }) => told.push(task_id) } };
}

for (const [token, retried] of [["", ["new"]], ["a token", []]]) {
  test(`the page takes in the answer to a change, and a new task's only without a token (${token})`, async () => {
    const one = watching(token, snapshot("new", 1));
    const started = await requestChange(one.watcher, "old", "retry");
    await requestChange(one.watcher, "new", "cancel");

    assert.equal(started.task_id, "new");
    assert.deepEqual(one.told, [...retried, "new"]);
  });

  test(`it does the same with a change of several (${token})`, async () => {
    const several = watching(token, { done: ["old"], refused: [], snapshots: [snapshot("new", 1)] });
    await requestChanges(several.watcher, "retry", ["old"], "key");
    await requestChanges(several.watcher, "cancel", ["old"], "key");

    assert.deepEqual(several.told, [...retried, "new"]);
  });
}
