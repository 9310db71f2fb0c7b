/** Times in a form's pickers: UTC for the server, the reader's own zone on the page. Pure. */

/**
 * A picker's UTC text in the reader's zone; "" for none.
 *
 * @param {string} text "2026-11-29T10:00", perhaps with seconds
 */
export function formText(text) {
  const date = new Date(`${text}Z`);
  if (Number.isNaN(date.getTime())) return "";
  const local = new Date(date.getTime() - date.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, text.length);
}

/**
 * A picker's text in UTC; one that is no time as it is.
 *
 * @param {string} text in the reader's zone
 */
export function utcText(text) {
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? text : date.toISOString().slice(0, text.length);
}
