/** Calling listeners, each by itself. */

/**
 * Call all; an error of one is reported, as an uncaught one is, and does not keep the others from being called.
 *
 * @template {unknown[]} Args
 * @param {Iterable<(...args: Args) => void>} listeners
 * @param {Args} args
 */
export function callAll(listeners, ...args) {
  for (const listener of listeners) {
    try {
      listener(...args);
    } catch (error) {
      (globalThis.reportError ?? console.error)(error); // Node has no reportError
    }
  }
}
