/** What becomes `headway-page.js`, for Headway's own pages: all of `headway.js`, and their elements. */

import untitled from "../untitled.css";
import { define } from "./elements.js";
import { HeadwayForm } from "./headway-form.js";
import { HeadwayListPage } from "./headway-list-page.js";
import { HeadwayTaskPage } from "./headway-task-page.js";
import { STYLES } from "./live-element.js";

STYLES.push(untitled);

define("headway-form", HeadwayForm);
define("headway-list-page", HeadwayListPage);
define("headway-task-page", HeadwayTaskPage);
