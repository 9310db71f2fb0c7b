/** The page's footer: how many workers and slots there are, and what waits. Pure. */

import { joined } from "headway/format.js";

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
    counted(workers, "worker"),
    counted(slots, "slot"),
    `queue ${queued}`,
    paused ? "paused: see make paused" : "",
    untaken.length ? `no worker takes ${untaken.join(", ")}` : "",
  ]);
}

/** @param {number} n @param {string} noun */
function counted(n, noun) {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}
