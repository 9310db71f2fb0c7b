/** Numbers, sizes and times as text. Pure. */

import WORDS from "./card-words.js";

const SPACE = "\u202f"; // narrow, and no line break
/** @type {Intl.DateTimeFormatOptions} */
const MINUTES = { hourCycle: "h23", hour: "2-digit", minute: "2-digit" };

/** @type {Map<string, any>} formats of Intl: to make one takes a hundred times as long as to use it */
const made = new Map();

/** @param {number} part */
export function formatPercent(part) {
  return `${part}${SPACE}%`;
}

/**
 * "900 B", "12 kB", "1.5 MB", "20 MB".
 *
 * @param {number} bytes
 */
export function formatSize(bytes) {
  if (bytes < 1000) return `${bytes}${SPACE}B`;
  if (bytes < 999_500) return `${Math.round(bytes / 1000)}${SPACE}kB`;
  const megabytes = bytes / 1_000_000;
  return `${megabytes < 9.95 ? megabytes.toFixed(1) : Math.round(megabytes)}${SPACE}MB`;
}

/**
 * "m:ss", from an hour on "h:mm:ss".
 *
 * @param {number} ms less than nothing counts as nothing
 */
export function formatDuration(ms) {
  const all = Math.max(0, Math.floor(ms / 1000)) || 0;
  const hours = Math.floor(all / 3600);
  const minutes = Math.floor(all / 60) % 60;
  const pad = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const seconds = pad(all % 60);
  return hours ? `${hours}:${pad(minutes)}:${seconds}` : `${minutes}:${seconds}`;
}

/**
 * How long something took: "32 ms", "0.4 s", "12.4 s", "2:05".
 *
 * @param {number} ms
 */
export function formatTook(ms) {
  if (ms < 100) return `${Math.max(0, ms)}${SPACE}ms`;
  return ms < 60_000 ? `${(ms / 1000).toFixed(1)}${SPACE}s` : formatDuration(ms);
}

/**
 * How long something has gone on: "0:12", below a second as what it took.
 *
 * @param {number} ms
 */
export function formatPassed(ms) {
  return ms < 1000 ? formatTook(Math.floor(ms)) : formatDuration(ms);
}

/**
 * The time of day in the reader's own zone, with the date when it is another day's; "" for none.
 *
 * @param {string | number | null} time
 * @param {number} [now]
 */
export function formatTime(time, now = Date.now()) {
  const date = new Date(time ?? NaN);
  if (Number.isNaN(date.getTime())) return "";
  const clock = written(date, { ...MINUTES, second: "2-digit" });
  const isToday = date.toDateString() === new Date(now).toDateString();
  return isToday ? clock : `${written(date)} ${clock}`;
}

/**
 * When something ended, as short as it can be: "14:03" today, else "27 Nov", with the year of another.
 *
 * @param {string | null} time
 * @param {number} [now]
 */
export function formatWhen(time, now = Date.now()) {
  const date = new Date(time ?? NaN);
  if (Number.isNaN(date.getTime())) return "";
  const today = new Date(now);
  if (date.toDateString() === today.toDateString()) return written(date, MINUTES);
  const isThisYear = date.getFullYear() === today.getFullYear();
  return written(date, { day: "numeric", month: "short", year: isThisYear ? undefined : "numeric" });
}

/** @param {number} rate per second */
export function formatRate(rate) {
  if (rate >= 10) return `${formatNumber(Math.round(rate))}/s`;
  return rate >= 0.1 ? `${rate.toFixed(1)}/s` : `${(rate * 60).toFixed(1)}/min`;
}

const OVERDUE_SECONDS = 1; // past the estimate: with the second before it, "~0:00 left" shows for two

/** @param {[number, number]} seconds least and most; negative where it takes longer than expected */
export function formatLeft([least, most]) {
  if (most < -OVERDUE_SECONDS) return WORDS.left.overdue;
  const from = formatDuration(least * 1000);
  const to = formatDuration(most * 1000);
  return from === to ? fill(WORDS.left.time, { time: to }) : fill(WORDS.left.range, { from, to });
}

/** @param {{current: number, total: number | null}} part */
export function formatCount({ current, total }) {
  if (total === null) return current ? formatNumber(current) : "";
  return total > 1 ? `${formatNumber(current)}${SPACE}/${SPACE}${formatNumber(total)}` : "";
}

/** @param {number} number */
export function formatNumber(number) {
  const [whole, rest] = String(Number(number.toFixed(2))).split(".");
  const digits = whole.replace(/\B(?=(\d{3})+$)/g, SPACE);
  return rest ? `${digits}.${rest}` : digits;
}

/**
 * The format of this key, made once for each language.
 *
 * @template T
 * @param {string} key
 * @param {() => T} make
 * @returns {T}
 */
function kept(key, make) {
  const full = `${WORDS.language} ${key}`;
  if (!made.has(full)) made.set(full, make());
  return made.get(full);
}

/** @param {Date} date @param {Intl.DateTimeFormatOptions} [options] */
function written(date, options = {}) {
  const zone = date.getTimezoneOffset(); // a format keeps to its own; the reader may travel
  return kept(`${zone} ${JSON.stringify(options)}`, () => new Intl.DateTimeFormat(locales(), options)).format(date);
}

/** The reader's own kinds of the page's language, as en-GB, then the language itself. */
function locales() {
  const { language } = WORDS;
  const [primary] = language.split("-");
  const own = (globalThis.navigator?.languages ?? []).filter((one) => one.split("-")[0] === primary);
  return [...own, language];
}

/**
 * The words for a number of things, in the language's plural form.
 *
 * @param {{other: string, [form: string]: string}} forms
 * @param {number} count
 */
export function counted(forms, count) {
  const form = kept("plural", () => new Intl.PluralRules(WORDS.language)).select(count);
  return fill(forms[form] ?? forms.other, { count: formatNumber(count) });
}

/**
 * Fill the names in braces.
 *
 * @param {string} words
 * @param {Record<string, string | number>} values
 */
export function fill(words, values) {
  return words.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

/** @param {string[]} parts without those that are empty */
export function joined(parts) {
  return parts.filter(Boolean).join(" · ");
}
