import assert from "node:assert/strict";
import { afterEach, test } from "node:test";

import { formText, utcText } from "../../headway/static/js/form-times.js";

const ZONE = process.env.TZ;

afterEach(() => {
  if (ZONE === undefined) delete process.env.TZ;
  else process.env.TZ = ZONE;
});

for (const [zone, utc, own] of [
  ["Europe/Amsterdam", "2026-01-31T23:30", "2026-02-01T00:30"],
  ["Europe/Amsterdam", "2026-07-01T10:00:05", "2026-07-01T12:00:05"], // in summer
  ["America/New_York", "2026-01-01T03:00", "2025-12-31T22:00"],
  ["Asia/Kolkata", "2026-01-01T00:00", "2026-01-01T05:30"],
  ["UTC", "2026-01-01T00:00", "2026-01-01T00:00"],
]) {
  test(`${utc} is ${own} in ${zone}`, () => {
    process.env.TZ = zone;

    assert.equal(formText(utc), own);
    assert.equal(utcText(own), utc);
  });
}

test("no time stays none", () => {
  assert.deepEqual([formText(""), utcText(""), utcText("soon")], ["", "", "soon"]);
});
