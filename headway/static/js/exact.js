/**
 * JSON whose integers keep all their digits: one that a number would round becomes a BigInt. Pure.
 *
 * Browsers tell what a number was written as since Chrome 114, Firefox 135 and Safari 18.4; older ones round.
 */

const MARK = "\u0000";
const MARKED = /"\\u0000(-?\d+)\\u0000"/g;

/** In all text that has an integer which a number rounds: to ask of each value takes some three times as long. */
const MAY_BE_ROUNDED = /9\d{15}|\d{17}/;

/** @param {string} text */
export function parse(text) {
  return MAY_BE_ROUNDED.test(text) ? JSON.parse(text, reviver) : JSON.parse(text);
}

/**
 * What `JSON.parse` needs to keep the digits.
 *
 * @param {string} _key
 * @param {unknown} value
 * @param {{source?: string}} [context]
 */
export function reviver(_key, value, context) {
  if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
  const source = context?.source ?? "";
  return /^-?\d+$/.test(source) ? BigInt(source) : value;
}

/**
 * What `parse` has read as JSON again: for people, unless the indentation is 0.
 *
 * @param {unknown} value
 * @param {number} [indentation]
 */
export function print(value, indentation = 2) {
  const marked = (/** @type {string} */ _key, /** @type {unknown} */ each) =>
    typeof each === "bigint" ? `${MARK}${each}${MARK}` : each;
  return JSON.stringify(value, marked, indentation).replace(MARKED, "$1");
}
