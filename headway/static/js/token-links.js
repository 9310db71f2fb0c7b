/**
 * Links of an element whose token says who asks. A link sends no headers, and a token in its address would stay in
 * histories and logs: so following one is a form, whose answer keeps the token in a cookie and leads to the address.
 */

import { make } from "./drawn-elements.js";
import { read } from "./reading.js";

/** @typedef {import("./server.js").Server} Server */

const MIDDLE = 1; // the button that opens a new tab

/**
 * Follow the links within an element as its server's token says; return how to stop.
 *
 * @param {HTMLElement} element
 * @param {Server} server
 * @returns {() => void}
 */
export function followLinks(element, server) {
  if (!server.token) return () => {};
  const events = /** @type {const} */ (["click", "auxclick"]);
  /** @param {MouseEvent} event */
  const follow = (event) => {
    const link = event.composedPath().find((each) => each instanceof HTMLAnchorElement);
    if (!link || event.defaultPrevented || event.button > MIDDLE || !link.href.startsWith(server.at("/tasks/"))) return;
    event.preventDefault();
    const isApart = event.button === MIDDLE || event.ctrlKey || event.metaKey || event.shiftKey;
    visit(server, link.href.slice(server.base.length), isApart ? "_blank" : link.target);
  };
  for (const name of events) element.addEventListener(name, follow);
  return () => events.forEach((name) => element.removeEventListener(name, follow));
}

/**
 * Whether a task may be opened: a token may be for another one alone, or be used up.
 *
 * @param {Server} server
 * @param {string} taskId
 */
export async function opens(server, taskId) {
  if (!server.token) return true;
  const asked = read(server, `/status?${new URLSearchParams({ task_id: taskId })}`, fetch);
  return asked.then(({ snapshots }) => snapshots.length > 0).catch(() => false);
}

/**
 * Go to one of a task's addresses.
 *
 * @param {Server} server
 * @param {string} path
 * @param {string} target the window, "" for this one
 */
export function visit(server, path, target) {
  if (!server.token) return void window.open(server.at(path), target || "_self");
  const fields = Object.entries({ token: server.token, path });
  const form = make(
    "form",
    { hidden: true, method: "post", action: server.at("/tokens"), target },
    ...fields.map(([name, value]) => make("input", { type: "hidden", name, value })),
  );
  document.body.append(form);
  form.submit();
  form.remove();
}
