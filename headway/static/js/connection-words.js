/** The truth about the connection, in a sign and words. Pure. */

import WORDS from "./card-words.js";
import { fill, formatTime } from "./format.js";

/**
 * @param {import("./connection.js").Connection} connection
 * @returns {[sign: string, words: string]}
 */
export function connectionWords(connection) {
  const { state, pollSeconds, heardAt } = connection;
  const words = WORDS.connection;
  switch (state) {
    case "live":
      return ["●", words.live];
    case "reconnecting":
      return ["◌", words.reconnecting];
    case "polling":
      return ["◔", fill(words.polling, { seconds: pollSeconds })];
    case "offline":
      return ["○", fill(words.offline, { time: formatTime(heardAt, connection.now()) })];
  }
}

/**
 * Why no button can work now, in one sentence; "" where they can.
 *
 * @param {import("./connection.js").Connection} connection
 */
export function buttonsReason({ state }) {
  return state === "offline" ? WORDS.connection.no_buttons : "";
}

/**
 * Why it is not live, "" where it is or where nobody knows.
 *
 * @param {import("./connection.js").Connection} connection
 */
export function connectionReason({ state, fault, why }) {
  if (state === "polling") return why;
  return state === "offline" ? fault : "";
}
