import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { TaskStream } from "../../headway/static/js/task-stream.js";
import { settled } from "./fakes.js";

const encode = (text) => new TextEncoder().encode(text);
const decode = (data) => new TextDecoder().decode(data);

/** A stream as the server has it, and a viewer of it. */
function viewer(tail = Infinity) {
  const server = { text: "", epoch: 1, reads: 0 };
  const page = { text: "" };
  const read = async (offset, epoch) => {
    server.reads++;
    if (server.away) throw new Error("away");
    const from = epoch === server.epoch ? Math.min(offset, encode(server.text).length) : 0;
    return { offset: from, text: decode(encode(server.text).subarray(from)), epoch: server.epoch };
  };
  const stream = new TaskStream((text, isWhole) => (page.text = isWhole ? text : page.text + text), read, tail);
  /** Append text; returns its push. */
  const write = (text) => {
    const event = { offset: encode(server.text).length, text, epoch: server.epoch };
    server.text += text;
    return event;
  };
  /** Cut the text back, as a new attempt does. */
  const cut = (length) => {
    server.text = decode(encode(server.text).subarray(0, length));
    return { offset: length, text: "", epoch: ++server.epoch };
  };
  const end = () => ({ length: encode(server.text).length, epoch: server.epoch });
  return { server, page, stream, write, cut, end };
}

test("pushed text is drawn as it comes, each byte once, without a read", () => {
  const { server, page, stream, write } = viewer();

  const first = write("Wört 🙂\0\r\n");
  stream.take(first);
  stream.take(write("two"));
  stream.take(first);
  stream.take({ offset: 6, text: "🙂\0\r\ntwo three", epoch: 1 });

  assert.equal(page.text, "Wört 🙂\0\r\ntwo three");
  assert.equal(server.reads, 0);
});

test("what did not arrive is read, and what comes meanwhile is drawn once", async () => {
  const { server, page, stream, write } = viewer();

  stream.take(write("a🙂"));
  write(" lost");
  stream.take(write(" b"));
  stream.take(write(" c"));
  await settled();

  assert.equal(page.text, server.text);
  assert.ok(server.reads <= 2);
});

test("a late viewer reads all in one piece", async () => {
  const { server, page, stream, write, end } = viewer();
  for (let n = 0; n < 100; n++) write(`${n} `);

  stream.reach(end());
  await settled();

  assert.equal(page.text, server.text);
  assert.equal(server.reads, 1);
});

test("text that a new attempt takes back is cut, also where that was not heard", async () => {
  for (const kept of [0, 3]) {
    for (const isHeard of [true, false]) {
      const { server, page, stream, write, cut } = viewer();
      stream.take(write("abcdef"));

      const event = cut(kept);
      if (isHeard) stream.take(event);
      const missed = write("GHI");
      if (isHeard) stream.take(missed);
      stream.take(write("JKLMNO"));
      await settled();

      assert.equal(page.text, server.text);
    }
  }
});

test("a late push of text that was taken back is no news", async () => {
  const { server, page, stream, write, cut } = viewer();
  const late = write("abc");
  stream.take(late);
  stream.take(cut(0));
  stream.take(late);
  await settled();

  assert.equal(page.text, server.text);
  assert.equal(server.reads, 0);
});

test("a server that is away is asked again, and no more after the end", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const { server, page, stream, write, end } = viewer();
  write("text");
  server.away = true;
  stream.reach(end());
  await settled();
  assert.equal(page.text, "");

  server.away = false;
  mock.timers.tick(1000);
  await settled();
  assert.equal(page.text, "text");

  server.away = true;
  write("more");
  stream.reach(end());
  await settled();
  stream.stop();
  mock.timers.tick(10_000);
  assert.equal(server.reads, 3);
  mock.timers.reset();
});

test("a server that is away is asked once a second, however much is pushed", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const { server, page, stream, write } = viewer();
  server.away = true;
  write("lost,");

  for (let push = 0; push < 30; push++) {
    stream.take(write("x"));
    await settled();
  }
  assert.equal(server.reads, 1);

  server.away = false;
  mock.timers.tick(1000);
  await settled();
  assert.equal(page.text, server.text);
  assert.equal(server.reads, 2);
  mock.timers.reset();
});

test("a promise that is not kept is not asked for for ever", async () => {
  const { server, stream } = viewer();

  stream.reach({ length: 9, epoch: 1 });
  await settled();

  assert.equal(server.reads, 2);
});

test("a viewer of the end leaves out what is before it, once, and is never taken back to it", async () => {
  const { server, page, stream, write, end } = viewer(8);

  write("0123456789".repeat(100));
  stream.reach(end());
  await settled();
  assert.equal(page.text, "23456789");

  stream.take(write("ab"));
  assert.equal(page.text, "23456789ab");
  write("lost more than it reads");
  stream.take(write("!"));
  stream.reach(end());
  await settled();
  assert.equal(page.text, "t reads!");
  assert.equal(server.reads, 2);
});

test("text that is pushed while the end is read stays", async () => {
  const { page, stream, write, cut, end } = viewer(8);

  write("0123456789");
  stream.reach(end());
  stream.take(cut(0));
  stream.take(write("new"));
  await settled();
  assert.equal(page.text, "new");
});
