import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { MarkdownText } from "../../headway/static/js/headway-markdown.js";

const SAMPLES = JSON.parse(await readFile(new URL("../markdown.json", import.meta.url), "utf8"));
const ESCAPES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

const escaped = (text) => text.replace(/[&<>"]/g, (char) => ESCAPES[char]);

/** A tree as the server would write it. */
function html(tree) {
  if (typeof tree === "string") return escaped(tree);
  const attributes = Object.entries(tree.attributes ?? {}).map(([name, value]) => ` ${name}="${escaped(value)}"`);
  const begin = `<${tree.tag}${attributes.join("")}>`;
  return ["br", "hr"].includes(tree.tag) ? begin : `${begin}${tree.children.map(html).join("")}</${tree.tag}>`;
}

/** Without the line breaks that a page does not show. */
function shown(text) {
  const block = "(?:p|h[3-6]|ul|ol|li|blockquote|pre|table|thead|tbody|tr|th|td|hr|br)";
  return text.replaceAll(" />", ">").replaceAll("\n</code></pre>", "</code></pre>").replace(new RegExp(`\\n*(</?${block}(?: [^>]*)?>)\\n*`, "g"), "$1");
}

/** What is shown once the text has come in these pieces. */
function drawn(pieces) {
  const reader = new MarkdownText();
  const done = [];
  let open = [];
  for (const piece of pieces) {
    const found = reader.read(piece);
    done.push(...found.done);
    open = found.open;
  }
  return shown([...done, ...open].map(html).join(""));
}

for (const { text, html: wanted } of SAMPLES) {
  test(`as the server shows it: ${JSON.stringify(text.slice(0, 40))}`, () => {
    assert.equal(drawn([text]), shown(wanted));
  });

  test(`the same however it comes: ${JSON.stringify(text.slice(0, 40))}`, () => {
    const whole = drawn([text]);
    for (let at = 1; at < text.length; at++) assert.equal(drawn([text.slice(0, at), text.slice(at)]), whole, `at ${at}`);
    assert.equal(drawn([...text]), whole);
  });
}

test("what has been shown as done changes no more", () => {
  const reader = new MarkdownText();

  assert.deepEqual(reader.read("one\n\n#").done, []);
  assert.equal(reader.read(" two\n\nthree").done.map(html).join(""), "<p>one</p>");
});

test("a long text of unpaired signs takes no time that grows with its square", () => {
  for (const sign of ["*a ", "a* ", "[", "`", "``x`", "> ", "- ", "~~a", "![", "<a:", "_a*", "|", "[](", "&#"]) {
    const text = sign.repeat(20_000);
    drawn([text]);
    drawn([`${text}\n`, text]);
  }
});

test("what is within a long block stays text", () => {
  const { open } = new MarkdownText().read("*a* ".repeat(6000));

  assert.deepEqual(open, [{ tag: "p", attributes: undefined, children: ["*a* ".repeat(6000).trim()] }]);
});

test("a link's definition stays text, before and after what it defines", () => {
  assert.equal(drawn(["[a]: https://a.example\n\n", "[a] [b]\n\n", "[b]: https://b.example\n"]), "<p>[a]: https://a.example</p><p>[a] [b]</p><p>[b]: https://b.example</p>");
});

/** All elements of a tree. */
function elements(tree) {
  return typeof tree === "string" ? [] : [tree, ...tree.children.flatMap(elements)];
}

test("no link leads anywhere but to the web, and no element has what could run", () => {
  const text = [
    "[x](javascript:alert(1)) [x](JaVaScRiPt:alert(1)) [x](java\nscript:alert(1)) [x](&#106;avascript:alert(1))",
    "<javascript:alert(1)> [x](vbscript:x) [x](data:text/html,x) [x](//evil.example) [x](/tasks) [x](https:evil)",
    '[x](https://a.example/"onclick="alert(1)) [x](https://a.example "t\\" onclick=\\"alert(1)") <img src=x>',
    "![x](https://a.example/p.png) ![x](javascript:alert(1)) [x](<https://a b>) [x](\u0001javascript:alert(1))",
    '```x" onclick="alert(1)\n```',
  ].join("\n\n");
  const { done, open } = new MarkdownText().read(text);

  const found = [...done, ...open].flatMap(elements);
  const attributes = found.flatMap(({ attributes = {} }) => Object.entries(attributes));
  assert.ok(attributes.length > 2);
  for (const [name, value] of attributes) {
    assert.ok(["href", "rel", "class"].includes(name), name);
    if (name === "href") assert.match(value, /^https?:\/\/[^\s]+$/);
  }
  assert.ok(!found.some(({ tag }) => ["img", "script"].includes(tag)));
});
