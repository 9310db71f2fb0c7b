/**
 * How much script one frame may run, by the clock and not by a number of cards: style, layout and paint of what it has
 * changed take about twice as long again, on a slow machine too.
 */

const SCRIPT_MS = 8;
const FIRST_MS = 2; // for a new card, until it is known
const LEAST_MS = 0.5; // a browser's clock may be coarse
const REST_MS = 100;

let frame = -1;
let begun = 0;

/** How much a frame has left, for all that has work in it. @param {number} time as requestAnimationFrame gives it */
export function msLeft(time) {
  if (frame !== time) begun = performance.now();
  frame = time;
  return SCRIPT_MS - (performance.now() - begun);
}

/** @param {number} rest ms until then @param {FrameRequestCallback} work */
export function frameAfter(rest, work) {
  const ms = Math.min(rest, REST_MS); // the clock may have stood still
  if (ms > 0) setTimeout(() => requestAnimationFrame(work), ms);
  else requestAnimationFrame(work);
}

/** The frames in which a list takes in new cards, and moves others: each may have a whole screen laid out. */
export class Placing {
  #cost = FIRST_MS;
  #begun = 0;
  #restsUntil = 0;

  /** Place in a frame, after a rest where many are to be placed. @param {FrameRequestCallback} place */
  ask(place) {
    frameAfter(this.#restsUntil - performance.now(), place);
  }

  /** How many new cards there is time for, by what the last ones took: one at least. @param {number} time the frame's */
  room(time) {
    this.#begun = performance.now();
    return Math.max(1, Math.floor(msLeft(time) / this.#cost));
  }

  /**
   * So many are in the list now: some make their elements only when this turn ends.
   *
   * @param {number} count
   * @param {boolean} areAll whether no more wait for the next frame
   */
  measure(count, areAll) {
    const begun = this.#begun;
    this.#restsUntil = areAll ? begun + REST_MS : begun;
    if (count) queueMicrotask(() => (this.#cost = Math.max(LEAST_MS, (performance.now() - begun) / count)));
  }
}
