import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { parse, print, reviver } from "../../headway/static/js/exact.js";
import { isNewer, percent, normalize } from "../../headway/static/js/snapshot.js";
import { details } from "../../headway/static/js/details.js";
import { read } from "../../headway/static/js/card-reading.js";
import { snapshot } from "./fakes.js";

/** What a browser makes of a number of JSON that is written so. */
function revived(source) {
  return reviver("", JSON.parse(source), { source });
}

test("an integer that a number would round keeps its digits", () => {
  for (const digits of ["1234567890123456789", "-1234567890123456789", "9007199254740993", "9".repeat(400)]) {
    assert.equal(String(revived(digits)), digits);
  }
});

test("whatever a number holds stays one", () => {
  for (const source of ["0", "-1", "42", "9007199254740991", "0.1", "1e300", "1e+16", "123456789012345678901.5"]) {
    assert.equal(revived(source), JSON.parse(source));
  }
  for (const other of ["text", null, true, [1], { a: 1 }]) assert.equal(reviver("", other, { source: "1" }), other);
});

test("a browser that does not tell the source rounds", () => {
  assert.equal(reviver("", 12345678901234567890, undefined), 12345678901234567890);
  assert.equal(reviver("", 12345678901234567890, {}), 12345678901234567890);
});

test("parse reads what JSON.parse does", () => {
  assert.deepEqual(parse('{"a": [1, "x", null], "version": 1790000000000001}'), {
    a: [1, "x", null],
    version: 1790000000000001,
  });
  assert.throws(() => parse("<html>"), SyntaxError);
});

test("parse asks for the digits of each integer that a number would round", () => {
  const asked = mock.method(JSON, "parse");
  const isAsked = (digits) => {
    parse(`{"version": ${digits}}`);
    return asked.mock.calls.at(-1).arguments.length === 2;
  };

  for (const digits of ["9007199254740992", "-9007199254740993", "9999999999999999", "10000000000000000", "1".repeat(400)]) {
    assert.ok(isAsked(digits), digits);
  }
  for (const digits of ["0", "-8999999999999999", "1790000000000001"]) assert.ok(!isAsked(digits), digits);
  asked.mock.restore();
});

test("long integers are printed as JSON has them, and nothing else is touched", () => {
  const value = { ids: [1234567890123456789n, 1], of: { next: -9007199254740993n }, text: '"12" \\u0000', none: null };

  assert.equal(
    print(value),
    `{
  "ids": [
    1234567890123456789,
    1
  ],
  "of": {
    "next": -9007199254740993
  },
  "text": "\\"12\\" \\\\u0000",
  "none": null
}`,
  );
});

test("the card shows all digits, in the line and in the details", () => {
  const at = { now: 0 };
  const short = snapshot("a", 1, { phase: "succeeded", status: "", result: 1234567890123456789n });
  const long = { ...short, result: { id: 1234567890123456789n, others: [9007199254740993n] } };

  assert.equal(read(short, at).text, "Result: 1234567890123456789");
  assert.match(Object.fromEntries(details(long)).Result, /"id": 1234567890123456789,[^]*\b9007199254740993\b/);
});

test("the bar's numbers are numbers whatever they came as", () => {
  const large = normalize(snapshot("a", 1, { current: 9007199254740993n, total: 90071992547409930n }));
  const unknown = normalize(snapshot("a", 2, { current: 1, total: null }));

  assert.equal(percent(large), 10);
  assert.equal(unknown.total, null);
  assert.ok(isNewer(unknown, large));
});
