import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { AnsiText } from "../../headway/static/js/ansi.js";

const ESC = "\x1b";
const SHEET = await readFile(new URL("../../headway/static/written.css", import.meta.url), "utf8");

/** A colour that a page may name; else it is the one that pages without scripts have. @param {number} index */
function color(index) {
  return `var(--ansi-${index}, ${SHEET.match(`--ansi-${index}: (.*?);`)?.[1]})`;
}

/** @param {string[]} texts that follow each other */
function read(...texts) {
  const reader = new AnsiText();
  return texts.flatMap((text) => reader.read(text)).map(({ text, style }) => [text, style]);
}

test("colours and faces are those of the text that follows, until they end", () => {
  assert.deepEqual(read(`a${ESC}[1;31mb${ESC}[22;44mc${ESC}[md`), [
    ["a", {}],
    ["b", { bold: true, color: color(1) }],
    ["c", { bold: false, dim: false, color: color(1), ground: color(4) }],
    ["d", {}],
  ]);
});

for (const [code, style] of [
  ["37", { color: color(7) }],
  ["97", { color: color(15) }],
  ["107", { ground: color(15) }],
  ["38;5;9", { color: color(9) }],
  ["38;5;16", { color: "rgb(0 0 0)" }],
  ["48;5;196", { ground: "rgb(255 0 0)" }],
  ["38;5;255", { color: "rgb(238 238 238)" }],
  ["38;2;1;2;3;4", { color: "rgb(1 2 3)", underline: true }],
  ["38:2::1:2:3", { color: "rgb(1 2 3)" }],
  ["4:3", { underline: true }],
  ["38;5;256", {}],
  ["38;2;1;2;999", {}],
  ["38", {}],
  ["5;6;38;99;1000", {}],
]) {
  test(`the code ${code} is read`, () => assert.deepEqual(read(`${ESC}[${code}mx`), [["x", style]]));
}

test("each of the sixteen colours is that of pages without scripts", () => {
  for (let index = 0; index < 16; index++) {
    assert.match(color(index), /light-dark\(#/);
    assert.deepEqual(read(`${ESC}[38;5;${index}mx`), [["x", { color: color(index) }]]);
  }
});

test("nothing else that a terminal would do is done or shown", () => {
  const moves = [`${ESC}[2J`, `${ESC}[10;20H`, `${ESC}[?25l`, `${ESC}[K`, `${ESC}7`, `${ESC}(B`, `${ESC}[1;2 q`];
  const strings = [`${ESC}]0;title\x07`, `${ESC}]8;;https://example.com${ESC}\\`, `${ESC}Pdata${ESC}\\`];

  const shown = read(`a${moves.join("")}${strings.join("")}b`);

  assert.deepEqual(shown.map(([text]) => text).join(""), "ab");
});

test("a sequence may come in pieces", () => {
  const whole = `a${ESC}[38;5;196mb${ESC}]0;t${ESC}\\c${ESC}(B`;
  for (let size = 1; size < whole.length; size++) {
    const pieces = whole.match(new RegExp(`[^]{1,${size}}`, "g")) ?? [];
    assert.equal(read(...pieces).map(([text]) => text).join(""), "abc");
    assert.deepEqual(read(...pieces).at(-1)?.[1], { color: "rgb(255 0 0)" });
  }
});

test("text without an end to its sequence is shown after a while", () => {
  const shown = read(`${ESC}]`, "x".repeat(2000), "y");

  assert.match(shown.map(([text]) => text).join(""), /x{2000}y$/);
});

test("all other text stays as it is", () => {
  const text = "<b>&amp;\r\n\0\t🙂";

  assert.deepEqual(read(text), [[text, {}]]);
});
