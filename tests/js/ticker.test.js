import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { onTick } from "../../headway/static/js/ticker.js";

beforeEach(() => mock.timers.enable({ apis: ["setInterval"] }));
afterEach(() => mock.timers.reset());

test("all are called by one timer, until they stop", () => {
  const begun = mock.method(globalThis, "setInterval");
  const [first, second] = [mock.fn(), mock.fn()];
  const stops = [first, second].map(onTick);

  mock.timers.tick(250);
  stops[0]();
  mock.timers.tick(250);
  stops[1]();
  mock.timers.tick(1000);

  assert.deepEqual([first, second].map((one) => one.mock.callCount()), [1, 2]);
  assert.equal(begun.mock.callCount(), 1);
  begun.mock.restore();
});
