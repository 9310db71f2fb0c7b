/**
 * One drawing for all cards of a page: a frame costs the browser about the same for one card as for several. Where many
 * have news the frames are fewer, ten a second at least; what is more than a frame has time for comes in the next.
 */

import { frameAfter, msLeft } from "./frame-time.js";
import { callAll } from "./listeners.js";

const REST_MS = 10; // until the next drawing, for each card that this one drew
const LONGEST_REST_MS = 100;
const LATER_MS = 250;
const AT_A_TIME = 20; // of those out of view

/** @type {Set<() => void>} */
const waiting = new Set();
/** @type {Set<() => void>} in the order in which they are drawn */
const outOfView = new Set();
/** @type {ReturnType<typeof setTimeout> | undefined} */
let later;
let isDue = false;
let restsUntil = 0;
let inARow = 0; // how many were drawn in frames that followed each other

/**
 * Have a card drawn: once, however often it was asked for.
 *
 * @param {() => void} draw
 */
export function drawSoon(draw) {
  waiting.add(draw);
  outOfView.delete(draw);
  if (isDue) return;
  isDue = true;
  frameAfter(restsUntil - performance.now(), drawAll);
}

/**
 * Have a card drawn that is out of view: a few of these at a time, so that no frame has all of them to draw.
 *
 * @param {() => void} draw
 */
export function drawLater(draw) {
  if (waiting.has(draw)) return;
  outOfView.add(draw);
  later ??= setTimeout(drawSome, LATER_MS);
}

/** @param {() => void} draw as it was asked for */
export function drawNoMore(draw) {
  waiting.delete(draw);
  outOfView.delete(draw);
}

function drawSome() {
  later = undefined;
  for (const draw of [...outOfView].slice(0, AT_A_TIME)) drawSoon(draw);
  if (outOfView.size) later = setTimeout(drawSome, LATER_MS);
}

/** @param {number} time the frame's */
function drawAll(time) {
  msLeft(time);
  for (const draw of [...waiting]) {
    waiting.delete(draw);
    callAll([draw]);
    inARow++;
    if (msLeft(time) <= 0) break;
  }
  restsUntil = performance.now() + Math.min(REST_MS * inARow, LONGEST_REST_MS);
  isDue = waiting.size > 0;
  if (isDue) requestAnimationFrame(drawAll);
  else inARow = 0;
}
