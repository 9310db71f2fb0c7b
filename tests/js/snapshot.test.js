import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { isNewer, normalize, percent } from "../../headway/static/js/snapshot.js";
import { SIGNS } from "../../headway/static/js/card-reading.js";
import { headline } from "../../headway/static/js/words.js";

const contract = JSON.parse(readFileSync(new URL("../contract.json", import.meta.url), "utf8"));

for (const expected of contract.snapshots) {
  test(`contract: ${expected.case}`, () => {
    assert.equal(percent(expected.snapshot), expected.percent);
    assert.equal(SIGNS[expected.snapshot.phase], expected.sign);
    assert.equal(headline(expected.snapshot, contract.labels[expected.snapshot.name]), expected.headline);
  });
}

for (const { case: name, prev, next, newer } of contract.order) {
  test(`order: ${name}`, () => assert.equal(isNewer(next, prev), newer));
}

test("percent is 100 in success alone, whatever the numbers say", () => {
  const phases = ["scheduled", "queued", "running", "retrying", "waiting", "cancelling", "failed", "cancelled"];

  const parts = phases.map((phase) => percent({ phase, current: 1e9, total: 1 }));

  assert.deepEqual(new Set(parts), new Set([99]));
  assert.equal(percent({ phase: "succeeded", current: 0, total: null }), 100);
});

test("percent is whole and never negative", () => {
  assert.equal(percent({ phase: "running", current: 2, total: 3 }), 66);
  assert.equal(percent({ phase: "running", current: -5, total: 3 }), 0);
});

test("a snapshot that is whole is taken as it is; another gets what it lacks", () => {
  const whole = contract.snapshots[0].snapshot;
  const { version, streams, ...rest } = whole;

  const taken = normalize(whole);
  assert.equal(normalize(taken), taken);
  assert.deepEqual(normalize(rest), { ...taken, version: 0, streams: {} });
  assert.equal(normalize({ ...taken, current: 5n }).current, 5);
  assert.equal(normalize({ ...taken, total: 9n }).total, 9);
  assert.deepEqual(normalize({ ...taken, step: { name: "Read" } }).step, { index: null, count: null, name: "Read", current: 0, total: null });
});
