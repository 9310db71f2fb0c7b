/** A page with a watcher, under the test's hand. */

import { afterEach, beforeEach, mock } from "node:test";

import { ServerClock } from "../../headway/static/js/clock.js";
import { Connection } from "../../headway/static/js/connection.js";
import { TaskWatcher } from "../../headway/static/js/task-watcher.js";
import { FakeServer, FakeSocket, settled } from "./fakes.js";

beforeEach(() => mock.timers.enable({ apis: ["setTimeout", "Date"], now: Date.parse("2026-11-22T08:00:00Z") }));
afterEach(() => mock.timers.reset());

/** A page: a watcher, its socket (closed yet), the server it polls, and the chip's history. */
export async function page() {
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
export function history() {
  const versions = [];
  const onSnapshot = (next) => versions.push(next && next.version);
  return { versions, onSnapshot };
}

/** Let time pass, and all that then happens. */
export async function pass(ms) {
  mock.timers.tick(ms);
  await settled();
}
