import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { drawLater, drawNoMore, drawSoon } from "../../headway/static/js/drawing.js";
import { msLeft } from "../../headway/static/js/frame-time.js";

let now = 0; // what one test has asked for is drawn before the next begins
let frames = [];
let frameTime = 0;

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
  frameTime++;
  asked.forEach((callback) => callback(frameTime));
  return asked.length;
}

/** Cards, and how often each was drawn; each drawing takes so long. */
function cards(count, ms = 0) {
  const drawn = Array(count).fill(0);
  const draw = (i) => {
    drawn[i]++;
    now += ms;
  };
  return { drawn, draws: drawn.map((_, i) => () => draw(i)) };
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
    while (frame());

    drawSoon(draws[0]);
    pass(rest - 1);
    assert.equal(frame(), 0, `${count} cards`);
    pass(1);
    assert.equal(frame(), 1, `${count} cards`);
    assert.equal(drawn[0], 2);
    pass(1000);
  }
});

test("a frame draws what it has time for; the others come in the next ones, in their order", () => {
  for (const [ms, counts] of [[1, [8, 16, 20]], [3, [3, 6, 9, 12, 15, 18, 20]], [20, Array.from(Array(20), (_, i) => i + 1)]]) {
    const { drawn, draws } = cards(20, ms);
    for (const draw of [...draws, ...draws]) drawSoon(draw);

    for (const count of counts) {
      assert.equal(frame(), 1);
      assert.deepEqual(drawn, Array.from(drawn, (_, i) => (i < count ? 1 : 0)), `${ms} ms each`);
    }
    assert.equal(frame(), 0);
    pass(1000);
  }
});

test("what else is done in a frame leaves the less time for drawing", () => {
  const { drawn, draws } = cards(20, 1);
  draws.forEach(drawSoon);

  msLeft(frameTime + 1); // as a list begins to place its items
  now += 6;
  frame();

  assert.equal(drawn.filter(Boolean).length, 2);
  while (frame());
});

test("what is asked for while a frame's rest is still to come waits for its turn", () => {
  const { drawn, draws } = cards(12, 1);
  draws.forEach(drawSoon);
  frame();

  drawSoon(draws[0]);
  assert.equal(frame(), 1);

  assert.deepEqual([drawn[0], drawn[8], drawn[11]], [2, 1, 1]);
  assert.equal(frame(), 0);
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
