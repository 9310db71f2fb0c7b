import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { MAX_POINTS, Plot } from "../../headway/static/js/plot.js";

const curves = JSON.parse(readFileSync(new URL("../curves.json", import.meta.url), "utf8"));
const START = Date.parse("2026-11-29T00:00:00.000Z");

/** @param {number} n @returns {any} */
function snapshot(n) {
  const updated_at = new Date(START + 1000 * n).toISOString();
  const started_at = new Date(START).toISOString();
  return { state: "PROGRESS", phase: "running", attempt: 1, current: n, total: 1000, started_at, updated_at };
}

test("the browser draws what the server draws", () => {
  for (const { points, progress, rate, x, y, summary } of curves) {
    const plot = new Plot(points);
    const [, current, total] = points.at(-1);

    assert.deepEqual(plot.paths(), { progress, rate, range: "" });
    assert.deepEqual(plot.labels(), { x, y });
    assert.equal(plot.summary({ ...snapshot(0), current, total: total ?? null }), summary);
  }
});

test("it goes on, and keeps the whole of a long run in few points", () => {
  const plot = new Plot([]);
  for (let n = 0; n < 900; n++) plot.take(snapshot(n));

  assert.ok(plot.points.length <= MAX_POINTS);
  assert.ok(plot.points.length > MAX_POINTS / 4);
  assert.ok((plot.points.at(-1)?.[1] ?? 0) > 890);
  assert.match(plot.paths(snapshot(899)).range, /^M89\d 2\dL1000 0L1000 0Z$/);
  assert.deepEqual(plot.labels(snapshot(899)).x, ["0:00", "16:40"]);
});

test("an attempt that goes on has its first point where it goes on", () => {
  const plot = new Plot([[START, 0, 1000]]);
  plot.take(snapshot(400));

  const claimed = { ...snapshot(402), attempt: 2, current: 0, total: 1, status: "Goes on at 38 %" };

  assert.equal(plot.take(claimed), false);
  assert.equal(plot.take({ ...snapshot(403), attempt: 2, current: 380, status: "Reading" }), true);
  assert.deepEqual(plot.points.map(([, current]) => current), [0, 400, 380]);
});

test("a task that ends before the first report of a run that goes on ends where it was", () => {
  const before = [[START, 0, 1000], [START + 1000, 200, 1000], [START + 2000, 380, 1000]];
  const claimed = { ...snapshot(4), attempt: 2, current: 0, total: 1, status: "Goes on at 38 %" };
  const finished_at = new Date(START + 9000).toISOString();
  const paused = { ...claimed, phase: "cancelled", finished_at };
  for (const seen of [[snapshot(3), claimed, paused], [claimed, paused]]) {
    const plot = new Plot(/** @type {any} */ (before));
    plot.take({ ...seen[0], current: seen[0].current && 380 });
    for (const one of seen.slice(1)) plot.take(one);

    assert.deepEqual(plot.points.at(-1)?.slice(1), [380, 1000]);
    assert.ok(!plot.points.slice(1).some(([, current]) => current === 0));
    assert.match(plot.summary(paused), /^38\s% /);
  }
});

test("a report that follows soon, or again, is no point", () => {
  const plot = new Plot([[START, 0, 1000]]);

  assert.equal(plot.take(snapshot(0)), false);
  assert.equal(plot.take(snapshot(0.05)), false);
  assert.equal(plot.take(snapshot(1)), true);
});

test("an ended task ends when it did, whatever is noted of it later", () => {
  const plot = new Plot([[START, 0, 1000], [START + 1000, 100, 1000], [START + 2000, 300, 1000]]);
  const finished_at = new Date(START + 2000).toISOString();

  const isNew = plot.take({ ...snapshot(300), phase: "cancelled", finished_at }); // another task goes on

  assert.equal(isNew, false);
  assert.match(plot.summary({ ...snapshot(300), phase: "cancelled" }), /after 0:02/);
});

test("there is a curve where progress was reported before the end", () => {
  const silent = [[0, 0, null], [1000, 0, null], [2000, 1, 1]];
  const reporting = [[0, 0, 10], [1000, 4, 10], [2000, 10, 10]];

  assert.equal(new Plot(silent).hasCurve, false);
  assert.equal(new Plot(reporting).hasCurve, true);
  assert.equal(new Plot(reporting.slice(1)).hasCurve, false); // too few points
});
