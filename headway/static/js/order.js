/** In which order a list shows its tasks: what needs a person first, then what has ended. Pure. */

/**
 * @typedef {object} Placed what of a snapshot says where it stands
 * @property {string} phase
 * @property {string} created_at
 * @property {string | null} finished_at
 */

/** @type {Readonly<Record<string, number>>} headway/display/order.py has the same */
const RANKS = {
  waiting: -1,
  failed: 0,
  running: 1,
  cancelling: 1,
  retrying: 1,
  queued: 2,
  scheduled: 3,
};
export const ENDED = 4;

/**
 * From -1 (asks a person) to ENDED. A failure that was seen has ended as all others have.
 *
 * @param {Placed} task
 * @param {string} seen until when failures have been seen; "" for never
 */
export function rank({ phase, finished_at }, seen) {
  if (phase === "failed" && (finished_at ?? "") <= seen) return ENDED;
  return RANKS[phase] ?? ENDED;
}

/**
 * Compare two tasks as Array.sort does: by rank, then the newest first; what has ended by its end.
 *
 * @param {Placed} one
 * @param {Placed} other
 * @param {string} seen
 */
export function compare(one, other, seen) {
  const first = rank(one, seen);
  const second = rank(other, seen);
  if (first !== second) return first - second;
  return latest(other, first).localeCompare(latest(one, first), "en");
}

/** @param {Placed} task @param {number} place */
function latest({ created_at, finished_at }, place) {
  return (place === ENDED && finished_at) || created_at;
}

/**
 * Put items into this order, moving those that changed and no others. The focus stays where it is.
 *
 * @param {HTMLElement} list
 * @param {HTMLElement[]} items all of the list's and those that are new to it, in the order wanted
 * @param {ReadonlySet<HTMLElement>} changed
 */
export function arrange(list, items, changed) {
  const settle = (/** @type {(item: HTMLElement) => boolean} */ mayMove) => {
    /** @type {HTMLElement | null} */
    let next = null;
    for (const item of items.toReversed()) {
      if (mayMove(item) && (!item.parentElement || item.nextElementSibling !== next)) move(list, item, next);
      next = item;
    }
  };
  settle((item) => changed.has(item));
  settle(() => true); // nothing is left to do where the others were in order
}

/** @param {HTMLElement} list @param {HTMLElement} item @param {HTMLElement | null} before */
function move(list, item, before) {
  const root = /** @type {Document | ShadowRoot} */ (list.getRootNode());
  const focused = item.contains(root.activeElement) ? innermost(root.activeElement) : null;
  list.insertBefore(item, before);
  focused?.focus({ preventScroll: true });
}

/** What has the focus within an element that has it, be it in the shadow tree of that. @param {Element | null} element */
function innermost(element) {
  let inner = element;
  while (inner?.shadowRoot?.activeElement) inner = inner.shadowRoot.activeElement;
  return /** @type {HTMLElement | null} */ (inner);
}
