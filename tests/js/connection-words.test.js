import assert from "node:assert/strict";
import { test } from "node:test";

import { buttonsReason, connectionWords } from "headway/connection-words.js";

const NOON = new Date(2026, 10, 29, 12, 4, 31).getTime();

/** @param {string} state */
function connection(state) {
  return { state, pollSeconds: 2, heardAt: NOON, now: () => NOON };
}

test("each state of a connection has its sign and its words", () => {
  assert.deepEqual(connectionWords(connection("live")), ["●", "Live"]);
  assert.deepEqual(connectionWords(connection("reconnecting")), ["◌", "Reconnecting…"]);
  assert.deepEqual(connectionWords(connection("polling")), ["◔", "Polling every 2 s"]);
  const [sign, words] = connectionWords(connection("offline"));
  assert.equal(sign, "○");
  assert.match(words, /^Offline, showing .*04:31$/);
});

test("only offline the buttons cannot work, and say why", () => {
  assert.match(buttonsReason(connection("offline")), /work again/);
  for (const state of ["live", "reconnecting", "polling"]) assert.equal(buttonsReason(connection(state)), "");
});
