/** The tab's icon: a ring for how far a task is, a disc for how it ended. */

import { percent } from "./snapshot.js";

/** @typedef {import("./snapshot.js").Snapshot} Snapshot */

const COLOURS = /** @type {Record<string, string>} */ ({
  succeeded: "#1a7f37",
  failed: "#cf222e",
  cancelled: "#6e7781",
  waiting: "#bf8700",
});
const RING = "#0172ad";
const RADIUS = 12;
const AROUND = 2 * Math.PI * RADIUS;

/**
 * The icon of a task, as the address of an SVG: it needs `data:` among the page's `img-src`.
 *
 * @param {Snapshot} snapshot
 */
export function iconOf(snapshot) {
  const colour = COLOURS[snapshot.phase];
  const drawn = colour ? `<circle cx="16" cy="16" r="14" fill="${colour}"/>` : ring(percent(snapshot) ?? 0);
  return `data:image/svg+xml,${encodeURIComponent(
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">${drawn}</svg>`,
  )}`;
}

/** @param {number} percents */
function ring(percents) {
  const circle = `<circle cx="16" cy="16" r="${RADIUS}" fill="none" stroke-width="7"`;
  const length = ((AROUND * percents) / 100).toFixed(1);
  const arc = `stroke="${RING}" stroke-dasharray="${length} ${AROUND.toFixed(1)}" transform="rotate(-90 16 16)"`;
  return `${circle} stroke="#8c959f55"/>${circle} ${arc}/>`;
}

export class Favicon {
  #link;
  #own;

  /** @param {Document} page whose icon stands for a task now and then */
  constructor(page) {
    this.#link = /** @type {HTMLLinkElement | null} */ (page.querySelector('link[rel="icon"]'));
    this.#own = this.#link?.href ?? "";
  }

  /** @param {Snapshot | null} snapshot null: the page's own icon */
  show(snapshot) {
    const address = snapshot ? iconOf(snapshot) : this.#own;
    if (this.#link && this.#link.href !== address) this.#link.href = address;
  }
}
