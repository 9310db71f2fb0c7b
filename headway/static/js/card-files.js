/** The files that a task has given out, on its card: the first few, and how many more there are. */

import { set } from "./card-parts.js";
import WORDS from "./card-words.js";
import { fill, formatSize } from "./format.js";

/**
 * Draw a link for each file; nothing where they are the same as before.
 *
 * @param {HTMLElement} part
 * @param {import("./snapshot.js").Snapshot} snapshot
 * @param {(path: string) => string} link makes an address of a path
 */
export function drawFiles(part, { task_id, files }, link) {
  const key = files ? `${task_id} ${JSON.stringify(files)}` : "";
  if ((part.dataset.drawn ?? "") === key) return; // a redraw would take the focus from a link
  part.dataset.drawn = key;
  const page = `/tasks/${encodeURIComponent(task_id)}`;
  const { first = [], count = 0 } = files ?? {};
  const links = first.map(({ name, size }) => {
    const file = anchor(name, link(`${page}/files/${encodeURIComponent(name)}`));
    set(file, "download", "");
    return [file, ` ${formatSize(size)} `];
  });
  const more = count - first.length;
  part.replaceChildren(...links.flat(), ...(more > 0 ? [anchor(fill(WORDS.card.more_files, { count: more }), `${link(page)}#files`)] : []));
}

/** @param {string} text @param {string} href */
function anchor(text, href) {
  const found = document.createElement("a");
  found.textContent = text;
  set(found, "href", href);
  return found;
}
