/** What becomes `headway.js`, one file for any page. */

import { HeadwayList } from "./headway-list.js";
import { HeadwayTask } from "./headway-task.js";

/** A page may load the file twice. @param {string} tag @param {CustomElementConstructor} element */
export function define(tag, element) {
  if (!customElements.get(tag)) customElements.define(tag, element);
}

define("headway-task", HeadwayTask);
define("headway-list", HeadwayList);
