import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { read } from "../../headway/static/js/reading.js";
import { Server } from "../../headway/static/js/server.js";

const SERVER = new Server("https://shop.example.com/headway", "a token");

before(() => (globalThis.location = new URL("https://www.example.com/")));
after(() => delete globalThis.location);

/** A fetch that gives one answer. */
function answering(status, body) {
  return async () => ({ ok: status < 400, status, text: async () => body });
}

/** A fetch whose answers the page may not read; `reached`: whether the server is there at all. */
function unreadable(reached) {
  return async (_, { mode }) => {
    if (mode !== "no-cors" || !reached) throw new TypeError("Failed to fetch");
  };
}

async function failure(get, server = SERVER) {
  const error = await read(server, "/tasks", get).catch((error) => error);
  return error.message;
}

test("what is asked carries the token and the cookies", async () => {
  let asked;
  const get = async (address, request) => ((asked = { address, ...request }), answering(200, "{}")());

  await read(SERVER, "/tasks", get);

  assert.equal(asked.address, "https://shop.example.com/headway/tasks");
  assert.equal(asked.headers.Authorization, "Bearer a token");
  assert.equal(asked.credentials, "include");
});

test("a server that is away, and one that lets no page of ours read it, are told apart", async () => {
  assert.equal(await failure(unreadable(false)), "https://shop.example.com/headway does not answer.");
  assert.match(await failure(unreadable(true)), /does not let pages of https:\/\/www\.example\.com read it/);
  assert.match(await failure(unreadable(true)), /HEADWAY_ALLOWED_ORIGINS/);
});

test("a server of plain http cannot be read by a page that came by https", async () => {
  assert.match(await failure(unreadable(false), new Server("http://shop.example.com")), /plain http/);
});

test("an answer that is none says what it is", async () => {
  const json = JSON.stringify({ error: { code: "unavailable", message: "Redis does not answer." } });

  assert.equal(await failure(answering(404, "")), "No Headway lives at https://shop.example.com/headway (404).");
  assert.match(await failure(answering(503, json)), /answers 503: Redis does not answer\./);
  assert.match(await failure(answering(502, "<html>Bad Gateway")), /answers 502\.$/);
  assert.match(await failure(answering(200, "<html>Welcome")), /is not Headway\.$/);
});
