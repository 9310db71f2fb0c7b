import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { drawLater, drawNoMore, drawSoon } from "../../headway/static/js/drawing.js";

let now = 0; // what one test has asked for is drawn before the next begins
let frames = [];

beforeEach(() => {
  now += 1000;
  mock.timers.enable({ apis: ["setTimeout"] });
  mock.method(performance, "now", () => now);
  globalThis.requestAnimationFrame = (callback) => frames.push(callback);
});

afterEach(() => {
  mock.timers.reset();
  mock.restoreAll();
  delete globalThis.requestAnimationFrame;
});

function pass(ms) {
  now += ms;
  mock.timers.tick(ms);
}

/** Have the browser draw; how many frames it was asked for. */
function frame() {
  const asked = frames;
  frames = [];
  asked.forEach((callback) => callback());
  return asked.length;
}

/** Cards, and how often each was drawn. */
function cards(count) {
  const drawn = Array(count).fill(0);
  return { drawn, draws: drawn.map((_, i) => () => void drawn[i]++) };
}

test("all that have news are drawn in one frame, each once", () => {
  const { drawn, draws } = cards(3);

  for (const draw of [...draws, ...draws]) drawSoon(draw);

  assert.equal(frame(), 1);
  assert.deepEqual(drawn, [1, 1, 1]);
  pass(1000);
  assert.equal(frame(), 0);
});

test("the more were drawn, the longer the rest, a tenth of a second at most", () => {
  for (const [count, rest] of [[1, 10], [4, 40], [200, 100]]) {
    const { drawn, draws } = cards(count);
    draws.forEach(drawSoon);
    frame();

    drawSoon(draws[0]);
    pass(rest - 1);
    assert.equal(frame(), 0, `${count} cards`);
    pass(1);
    assert.equal(frame(), 1, `${count} cards`);
    assert.equal(drawn[0], 2);
    pass(1000);
  }
});

test("a card that has gone is not drawn", () => {
  const { drawn, draws } = cards(2);
  draws.forEach(drawSoon);

  drawNoMore(draws[0]);
  frame();

  assert.deepEqual(drawn, [0, 1]);
});

test("those out of view are drawn a few at a time, each once, in their order", () => {
  const { drawn, draws } = cards(45);
  for (const draw of [...draws, ...draws]) drawLater(draw);

  assert.equal(frame(), 0);
  for (const count of [20, 40, 45, 45]) {
    pass(250);
    frame();
    assert.deepEqual(drawn, Array.from(drawn, (_, i) => (i < count ? 1 : 0)));
  }
});

test("one that comes into view is drawn at once, and not once more; one that has gone is not", () => {
  const { drawn, draws } = cards(2);
  draws.forEach(drawLater);

  drawSoon(draws[0]);
  drawNoMore(draws[1]);
  frame();
  pass(1000);
  frame();

  assert.deepEqual(drawn, [1, 0]);
});

test("a card that cannot be drawn keeps no other from it, nor the next drawing", () => {
  const error = mock.method(console, "error", () => {});
  const { drawn, draws } = cards(1);
  drawSoon(() => {
    throw new Error("not today");
  });
  drawSoon(draws[0]);

  frame();
  pass(1000);
  drawSoon(draws[0]);
  frame();

  assert.deepEqual(drawn, [2]);
  assert.equal(error.mock.callCount(), 1);
});

test("a clock that has stood still meanwhile holds nothing up", () => {
  const { drawn, draws } = cards(1);
  drawSoon(draws[0]);
  frame();

  now -= 5 * 3600 * 1000;
  drawSoon(draws[0]);
  mock.timers.tick(100);
  frame();

  assert.deepEqual(drawn, [2]);
  now += 5 * 3600 * 1000;
});
