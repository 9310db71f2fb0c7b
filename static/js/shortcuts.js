/**
 * Keys of the page's own, without Ctrl or Alt. A dialog lists them, with where each leads as data, and turns them off:
 * who speaks to the computer, or hits keys by chance, must be able to.
 */

const KEY = "headway-keys";

function areOn() {
  try {
    return localStorage.getItem(KEY) !== "off";
  } catch {
    return true; // storage may be forbidden
  }
}

/** @param {boolean} on */
function turn(on) {
  try {
    localStorage.setItem(KEY, on ? "on" : "off");
  } catch {
    // then it holds for this page
  }
}

/**
 * Let a button open the dialog, and the keys that it lists do what it says.
 *
 * @param {HTMLElement} button
 * @param {HTMLDialogElement} dialog
 */
export function offerShortcuts(button, dialog) {
  const box = /** @type {HTMLInputElement} */ (dialog.querySelector("input"));
  box.checked = areOn();
  box.addEventListener("change", () => turn(box.checked));
  button.addEventListener("click", () => dialog.showModal());
  document.addEventListener("keydown", (event) => {
    if (!box.checked || dialog.open || event.ctrlKey || event.altKey || event.metaKey || isTyping(event)) return;
    const row = dialog.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    const target = row && shown(/** @type {HTMLElement} */ (row).dataset.to ?? "");
    if (!target) return;
    event.preventDefault();
    if (target.matches("a, button")) target.click();
    else target.focus();
  });
}

/** @param {string} selector */
function shown(selector) {
  const found = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(selector));
  return [...found].find((element) => element.checkVisibility());
}

/** Whether the key belongs to a field. @param {KeyboardEvent} event */
function isTyping(event) {
  const target = /** @type {HTMLElement} */ (event.composedPath()[0]);
  const takesKeys = "input:not([type=checkbox], [type=radio]), select, textarea, [contenteditable]";
  return event.defaultPrevented || event.isComposing || target.matches?.(takesKeys);
}
