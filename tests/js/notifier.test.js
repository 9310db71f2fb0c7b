import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { iconOf } from "headway/favicon.js";
import { Notifier } from "headway/notifier.js";
import { settled, snapshot } from "./fakes.js";

const ANSWER_MS = 150; // for another tab to say that it is in view

let shown;
let kept;
let opened;
let tabs;

class FakeNotification {
  static permission = "granted";
  static requestPermission = async () => FakeNotification.permission;

  constructor(title, options) {
    Object.assign(this, { title, ...options, close() {} });
    shown.push(this);
  }
}

/** Between the tabs of one process: what is posted is heard in the same turn, however slow the machine is. */
class FakeChannel {
  static #open = new Set();

  constructor(name) {
    this.name = name;
    FakeChannel.#open.add(this);
  }

  postMessage(data) {
    for (const other of FakeChannel.#open) {
      if (other !== this && other.name === this.name) queueMicrotask(() => other.onmessage({ data }));
    }
  }

  close() {
    FakeChannel.#open.delete(this);
  }
}

const RealChannel = globalThis.BroadcastChannel;

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout"] });
  shown = [];
  opened = [];
  tabs = [];
  kept = new Map([["headway-notify", "on"]]);
  FakeNotification.permission = "granted";
  browserIs("Mozilla/5.0 (X11; Linux x86_64) Chrome/150.0.0.0");
  Object.assign(globalThis, {
    BroadcastChannel: FakeChannel,
    Notification: FakeNotification,
    isSecureContext: true,
    document: { hidden: true },
    location: { href: "https://shop.example/" },
    window: { open: (address) => opened.push(address), focus: () => opened.push("focus") },
    localStorage: { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value) },
  });
});

afterEach(() => {
  mock.timers.reset();
  for (const tab of tabs) tab.stop();
  for (const name of ["Notification", "isSecureContext", "document", "location", "window", "localStorage"]) {
    delete globalThis[name];
  }
  globalThis.BroadcastChannel = RealChannel;
});

/** @param {string} userAgent */
function browserIs(userAgent) {
  Object.defineProperty(globalThis, "navigator", { value: { userAgent, languages: ["en"] }, configurable: true });
}

function open() {
  const tab = new Notifier((taskId) => `/tasks/${taskId}`);
  tabs.push(tab);
  return tab;
}

async function go(tab, ...phases) {
  for (const [index, phase] of phases.entries()) {
    tab.receive(snapshot("a", index + 1, { title: "Import", phase, status: "", error: null, question: null }));
  }
  await answered();
}

/** Let other tabs answer, and the time pass that they have for it. */
async function answered() {
  await settled();
  mock.timers.tick(ANSWER_MS);
  await settled();
}

for (const [phase, title] of [["succeeded", "Import"], ["failed", "Import"], ["waiting", "Import"]]) {
  test(`a task that is ${phase} is told of once`, async () => {
    const tab = open();

    await go(tab, "running", phase, phase);

    assert.equal(shown.length, 1);
    assert.match(shown[0].title, new RegExp(`${title}$`));
    assert.equal(shown[0].tag, `a ${phase}`);
    shown[0].onclick();
    assert.deepEqual(opened, ["/tasks/a"]);
  });
}

test("a reminder and the next question are told of, each once", async () => {
  const tab = open();
  const asked = (version, question) => tab.receive(snapshot("a", version, { title: "Import", phase: "waiting", status: "", error: null, question }));
  const first = { id: "q1", text: "Delete?", reminded_at: null };
  const reminded = { ...first, reminded_at: "2026-11-22T09:00:00.000Z" };

  tab.receive(snapshot("a", 1, { phase: "running" }));
  for (const [index, question] of [first, first, reminded, reminded, { ...first, id: "q2" }].entries()) asked(index + 2, question);
  await answered();

  assert.deepEqual(shown.map(({ tag }) => tag), ["a waiting q1", `a waiting q1 ${reminded.reminded_at}`, "a waiting q2"]);
});

test("what had ended before the page was opened is no news", async () => {
  await go(open(), "succeeded");

  assert.deepEqual(shown, []);
});

test("nothing is told while the page is in view", async () => {
  document.hidden = false;

  await go(open(), "running", "succeeded");

  assert.deepEqual(shown, []);
});

test("nothing is told while another tab is in view", async () => {
  const tab = open();
  const other = new BroadcastChannel("headway-in-view");
  other.onmessage = ({ data }) => data === "who" && other.postMessage("here");

  await go(tab, "running", "succeeded");
  other.close();

  assert.deepEqual(shown, []);
});

test("it is off until the person turns it on, and where the browser forbids it", async () => {
  kept.clear();
  await go(open(), "running", "succeeded");
  assert.deepEqual([Notifier.isOn, shown], [false, []]);

  assert.equal(await Notifier.turn(true), true);
  assert.equal(Notifier.isOn, true);
  await Notifier.turn(false);
  assert.equal(Notifier.isOn, false);

  FakeNotification.permission = "denied";
  assert.equal(await Notifier.turn(true), false);
  assert.deepEqual([Notifier.canBeOn, Notifier.isOn], [false, false]);
});

test("it is not offered where a page's own notifications are refused, whatever the permission", () => {
  browserIs("Mozilla/5.0 (Linux; Android 16; K) Chrome/150.0.0.0 Mobile");

  assert.equal(Notifier.canBeOn, false);
  assert.equal(Notifier.isOn, false);
});

test("the icon is a ring of how far a task is, and a disc of how it ended", () => {
  const half = decodeURIComponent(iconOf(snapshot("a", 1, { current: 1, total: 2 })));
  const arc = Number(/stroke-dasharray="([\d.]+)/.exec(half)?.[1]);
  const icons = ["succeeded", "failed", "cancelled", "waiting"].map((phase) => iconOf(snapshot("a", 1, { phase })));

  assert.ok(Math.abs(arc - Math.PI * 12) < 0.1);
  assert.equal(new Set(icons).size, 4);
  assert.ok(icons.every((icon) => icon.startsWith("data:image/svg+xml,") && !icon.includes("#")));
});
