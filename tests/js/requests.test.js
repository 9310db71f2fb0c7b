import assert from "node:assert/strict";
import { afterEach, mock, test } from "node:test";

import { Refused, newKey, post, reason } from "../../headway/static/js/requests.js";

afterEach(() => mock.restoreAll());

/** The server's answer to all that is asked; returns the requests. */
function answers(status, body) {
  const text = async () => (typeof body === "string" ? body : JSON.stringify(body));
  const fetched = mock.method(globalThis, "fetch", async () => ({ ok: status < 400, status, text }));
  return () => fetched.mock.calls.map(({ arguments: [address, request] }) => ({ address, ...request }));
}

async function refusal(...request) {
  return post(...request).then(() => assert.fail("not refused"), (error) => error);
}

test("a form goes as a form, an object as JSON, and either with its key", async () => {
  const requests = answers(202, { task_id: "a" });

  assert.deepEqual(await post("/", { body: new URLSearchParams({ email: "a@b.c" }), key: "k" }), { task_id: "a" });
  await post("/tasks/a/schedule", { body: { countdown: 0 } });
  await post("/tasks/a/cancel");

  const [form, json, bare] = requests();
  assert.equal(String(form.body), "email=a%40b.c");
  assert.deepEqual(form.headers, { Accept: "application/json", "Idempotency-Key": "k" });
  assert.equal(json.body, '{"countdown":0}');
  assert.deepEqual(json.headers, { Accept: "application/json", "Content-Type": "application/json" });
  assert.deepEqual([bare.method, bare.body, bare.headers], ["POST", undefined, { Accept: "application/json" }]);
});

test("a refusal says in one sentence what is so", async () => {
  const sentences = {
    final: "It has ended already.",
    not_final: "It has not ended yet.",
    not_waiting: "It is no longer waiting.",
    other: "The server's words.",
  };
  for (const [code, sentence] of Object.entries(sentences)) {
    answers(409, { error: { code, message: "The server's words." } });

    const error = await refusal("/tasks/a/cancel");

    assert.ok(error instanceof Refused);
    assert.deepEqual([error.status, reason(error)], [409, sentence]);
  }
});

test("a limit that is reached says when it ends", async () => {
  const message = "At most 30 new tasks per minute. Try again in 40 seconds.";
  answers(429, { error: { code: "rate_limited", message } });

  const error = await refusal("/longtask", { body: new URLSearchParams() });

  assert.deepEqual([error.status, reason(error)], [429, message]);
});

test("a refusal of fields says what is wrong with each", async () => {
  answers(400, { error: { code: "bad_time", message: "no", fields: { eta: "Must be within a year." } } });

  assert.equal(reason(await refusal("/tasks/a/schedule")), "Must be within a year.");
});

test("no answer, and one that is not Headway's, are the server's silence and no refusal", async () => {
  mock.method(globalThis, "fetch", () => Promise.reject(new TypeError("network")));
  const cut = await refusal("/tasks/a/cancel");
  mock.restoreAll();
  answers(502, "<html>");
  const proxy = await refusal("/tasks/a/cancel");

  for (const error of [cut, proxy]) {
    assert.ok(!(error instanceof Refused));
    assert.match(reason(error), /^The server does not answer\. Nothing is lost/);
  }
});

test("each wish has a key of its own", () => {
  assert.match(newKey(), /^[0-9a-f]{32}$/);
  assert.notEqual(newKey(), newKey());
});

test("an integer that a number would round is sent as it came", async () => {
  const requests = answers(200, {});

  await post("/tasks/a/answer", { body: { value: 123456789012345678n, words: ["\u0000 1"] } });

  assert.equal(requests()[0].body, '{"value":123456789012345678,"words":["\\u0000 1"]}');
});
