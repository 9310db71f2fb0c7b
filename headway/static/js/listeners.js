/** Listeners, each of which is called by itself. */

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

/**
 * Tells listeners of topics.
 *
 * @template {string} Topic
 */
export class Emitter {
  /** @type {Map<Topic, Set<(payload: any) => void>>} */
  #listeners = new Map();

  /**
   * Listen; call what is returned to stop.
   *
   * @param {Topic} topic
   * @param {(payload: any) => void} listener
   */
  on(topic, listener) {
    const listeners = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  /** @param {Topic} topic @param {any} payload */
  emit(topic, payload) {
    callAll(this.#listeners.get(topic) ?? [], payload);
  }
}
