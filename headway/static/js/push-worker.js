/** The service worker, which shows what Web Push tells while no page is open. Its scope has no page: see web_push.py. */

/** @typedef {{title: string, body: string, tag: string, task_id: string}} Told */

const worker = /** @type {any} */ (globalThis); // ServiceWorkerGlobalScope, of another library of types than pages have

worker.addEventListener("push", (/** @type {any} */ event) => {
  /** @type {Told} */
  const { title, body, tag, task_id } = event.data.json();
  // A page out of view shows the same under this tag: there is one of them.
  event.waitUntil(worker.registration.showNotification(title, { body, tag, data: { task_id } }));
});

worker.addEventListener("notificationclick", (/** @type {any} */ event) => {
  event.notification.close();
  event.waitUntil(open(addressOf(event.notification.data.task_id)));
});

worker.addEventListener("pushsubscriptionchange", (/** @type {any} */ event) => {
  event.waitUntil(renew(event.oldSubscription, event.newSubscription));
});

/** The address of a task's page, which lies beside this worker's scope. @param {string} taskId */
function addressOf(taskId) {
  return new URL(`../tasks/${encodeURIComponent(taskId)}`, worker.registration.scope).href;
}

/** @param {string} address */
async function open(address) {
  const pages = await worker.clients.matchAll({ type: "window", includeUncontrolled: true });
  const page = pages.find((/** @type {any} */ { url }) => url.split("#")[0] === address);
  return page ? page.focus() : worker.clients.openWindow(address);
}

/** The browser has changed its subscription by itself. @param {any} old @param {any} renewed */
async function renew(old, renewed) {
  const subscription = renewed ?? (await worker.registration.pushManager.subscribe(old.options));
  await fetch(new URL("../push", worker.registration.scope), {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(subscription),
  });
}
