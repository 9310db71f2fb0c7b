import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { ResumableUpload } from "headway/resumable-upload.js";

const MIB = 1024 * 1024;

let server; // what it has, and what it does
let kept;
let waits;
let heard;

/** Takes what is sent as tus servers do; `cuts` says after how many bytes the line of each request is cut. */
class FakeTus {
  offset = 0;
  size = null;
  has = false;
  cuts = [];
  refusals = [];
  asked = [];

  fetch = async (address, { method = "GET", headers }) => {
    this.asked.push(`${method} ${address}`);
    const refusal = this.refusals.shift();
    if (refusal === "no line") throw new TypeError("fetch failed");
    if (refusal) return answer(...refusal);
    if (method === "DELETE") this.has = false;
    else if (method === "POST") Object.assign(this, { has: true, offset: 0, size: Number(headers["Upload-Length"]) });
    if (!this.has) return answer(404, { error: { code: "not_found", message: "Gone." } });
    const about = { upload_id: "u", name: "a.csv", size: this.size, offset: this.offset };
    return answer(method === "POST" ? 201 : 200, about, method === "POST" ? { Location: "/uploads/u" } : {});
  };
}

function answer(status, json, headers = {}) {
  return { ok: status < 300, status, headers: new Headers(headers), text: async () => JSON.stringify(json) };
}

class FakeRequest extends EventTarget {
  upload = new EventTarget();
  status = 0;
  responseText = "";
  headers = {};

  open(method, address) {
    this.what = `${method} ${address}`;
  }

  setRequestHeader(name, value) {
    this.headers[name] = value;
  }

  getResponseHeader() {
    return String(server.offset);
  }

  send(piece) {
    server.asked.push(`${this.what} from ${this.headers["Upload-Offset"]}`);
    assert.equal(Number(this.headers["Upload-Offset"]), server.offset);
    const cut = server.cuts.shift();
    server.offset += cut ?? piece.size;
    if (cut !== "held") this.end(cut === undefined ? 204 : 0);
    else server.offset = 0;
  }

  end(status) {
    this.status = status;
    queueMicrotask(() => this.dispatchEvent(new Event("loadend")));
  }

  abort() {
    this.end(0);
  }
}

beforeEach(() => {
  server = new FakeTus();
  kept = new Map();
  waits = [];
  heard = new EventTarget();
  Object.assign(globalThis, {
    fetch: server.fetch,
    XMLHttpRequest: FakeRequest,
    location: { href: "https://shop.example/start/import" },
    addEventListener: heard.addEventListener.bind(heard),
    localStorage: {
      getItem: (key) => kept.get(key) ?? null,
      setItem: (key, value) => kept.set(key, value),
      removeItem: (key) => kept.delete(key),
    },
  });
});

afterEach(() => {
  for (const name of ["XMLHttpRequest", "location", "addEventListener", "localStorage"]) delete globalThis[name];
});

function upload(size = 20 * MIB) {
  const file = new File([new Uint8Array(size)], "ä.csv", { lastModified: 5 });
  const wait = (why) => {
    waits.push(why);
    queueMicrotask(() => heard.dispatchEvent(new Event("online"))); // it waits no longer
  };
  return new ResumableUpload(file, "/uploads", () => {}, wait);
}

const PLACE = "https://shop.example/uploads/u";

test("a file is sent piece by piece", async () => {
  const state = await upload().run();

  assert.equal(state.upload_id, "u");
  const patches = [0, 8, 16].map((at) => `PATCH ${PLACE} from ${at * MIB}`);
  assert.deepEqual(server.asked, ["POST /uploads", ...patches]);
  assert.equal(kept.size, 0);
});

test("after a cut line it asks how much has come, and goes on there", async () => {
  server.cuts = [undefined, 5, 0];

  await upload().run();

  const at = 8 * MIB + 5;
  assert.deepEqual(server.asked.slice(2, 7), [
    `PATCH ${PLACE} from ${8 * MIB}`,
    `GET ${PLACE}`,
    `PATCH ${PLACE} from ${at}`,
    `GET ${PLACE}`,
    `PATCH ${PLACE} from ${at}`,
  ]);
  assert.deepEqual(waits, ["", ""]);
  assert.equal(server.offset, 20 * MIB);
});

test("the same file goes on after a reload, another one begins", async () => {
  server.cuts = [undefined, "held"];
  const first = upload();
  const ended = first.run().catch(() => "stopped");
  while (server.asked.length < 3) await new Promise(setImmediate);
  server.offset = 8 * MIB;
  first.stop();
  assert.equal(await ended, "stopped");
  server.asked = [];

  await upload(9 * MIB).run();
  assert.equal(server.asked[0], "POST /uploads");

  Object.assign(server, { offset: 8 * MIB, size: 20 * MIB, asked: [] });
  await upload().run();
  assert.deepEqual(server.asked.slice(0, 2), [`GET ${PLACE}`, `PATCH ${PLACE} from ${8 * MIB}`]);
});

test("what has expired begins again, and what passes is waited for", async () => {
  const busy = [503, { error: { code: "unavailable", message: "Redis is away." } }];
  kept.set("headway-upload:/uploads:ä.csv:5:5", PLACE);
  server.refusals = ["no line", busy, [502, "<html>"]];

  await upload(5).run();

  assert.deepEqual(waits, ["", "Redis is away.", "The server answers with 502.", ""]);
  assert.deepEqual(server.asked.slice(3, 6), [`GET ${PLACE}`, "POST /uploads", `PATCH ${PLACE} from 0`]);
});

for (const [status, code] of [
  [413, "too_large"],
  [403, "no_owner"],
  [503, "no_file_folder"],
]) {
  test(`a refusal that does not pass ends it: ${code}`, async () => {
    server.refusals = [[status, { error: { code, message: "No." } }]];

    await assert.rejects(upload().run(), /No\./);

    assert.equal(server.asked.length, 1);
  });
}

test("a file that cannot be read any more ends it", async () => {
  server.refusals = ["no line"];
  const file = { name: "a.csv", size: 5, lastModified: 5, slice: () => ({ arrayBuffer: () => Promise.reject(new Error()) }) };

  await assert.rejects(new ResumableUpload(file, "/uploads", () => {}, () => {}).run(), /choose it again/);
});

test("cancelled, it is deleted at the server too", async () => {
  server.cuts = ["held"];
  const one = upload();
  const ended = one.run().catch(() => "stopped");
  while (server.asked.length < 2) await new Promise(setImmediate);

  await one.cancel();

  assert.equal(await ended, "stopped");
  assert.equal(server.asked.at(-1), `DELETE ${PLACE}`);
  assert.equal(kept.size, 0);
});

test("offline, the piece that is under way is given up, and it goes on when the line is back", async () => {
  server.cuts = ["held"];
  const ended = upload(5).run();
  while (server.asked.length < 2) await new Promise(setImmediate);

  heard.dispatchEvent(new Event("offline"));

  await ended;
  assert.deepEqual(server.asked.slice(2), [`GET ${PLACE}`, `PATCH ${PLACE} from 0`]);
});
