/** What becomes `headway.js`, one file for any page. */

import { HeadwayForm } from "./headway-form.js";
import { HeadwayList } from "./headway-list.js";
import { HeadwayTask } from "./headway-task.js";
import { HeadwayTaskPage } from "./headway-task-page.js";

/** A page may load the file twice. @param {string} tag @param {CustomElementConstructor} element */
function define(tag, element) {
  if (!customElements.get(tag)) customElements.define(tag, element);
}

define("headway-form", HeadwayForm);
define("headway-task", HeadwayTask);
define("headway-list", HeadwayList);
define("headway-task-page", HeadwayTaskPage);
