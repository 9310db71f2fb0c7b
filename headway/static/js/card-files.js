/** The files that a task has given out, on its card: the first few, and how many more there are. */

import WORDS from "./card-words.js";
import { make } from "./drawn-elements.js";
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
  const links = first.flatMap(({ name, size }) => {
    const file = make("a", { href: link(`${page}/files/${encodeURIComponent(name)}`) }, name);
    file.toggleAttribute("download", true);
    return [file, ` ${formatSize(size)} `];
  });
  const more = count - first.length;
  if (more > 0) links.push(make("a", { href: `${link(page)}#files` }, fill(WORDS.card.more_files, { count: more })));
  part.replaceChildren(...links);
}
