import assert from "node:assert/strict";
import { test } from "node:test";

import { TabTitle } from "headway/tab-title.js";
import { snapshot } from "./fakes.js";

class FakePage extends EventTarget {
  title = "Orders";
  hidden = false;
  link = { href: "/own.svg" };

  querySelector() {
    return this.link;
  }

  turn(hidden) {
    this.hidden = hidden;
    this.dispatchEvent(new Event("visibilitychange"));
  }
}

function open() {
  const page = new FakePage();
  const tab = new TabTitle(page);
  const go = (id, phase, version = 1) => tab.receive(snapshot(id, version, { title: id, phase, current: 42, total: 100 }));
  return { page, tab, go };
}

test("one running task stands in the title, several are counted", () => {
  const { page, tab, go } = open();

  go("Import", "running");
  assert.match(page.title, /^\(42\s%\) Import · Orders$/);
  assert.match(page.link.href, /^data:/);
  go("Export", "running");
  assert.equal(page.title, "(2 running) Orders");
  tab.remove("Export");
  go("Import", "succeeded", 2);

  assert.deepEqual([page.title, page.link.href], ["Orders", "/own.svg"]);
});

test("what failed while nobody looked is counted until somebody looks", () => {
  const { page, go } = open();
  go("Import", "running");
  go("Export", "running");

  page.turn(true);
  go("Import", "failed", 2);
  assert.equal(page.title, "(✕ 1 failed, 1 running) Orders");
  page.turn(false);

  assert.match(page.title, /Export · Orders$/);
});

test("a question, and its reminder, are told of until somebody looks or answers", () => {
  const { page, tab, go } = open();
  const ask = (version, reminded_at) => tab.receive(snapshot("Import", version, { phase: "waiting", question: { id: "q", reminded_at } }));
  go("Import", "running");

  page.turn(true);
  ask(2, null);
  assert.equal(page.title, "(? 1 to answer) Orders");
  page.turn(false);
  page.turn(true);
  assert.equal(page.title, "Orders");
  ask(3, "2026-11-22T09:00:00.000Z");
  assert.equal(page.title, "(? 1 to answer) Orders");
  go("Import", "queued", 4);

  assert.equal(page.title, "Orders");
});

test("what failed before, or in view, is not counted", () => {
  const { page, go } = open();
  go("Import", "running");
  go("Import", "failed", 2);

  page.turn(true);
  go("Export", "failed");

  assert.equal(page.title, "Orders");
});

test("a list that is taken away gives the page its title and icon back", () => {
  const { page, tab, go } = open();
  go("Import", "running");

  tab.stop();
  page.turn(true);

  assert.deepEqual([page.title, page.link.href], ["Orders", "/own.svg"]);
});
