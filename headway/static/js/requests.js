/** Requests that start or change something: plain HTTP, so that they work whatever the socket does. */

import WORDS from "./card-words.js";
import { parse, print } from "./exact.js";
import { translated } from "./language.js";
import { CREDENTIALS } from "./reading.js";

const TIMEOUT_MS = 10_000;

/** Where the server's own words say less than the card needs: by the refusal's code. */
const REFUSALS = /** @type {Record<string, string>} */ (WORDS.refusals);

/** The server said no; the message says why. */
export class Refused extends Error {
  /**
   * @param {number} status
   * @param {{code: string, message: string, fields?: Record<string, string>}} error
   */
  constructor(status, { code, message, fields = {} }) {
    super(REFUSALS[code] ?? (Object.values(fields).map(translated).join(" ") || translated(message)));
    this.status = status;
    this.code = code;
    this.fields = fields;
  }
}

/**
 * POST, and return what is answered: a snapshot, mostly; null for nothing. Throws Refused when the server says no, and
 * other errors when there is no answer to be had: then the same key again makes sure that nothing is done twice.
 *
 * @param {string} address
 * @param {object} [request]
 * @param {string} [request.method] another one than POST
 * @param {URLSearchParams | object} [request.body] a form's fields, or an object to send as JSON
 * @param {string} [request.key]
 * @param {Record<string, string>} [request.headers] see Server
 * @returns {Promise<any>}
 */
export async function post(address, { method = "POST", body, key, headers } = {}) {
  const form = !body || body instanceof URLSearchParams;
  const response = await fetch(address, {
    method,
    headers: {
      Accept: "application/json",
      ...headers,
      ...(key && { "Idempotency-Key": key }),
      ...(!form && { "Content-Type": "application/json" }),
    },
    body: form ? body : print(body, 0),
    credentials: CREDENTIALS,
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const answer = response.status === 204 ? null : parse(await response.text());
  if (!response.ok) throw new Refused(response.status, answer.error);
  return answer;
}

/**
 * Why a request came to nothing, in one sentence for people.
 *
 * @param {unknown} error
 */
export function reason(error) {
  return error instanceof Refused ? error.message : WORDS.unreached;
}

/** A key for one wish; the wish keeps it until it is fulfilled. */
export function newKey() {
  return inHex(crypto.getRandomValues(new Uint8Array(16)).buffer); // randomUUID is missing on plain http
}

/** @param {ArrayBuffer} bytes */
export function inHex(bytes) {
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
