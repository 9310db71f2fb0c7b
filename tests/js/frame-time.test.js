import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { Placing, msLeft } from "../../headway/static/js/frame-time.js";

let now = 0;
let frameTime = 0;
let frames = [];

beforeEach(() => {
  now += 1000;
  mock.timers.enable({ apis: ["setTimeout"] });
  mock.method(performance, "now", () => now);
  globalThis.requestAnimationFrame = (callback) => frames.push(callback);
  frames = [];
});

afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
  delete globalThis.requestAnimationFrame;
});

/** Place cards that take so long each, in part when the turn has ended; return how many there was room for. */
async function place(placing, ms, areAll = true) {
  const count = placing.room(++frameTime);
  placing.measure(count, areAll);
  now += (count * ms) / 2;
  await Promise.resolve((now += (count * ms) / 2));
  return count;
}

test("all that works in a frame shares its time; the next frame has its own", () => {
  const whole = msLeft(++frameTime);
  now += 3;
  assert.equal(msLeft(frameTime), whole - 3);
  now += 3;
  assert.equal(msLeft(frameTime), whole - 6);

  assert.equal(msLeft(++frameTime), whole);
});

test("there is room for as many new cards as the last ones let expect, one at least", async () => {
  const placing = new Placing();
  const whole = msLeft(++frameTime);
  await place(placing, 1);

  assert.equal(await place(placing, 2), whole);
  assert.equal(await place(placing, 50), whole / 2);
  assert.equal(await place(placing, 0), 1);
  assert.equal(await place(placing, 1), 2 * whole); // not all of them, where the clock has not moved
  msLeft(++frameTime);
  now += whole / 2;
  assert.equal(placing.room(frameTime), whole / 2);
});

test("what is left over comes in the next frame; what comes after all were placed waits a tenth of a second", async () => {
  const placing = new Placing();
  const ask = () => {
    frames = [];
    placing.ask(() => {});
    return frames.length;
  };
  assert.equal(ask(), 1);

  await place(placing, 1, false);
  assert.equal(ask(), 1);

  await place(placing, 0);
  assert.equal(ask(), 0);
  mock.timers.tick(99);
  assert.equal(frames.length, 0);
  mock.timers.tick(1);
  assert.equal(frames.length, 1);
});
