/** The page's footer: how many workers and slots there are, and what waits. Pure. */

import { counted, fill, joined } from "headway/format.js";

import WORDS from "./words.js";

/**
 * What waits includes the queues that no worker takes.
 *
 * @param {import("headway/connection.js").ServerState} server
 */
export function serverWords({ workers, slots, queued, queues, paused }) {
  if (workers === null || slots === null || queues === null) return "";
  const names = Object.keys(queues);
  const untaken = names.filter((name) => queues[name].queued && !queues[name].workers);
  return joined([
    counted(WORDS.workers, workers),
    counted(WORDS.slots, slots),
    fill(WORDS.queue, { queued: queued ?? 0 }),
    paused ? WORDS.paused : "",
    untaken.length ? fill(WORDS.untaken, { names: untaken.join(", ") }) : "",
  ]);
}
