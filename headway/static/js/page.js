/** Headway's own page: it lives where its modules come from, below a path, perhaps, which a proxy takes away. */

import "./language.js"; // the words that the page has brought
import { Server } from "./server.js";
import { watcherOf } from "./watchers.js";

const here = new URL("../..", import.meta.url); // from assets/js/

export const PAGE = new Server(here.pathname.slice(0, -1));

/** The page's one watcher, made and connected at its first use. */
export function sharedWatcher() {
  return watcherOf(PAGE);
}
