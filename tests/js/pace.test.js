import assert from "node:assert/strict";
import { test } from "node:test";

import { Pace } from "../../headway/static/js/pace.js";

const START = Date.parse("2026-11-22T08:00:00Z");

/** A running task's snapshot, so many ms after its start. */
function running(current, ms, attempt = 1, status = "") {
  const [started_at, updated_at] = [START, START + ms].map((time) => new Date(time).toISOString());
  return { phase: "running", attempt, current, total: 20, status, started_at, updated_at };
}

function paced(...updates) {
  const pace = new Pace();
  updates.forEach(([current, ms]) => pace.observe(running(current, ms)));
  return pace;
}

test("says nothing in the first two seconds", () => {
  const pace = paced([0, 0], [1, 500], [2, 1000], [3, 1500]);

  assert.equal(pace.rate(START + 1999), null);
  assert.equal(pace.rate(START + 2000), 2);
});

test("the time to go needs three updates", () => {
  assert.equal(paced([0, 0], [1, 1000], [2, 2000]).left(running(2, 2000), START + 2000), null);

  const steady = paced([0, 0], [1, 1000], [2, 2000], [3, 3000]);

  assert.deepEqual(steady.left(running(3, 3000), START + 3000), [17, 17]);
});

test("the time to go runs on between updates, and below nothing", () => {
  const pace = paced([0, 0], [1, 1000], [2, 2000], [3, 3000]);

  assert.deepEqual(pace.left(running(3, 3000), START + 5000), [15, 15]);
  assert.deepEqual(pace.left(running(3, 3000), START + 60_000), [-40, -40]);
});

test("an uneven pace gives a range, a wild one nothing", () => {
  const uneven = paced([0, 0], [1, 1000], [3, 2500], [4, 3300], [5, 4600]);
  const wild = paced([0, 0], [1, 1000], [10, 1100], [11, 3000]);

  const [least, most] = uneven.left(running(5, 4600), START + 4600);

  assert.ok(least < most, `${least} to ${most}`);
  assert.equal(wild.left(running(11, 3000), START + 3000), null);
});

test("a page opened half way measures from there: what is done may be another run's", () => {
  const pace = paced([18, 5000], [18.5, 7000]);

  assert.equal(pace.rate(START + 7000), 0.25);
});

test("another attempt begins anew", () => {
  const pace = paced([0, 0], [1, 1000], [2, 2000], [3, 3000]);

  pace.observe(running(0, 0, 2));
  pace.observe(running(1, 4000, 2));

  assert.equal(pace.rate(START + 4000), 0.25);
  assert.equal(pace.left(running(1, 4000, 2), START + 4000), null);
});

test("what attempts before have done is no pace of one that goes on", () => {
  const pace = paced([0, 0], [1, 1000], [2, 2000], [3, 3000]);

  pace.observe(running(0, 0, 2, "Goes on at 65 %"));
  pace.observe(running(13, 50, 2, "Reading"));
  pace.observe(running(14, 1050, 2, "Reading"));

  assert.equal(pace.rate(START + 3000), 1);

  const late = new Pace();
  late.observe(running(16, 3000, 2));
  late.observe(running(17, 4000, 2));

  assert.equal(late.rate(START + 6000), 1);
});

test("the next loop of an attempt begins where it is seen first", () => {
  const pace = paced([1, 1000], [2, 2000], [9, 3000]);

  pace.observe(running(0, 60_000));
  pace.observe(running(1, 61_000));

  assert.equal(pace.rate(START + 61_000), null);
  assert.equal(pace.rate(START + 62_000), 1);
});

test("a total that is not known has no time to go", () => {
  const pace = paced([0, 0], [1, 1000], [2, 2000], [3, 3000]);

  assert.equal(pace.left({ ...running(3, 3000), total: null }, START + 3000), null);
});
