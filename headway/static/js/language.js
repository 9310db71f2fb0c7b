/** The words of a page in another language than English: its server has them. One language a page. */

import WORDS from "./card-words.js";
import { fill } from "./format.js";

/** @typedef {{[key: string]: Tree | string}} Tree */

const TIMEOUT_MS = 3000; // after which a page is shown in English

const MAX_MADE = 500;

/** @typedef {{size: number, pattern: RegExp, names: string[], words: string}} Template */

/** @type {Template[] | undefined} */
let templates;
/** @type {Map<string, string>} what was translated last: a status is drawn many times */
const made = new Map();
let isDecided = false;
/** @type {Promise<void> | null} */
let loading = null;

/**
 * Call back once there are the words of an element's language, that of its nearest `lang`: at once where nothing has to
 * be loaded. The first element of a page decides for all.
 *
 * @param {Element} element
 * @param {import("./server.js").Source | string} source a string: it names none
 * @param {() => void} begin
 */
export function withWords(element, source, begin) {
  if (!isDecided && typeof source !== "string") {
    isDecided = true;
    const { lang } = /** @type {HTMLElement} */ (element.closest("[lang]") ?? document.documentElement);
    const isThere = !lang || /^en\b/i.test(lang) || WORDS.language !== "en";
    const address = source.server.at(`/assets/words/${encodeURIComponent(lang)}.json`);
    if (!isThere) loading = load(address).finally(() => (loading = null));
  }
  if (loading) void loading.then(begin);
  else begin();
}

/**
 * A text of the server's in the page's language, known by the English text that it was made of, or sentence by sentence;
 * English for one that its catalogue has not. languages.py has the same.
 *
 * @param {string} message
 * @returns {string}
 */
export function translated(message) {
  const { messages } = /** @type {{messages?: Record<string, string>}} */ (WORDS);
  if (!messages) return message;
  if (Object.hasOwn(messages, message)) return messages[message];
  const known = made.get(message);
  if (known !== undefined) return known;
  templates ??= templatesOf(messages);
  const words = byParts(message, messages, templates) ?? knownAs(message, messages, templates) ?? message;
  if (made.size >= MAX_MADE) made.clear();
  made.set(message, words);
  return words;
}

/**
 * The texts with names in braces, those with most words of their own first.
 *
 * @param {Record<string, string>} messages
 * @returns {Template[]}
 */
function templatesOf(messages) {
  const named = Object.entries(messages).filter(([text]) => text.includes("{"));
  const found = named.map(([text, words]) => {
    const parts = text.split(/\{(\w+)\}/);
    const own = parts.filter((_, at) => at % 2 === 0);
    const pattern = own.map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("(.+?)");
    return { size: own.join("").length, pattern: new RegExp(`^${pattern}$`, "s"), names: parts.filter((_, at) => at % 2), words };
  });
  return found.sort((one, other) => other.size - one.size);
}

/**
 * A text sentence by sentence, and a list thing by thing; undefined where one of them is not known.
 *
 * @param {string} message
 * @param {Record<string, string>} messages
 * @param {Template[]} among
 */
function byParts(message, messages, among) {
  const parts = message.replace(/([.?!]) /g, "$1\0 \0").replaceAll(", ", "\0, \0").split("\0");
  const known = parts.map((part, at) => (at % 2 ? part : knownAs(part, messages, among)));
  return known.includes(undefined) ? undefined : known.join("");
}

/** @param {string} message @param {Record<string, string>} messages @param {Template[]} among */
function knownAs(message, messages, among) {
  if (Object.hasOwn(messages, message)) return messages[message];
  for (const { pattern, names, words } of among) {
    const values = pattern.exec(message)?.slice(1);
    if (values) return fill(words, Object.fromEntries(names.map((name, at) => [name, translated(values[at])])));
  }
  return undefined;
}

/**
 * A task's labels in the page's language, as far as its catalogue has them; labels.py has the same.
 *
 * @param {import("./words.js").Labels} labels
 * @returns {import("./words.js").Labels}
 */
export function translatedLabels(labels) {
  if (WORDS.language === "en") return labels;
  /** @type {(words: any) => any} */
  const own = (words) =>
    typeof words !== "object"
      ? typeof words === "string" ? translated(words) : words
      : Object.fromEntries(Object.entries(words).map(([key, each]) => [key, own(each)]));
  const all = own(labels);
  if (all.starts === labels.starts) delete all.starts; // it would stand in the middle of a sentence
  return all;
}

/** @param {string} address of the words; of a language that the server has not, they are {} */
async function load(address) {
  try {
    const response = await fetch(address, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (response.ok) put(WORDS, await response.json());
  } catch (error) {
    console.warn(`Headway: ${address} cannot be loaded, so the words are English.`, error);
  }
}

/**
 * Put words in the places of others. The places stay: modules hold them.
 *
 * @param {Tree} places
 * @param {Tree} words
 */
function put(places, words) {
  for (const [key, value] of Object.entries(words)) {
    const place = places[key];
    // A text that counts things has a form for each plural of the language.
    if (typeof value === "string" || typeof (place ?? "") === "string" || "other" in value) places[key] = value;
    else put(/** @type {Tree} */ (place), value);
  }
}

// Pages of the server's own load them before this.
const { headwayWords = {} } = /** @type {{headwayWords?: Tree}} */ (globalThis);
put(WORDS, headwayWords);
