/** Four times a second, for all of a page whose times run: one timer, however many they are. */

import { callAll } from "./listeners.js";

const TICK_MS = 250;

/** @type {Set<() => void>} */
const listeners = new Set();
/** @type {ReturnType<typeof setInterval> | undefined} */
let timer;

/**
 * Be called at each tick; call what is returned to stop.
 *
 * @param {() => void} listener a function of its own for each call
 */
export function onTick(listener) {
  listeners.add(listener);
  timer ??= setInterval(() => callAll(listeners), TICK_MS);
  return () => {
    listeners.delete(listener);
    if (listeners.size) return;
    clearInterval(timer);
    timer = undefined;
  };
}
