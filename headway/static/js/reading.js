/** Reading from the server by plain HTTP, with words for all that can go wrong. */

import WORDS from "./card-words.js";
import { parse } from "./exact.js";
import { fill } from "./format.js";
import { translated } from "./language.js";

/** @typedef {import("./server.js").Server} Server */

const TIMEOUT_MS = 8000;
const SHARED = "/assets/headway.js"; // the one path that pages of any site may load

/**
 * GET JSON. Rejects with an Error whose message says, for people, why there is none.
 *
 * @param {Server} server
 * @param {string} path
 * @param {typeof fetch} get
 * @returns {Promise<any>}
 */
export async function read(server, path, get) {
  return (await readNews(server, path, get)).answer;
}

/**
 * The same, with the answer's tag; the answer is null where the one with `knownTag` is still right.
 *
 * @param {Server} server
 * @param {string} path
 * @param {typeof fetch} get
 * @param {string} [knownTag]
 * @returns {Promise<{answer: any, tag: string}>}
 */
export async function readNews(server, path, get, knownTag = "") {
  const headers = { ...server.headers, ...(knownTag && { "If-None-Match": knownTag }) };
  const request = { headers, credentials: CREDENTIALS, signal: AbortSignal.timeout(TIMEOUT_MS) };
  let response;
  try {
    response = await get(server.at(path), request);
  } catch (error) {
    throw new Error(await unreached(server, get), { cause: error });
  }
  if (response.status === 304) return { answer: null, tag: knownTag };
  const text = await response.text();
  if (!response.ok) throw new Error(refusal(server, response.status, text));
  try {
    return { answer: parse(text), tag: response.headers?.get("ETag") ?? "" };
  } catch (error) {
    throw new Error(fill(WORDS.reading.not_headway, { server: nameOf(server) }), { cause: error });
  }
}

/** Cookies go to another host too where the browser keeps them, as they do with the websocket. */
export const CREDENTIALS = /** @type {const} */ ("include");

/**
 * Browsers do not tell a page whether a server is away or only refuses to be read by it: a request whose answer nobody
 * wants to read tells them apart.
 *
 * @param {Server} server
 * @param {typeof fetch} get
 */
async function unreached(server, get) {
  const name = nameOf(server);
  const away = fill(WORDS.reading.away, { server: name });
  if (!server.origin || server.origin === location.origin) return away;
  if (location.protocol === "https:" && server.origin.startsWith("http:")) {
    return fill(WORDS.reading.insecure, { server: name });
  }
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    await get(server.at(SHARED), { method: "HEAD", mode: "no-cors", signal });
  } catch {
    return away;
  }
  return fill(WORDS.reading.forbidden, { server: name, origin: location.origin });
}

/** @param {Server} server @param {number} status @param {string} text */
function refusal(server, status, text) {
  const { nothing, answers, says } = WORDS.reading;
  const message = sentenceIn(text);
  const words = status === 404 ? nothing : message ? says : answers;
  return fill(words, { server: nameOf(server), status, message });
}

/**
 * The server's own words in an answer, "" where it has none.
 *
 * @param {string} text
 */
function sentenceIn(text) {
  try {
    return translated(JSON.parse(text).error.message ?? "");
  } catch {
    return "";
  }
}

/** @param {Server} server */
function nameOf(server) {
  return server.base || WORDS.reading.the_server;
}
