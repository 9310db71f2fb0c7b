/** Whether elements are in view, or nearly: one observer for all of a page. */

const MARGIN = "200px";

/** @type {Map<Element, (isInView: boolean) => void>} */
const listeners = new Map();
/** @type {IntersectionObserver | undefined} */
let observer;

/**
 * Be told now and whenever it changes; call what is returned to stop.
 *
 * @param {Element} element
 * @param {(isInView: boolean) => void} listener
 */
export function watchView(element, listener) {
  observer ??= new IntersectionObserver(
    (entries) => entries.forEach(({ target, isIntersecting }) => listeners.get(target)?.(isIntersecting)),
    { rootMargin: MARGIN },
  );
  listeners.set(element, listener);
  observer.observe(element);
  return () => {
    listeners.delete(element);
    observer?.unobserve(element);
  };
}
