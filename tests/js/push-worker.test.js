import assert from "node:assert/strict";
import { test } from "node:test";

const handlers = new Map();
const shown = [];
const opened = [];
const posted = [];
let pages = [];

Object.assign(globalThis, {
  addEventListener: (name, handler) => handlers.set(name, handler),
  registration: {
    scope: "https://shop.example/headway/push/",
    showNotification: async (title, options) => shown.push({ title, ...options }),
    pushManager: { subscribe: async (options) => ({ endpoint: "https://push.example/new", options }) },
  },
  clients: { matchAll: async () => pages, openWindow: async (address) => opened.push(address) },
  fetch: async (address, request) => posted.push([String(address), request.method, JSON.parse(request.body).endpoint]),
});
await import("headway/push-worker.js");

async function happen(name, event) {
  let done;
  handlers.get(name)({ ...event, waitUntil: (promise) => (done = promise) });
  await done;
}

const click = () => happen("notificationclick", { notification: { close() {}, data: { task_id: "a" } } });

test("what is pushed is shown under its tag", async () => {
  const told = { title: "✓ Import", body: "Done", tag: "a succeeded", task_id: "a" };

  await happen("push", { data: { json: () => told } });

  assert.deepEqual(shown, [{ title: "✓ Import", body: "Done", tag: "a succeeded", data: { task_id: "a" } }]);
});

test("a click opens the task's page, below the path that Headway is mounted at", async () => {
  await click();

  assert.deepEqual(opened, ["https://shop.example/headway/tasks/a"]);
});

test("a click goes to the page where it is open already", async () => {
  const focused = [];
  pages = [{ url: "https://shop.example/" }, { url: "https://shop.example/headway/tasks/a#log", focus: () => focused.push("a") }];
  opened.length = 0;

  await click();

  assert.deepEqual([focused, opened], [["a"], []]);
});

test("a subscription that the browser changes is told to the server", async () => {
  await happen("pushsubscriptionchange", { oldSubscription: { options: {} } });

  assert.deepEqual(posted, [["https://shop.example/headway/push", "POST", "https://push.example/new"]]);
});
