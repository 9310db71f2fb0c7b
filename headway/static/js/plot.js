/** Continues the plot of progress and rate that the server has drawn; plot.py draws the same. */

import WORDS from "./card-words.js";
import { fill, formatNumber, formatPassed, formatPercent, formatRate, joined } from "./format.js";
import { Pace } from "./pace.js";
import { percent } from "./snapshot.js";

/**
 * @typedef {import("./snapshot.js").Snapshot} Snapshot
 * @typedef {[at: number, current: number, total: number | null]} Point `at` in ms since 1970
 */

const WIDTH = 1000;
const HEIGHT = 200;
const FASTEST = 0.8; // of the height
const SMOOTHING = 0.3; // as tqdm's
export const MAX_POINTS = 240;
const FIRST_GAP_MS = 100;
const MIN_POINTS = 3; // below that there is no curve to see
const PLOTTED = ["running", "succeeded", "failed", "cancelled"];

export class Plot {
  /** @type {Point[]} */
  points;
  #gap = FIRST_GAP_MS;
  /** @type {number | null} */
  #attempt = null;
  #pace = new Pace();

  /** @param {Point[]} points that the server has kept */
  constructor(points) {
    this.points = [...points];
  }

  /**
   * Take in how far a run is. Returns whether that is a new point.
   *
   * @param {Snapshot} snapshot
   */
  take(snapshot) {
    const { phase, attempt, current, total, status, updated_at, started_at, finished_at } = snapshot;
    this.#pace.observe(snapshot);
    const begins = attempt !== this.#attempt && attempt > 1;
    this.#attempt = attempt;
    if (phase === "running" && begins && !current && status) return false; // it goes on where its first report says
    const at = Date.parse(finished_at ?? updated_at); // an ended task changes when another one goes on
    const last = this.points.at(-1);
    const isDue = !last || at - last[0] >= (phase === "running" ? this.#gap : 1);
    if (!started_at || !PLOTTED.includes(phase) || !isDue) return false;
    // One that has ended without a report has come as far as the run before it, where it would have gone on.
    this.points.push(finished_at && !current && last ? [at, last[1], last[2]] : [at, current, total]);
    if (this.points.length > MAX_POINTS) {
      const kept = (this.points.length - 1) % 2; // the last one stays
      this.points = this.points.filter((_, place) => place % 2 === kept);
      this.#gap *= 2;
    }
    return true;
  }

  /** Whether the task has reported progress before its end, which alone is reported of each. */
  get hasCurve() {
    const { points } = this;
    return points.length >= MIN_POINTS && points.slice(0, -1).some(([, current]) => current !== points[0][1]);
  }

  /**
   * The paths of progress, of the rate, and of where the task is estimated to go.
   *
   * @param {Snapshot | null} [snapshot] null: nothing is estimated
   */
  paths(snapshot = null) {
    const { points } = this;
    const { passed, ends, span } = this.#times(snapshot);
    const whole = fractions(points);
    const x = (/** @type {number} */ at) => Math.floor((WIDTH * at) / span + 0.5);
    const now = `${x(passed)} ${y(whole[whole.length - 1][1])}`;
    const range = ends ? `M${now}L${x(ends[0])} 0L${x(ends[1])} 0Z` : "";
    return { progress: line(whole, x), rate: line(shares(points), x), range };
  }

  /**
   * What stands beside its axes, from the left to the right and from the top down.
   *
   * @param {Snapshot | null} [snapshot] null: nothing is estimated
   */
  labels(snapshot = null) {
    const { points } = this;
    const [, , total] = points[points.length - 1];
    const counts = [formatNumber(most(points)), "0"];
    const { span } = this.#times(snapshot);
    return {
      x: [span < 1000 ? "0" : "0:00", formatPassed(span)],
      y: total ? [100, 50, 0].map(formatPercent) : counts,
    };
  }

  /** In ms from the first point: the last one, between when the task is estimated to end, and the width. @param {Snapshot | null} snapshot */
  #times(snapshot) {
    const { points } = this;
    const [at] = points[points.length - 1];
    const passed = at - points[0][0];
    const left = snapshot?.phase === "running" ? this.#pace.left(snapshot, at) : null;
    const ends = left && left.map((seconds) => passed + 1000 * Math.max(0, seconds));
    return { passed, ends, span: Math.max(passed, ends ? ends[1] : 0) };
  }

  /** What it shows, in words. @param {Snapshot} snapshot */
  summary(snapshot) {
    const { points } = this;
    const [at, current, total] = points[points.length - 1];
    const part = percent(snapshot) || (total ? Math.floor((100 * current) / total) : null);
    const fastest = Math.max(0, ...rates(points).map(([, rate]) => rate));
    const reached = part === null ? String(current) : formatPercent(part);
    return joined([
      fill(WORDS.page.reached, { reached, time: formatPassed(at - points[0][0]) }),
      fastest ? fill(WORDS.page.fastest, { rate: formatRate(fastest) }) : "",
    ]);
  }
}

/** @param {number} value */
function y(value) {
  return Math.floor(HEIGHT * (1 - value) + 0.5);
}

/** @param {[number, number][]} values @param {(at: number) => number} x */
function line(values, x) {
  return values.map(([at, value], place) => `${place ? "L" : "M"}${x(at)} ${y(value)}`).join("");
}

/** @param {Point[]} points @returns {[number, number][]} */
function fractions(points) {
  const whole = most(points);
  return points.map(([at, current, total]) => {
    return [at - points[0][0], Math.min(1, current / (total || whole))];
  });
}

/** @param {Point[]} points */
function most(points) {
  return Math.max(...points.map(([, current]) => current)) || 1;
}

/** The rate per second, as a moving mean. @param {Point[]} points @returns {[number, number][]} */
function rates(points) {
  /** @type {[number, number][]} */
  const found = [];
  for (let place = 1; place < points.length; place++) {
    const [before, point] = [points[place - 1], points[place]];
    if (point[0] <= before[0] || point[1] < before[1]) continue;
    const rate = (1000 * (point[1] - before[1])) / (point[0] - before[0]);
    const last = found.at(-1);
    found.push([point[0] - points[0][0], last ? last[1] + SMOOTHING * (rate - last[1]) : rate]);
  }
  return found;
}

/** The same as a share of the height. @param {Point[]} points @returns {[number, number][]} */
function shares(points) {
  const found = rates(points);
  const fastest = Math.max(0, ...found.map(([, rate]) => rate));
  return fastest ? found.map(([at, rate]) => [at, (FASTEST * rate) / fastest]) : [];
}
