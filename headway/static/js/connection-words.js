/** The truth about the connection, in a sign and words. Pure. */

import { formatTime } from "./format.js";

/**
 * @param {import("./connection.js").Connection} connection
 * @returns {[sign: string, words: string]}
 */
export function connectionWords(connection) {
  const { state, pollSeconds, heardAt } = connection;
  switch (state) {
    case "live":
      return ["●", "Live"];
    case "reconnecting":
      return ["◌", "Reconnecting…"];
    case "polling":
      return ["◔", `Polling every ${pollSeconds} s`];
    case "offline":
      return ["○", `Offline, showing ${formatTime(heardAt, connection.now())}`];
  }
}

/**
 * Why no button can work now, in one sentence; "" where they can.
 *
 * @param {import("./connection.js").Connection} connection
 */
export function buttonsReason({ state }) {
  if (state !== "offline") return "";
  return "Offline: the buttons work again as soon as the server answers.";
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
