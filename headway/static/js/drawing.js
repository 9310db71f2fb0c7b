/**
 * One drawing for all cards of a page: a frame costs the browser about the same for one card as for many. Where many
 * have news the frames are fewer, ten a second at least.
 */

import { callAll } from "./listeners.js";

const REST_MS = 10; // until the next drawing, for each card that this one drew
const LONGEST_REST_MS = 100;

/** @type {Set<() => void>} */
const waiting = new Set();
let isDue = false;
let restsUntil = 0;

/**
 * Have a card drawn: once, however often it was asked for.
 *
 * @param {() => void} draw
 */
export function drawSoon(draw) {
  waiting.add(draw);
  if (isDue) return;
  isDue = true;
  const rest = Math.min(restsUntil - performance.now(), LONGEST_REST_MS); // that clock may have stood still
  if (rest > 0) setTimeout(() => requestAnimationFrame(drawAll), rest);
  else requestAnimationFrame(drawAll);
}

/** @param {() => void} draw as it was asked for */
export function drawNoMore(draw) {
  waiting.delete(draw);
}

function drawAll() {
  const drawings = [...waiting];
  waiting.clear();
  isDue = false;
  restsUntil = performance.now() + Math.min(REST_MS * drawings.length, LONGEST_REST_MS);
  callAll(drawings);
}
