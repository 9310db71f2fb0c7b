/** Headway's own page: it says what it lives below, perhaps a path that a proxy takes away. */

import "./language.js"; // the words that the page has brought
import { Server } from "./server.js";
import { watcherOf } from "./watchers.js";

export const PAGE = new Server(document.body.dataset.base);

/** The page's one watcher, made and connected at its first use. */
export function sharedWatcher() {
  return watcherOf(PAGE);
}
