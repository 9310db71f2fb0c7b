import assert from "node:assert/strict";
import { test } from "node:test";

import { Server, parseSource } from "../../headway/static/js/server.js";

const PAGE = "https://www.example.com/orders/7?x=1";

test("all addresses follow from the src of a task", () => {
  const { server, name } = parseSource("task", "https://shop.example.com:8443/a/b/status/x-1", "", PAGE);

  assert.equal(name, "x-1");
  assert.equal(server.at("/tasks"), "https://shop.example.com:8443/a/b/tasks");
  assert.equal(server.origin, "https://shop.example.com:8443");
  assert.equal(server.socketAddress, "wss://shop.example.com:8443/a/b/socket.io/?EIO=4&transport=websocket");
});

test("a relative src is the page's own host's", () => {
  const { server } = parseSource("list", "/headway/tasks", "", PAGE);

  assert.equal(server.at("/tasks"), "https://www.example.com/headway/tasks");
});

test("a server at the root of its host has its websocket there", () => {
  const { server } = parseSource("list", "https://shop.example.com/tasks", "", PAGE);

  assert.equal(server.socketAddress, "wss://shop.example.com/socket.io/?EIO=4&transport=websocket");
});

test("a token goes out as a bearer, and in links", () => {
  const server = new Server("https://shop.example.com", "a b");

  assert.equal(server.headers.Authorization, "Bearer a b");
});

test("without a token none is sent", () => {
  const server = new Server("https://shop.example.com");

  assert.deepEqual(server.headers, { Accept: "application/json" });
});

for (const src of [null, "", "/status", "/status/", "/tasks/x", "https://", "javascript:/status/x", "file:///status/x"]) {
  test(`a src that names no task is said to be wrong: ${src}`, () => {
    assert.throws(() => parseSource("task", src, "", PAGE), /src must be an address that ends in \/status\/<task id>/);
  });
}
