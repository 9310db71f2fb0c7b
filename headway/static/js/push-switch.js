/** The switch for Web Push: whether this browser is told of the person's tasks while no page is open. */

import WORDS from "./card-words.js";
import { make } from "./drawn-elements.js";
import { read } from "./reading.js";
import { inHex, post } from "./requests.js";

/** @typedef {import("./server.js").Server} Server */

/** @typedef {{key: string | null, on: boolean}} About the key is null where the server sends nothing */

/**
 * Let a checkbox turn it on and off. Its label says why it cannot be on, and is hidden where the server sends none.
 *
 * @param {HTMLInputElement} box
 * @param {HTMLElement} label
 * @param {Server} server
 */
export async function offerPush(box, label, server) {
  // A service worker is of the page's own origin, and only a cookie says whose tasks it tells of.
  if (server.token || (server.origin ?? location.origin) !== location.origin) return;
  const { key } = await ask(server).catch(() => ({ key: null }));
  if (!key) return;
  const note = make("span");
  label.append(` ${WORDS.push.label}`, note);
  /** @param {keyof typeof WORDS.push.unavailable | "" | "failed"} why */
  const say = (why) => {
    note.textContent = why && ` (${why === "failed" ? WORDS.push.failed : WORDS.push.unavailable[why]})`;
    box.disabled = why !== "" && why !== "failed";
  };
  say(obstacle());
  box.checked = !obstacle() && (await isOn(server, key).catch(() => false));
  box.addEventListener("change", async () => {
    const wanted = box.checked;
    box.disabled = true;
    try {
      if (wanted) await turnOn(server, key);
      else await turnOff(server);
      box.checked = wanted && Notification.permission === "granted";
      say(obstacle());
    } catch {
      box.checked = !wanted;
      say(obstacle() || "failed");
    }
  });
  label.hidden = false;
}

/** Why this browser cannot be told, "" if it can. @returns {keyof typeof WORDS.push.unavailable | ""} */
export function obstacle() {
  if (!isSecureContext) return "insecure";
  if (!("serviceWorker" in navigator && "PushManager" in globalThis)) return "unsupported";
  return Notification.permission === "denied" ? "blocked" : "";
}

/** Whether this browser is told of this person's tasks. @param {Server} server @param {string} key */
async function isOn(server, key) {
  const subscription = await subscriptionOf(server);
  if (!subscription || keyOf(subscription) !== key) return false;
  return (await ask(server, await digest(subscription.endpoint))).on;
}

/** @param {Server} server @param {string} key */
async function turnOn(server, key) {
  if ((await Notification.requestPermission()) !== "granted") return;
  const registration = await navigator.serviceWorker.register(server.at("/push/worker.js"));
  await untilActive(registration);
  const former = await registration.pushManager.getSubscription();
  if (former && keyOf(former) !== key) await former.unsubscribe(); // the server has another key now
  const options = { userVisibleOnly: true, applicationServerKey: key };
  await change(server, "POST", await registration.pushManager.subscribe(options));
}

/** @param {Server} server */
async function turnOff(server) {
  const subscription = await subscriptionOf(server);
  if (!subscription) return;
  await change(server, "DELETE", { endpoint: subscription.endpoint });
  await subscription.unsubscribe();
}

/** @param {Server} server */
async function subscriptionOf(server) {
  const registration = await navigator.serviceWorker.getRegistration(server.at("/push/"));
  return registration?.pushManager.getSubscription();
}

/** @param {ServiceWorkerRegistration} registration */
async function untilActive({ active, installing, waiting }) {
  const worker = installing ?? waiting;
  if (active || !worker) return;
  await /** @type {Promise<void>} */ (new Promise((resolve, reject) => {
    worker.addEventListener("statechange", () => {
      if (worker.state === "activated") resolve();
      if (worker.state === "redundant") reject(new Error("The service worker was not installed."));
    });
  }));
}

/** What the server says of its key and of a browser. @param {Server} server @returns {Promise<About>} */
function ask(server, device = "") {
  return read(server, `/push${device && `?device=${device}`}`, fetch);
}

/** @param {Server} server @param {string} method @param {object} body */
async function change(server, method, body) {
  await post(server.at("/push"), { method, body, headers: server.headers });
}

/** The key with which a browser has subscribed, in base64url. @param {PushSubscription} subscription */
function keyOf({ options }) {
  const bytes = new Uint8Array(options.applicationServerKey ?? new ArrayBuffer(0));
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

/** @param {string} text */
async function digest(text) {
  return inHex(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}
