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

/** A page that text comes to: what it shows, as its drawing has it. */
class Page {
  #reader = new MarkdownText();
  #done = [];
  #open = [];

  add(text, isClosed = false) {
    const { done, open } = this.#reader.read(text, isClosed);
    this.#done.push(...done);
    this.#open = open;
    return this;
  }

  get trees() {
    return [...this.#done.flatMap(({ trees }) => trees), ...this.#open];
  }

  get html() {
    return shown(this.trees.map(html).join(""));
  }
}

/** What is shown once the text has come in these pieces, and is closed. */
function drawn(pieces) {
  const page = new Page();
  for (const piece of pieces) page.add(piece);
  return page.add("", true).html;
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
  const pieces = (text) => reader.read(text).done.map(({ trees }) => trees.map(html).join(""));

  assert.deepEqual(pieces("one\n\n#"), []);
  assert.deepEqual(pieces(" two\n\nthree"), ["<p>one</p>"]);
});

test("a long text of unpaired signs takes no time that grows with its square", () => {
  for (const sign of ["*a ", "a* ", "[", "`", "``x`", "> ", "- ", "~~a", "![", "<a:", "_a*", "|", "[](", "&#"]) {
    const text = sign.repeat(20_000);
    drawn([text]);
    drawn([`${text}\n`, text]);
  }
});

test("what is within a long block stays text", () => {
  const { open } = new MarkdownText().read("*a* ".repeat(9000), true);

  assert.deepEqual(open, [{ tag: "p", attributes: undefined, children: ["*a* ".repeat(9000).trim()] }]);
});

test("a link that is defined later leads there once its definition has ended, and what names no link changes no more", () => {
  const page = new Page().add("[a] and [b]\n\nmore\n\n");
  assert.equal(page.html, "<p>[a] and [b]</p><p>more</p>");

  page.add("[a]: https://a.ex");
  assert.equal(page.html, "<p>[a] and [b]</p><p>more</p><p>[a]: https://a.ex</p>");
  page.add("ample\n\n");
  assert.equal(page.html, '<p><a href="https://a.example" rel="noopener noreferrer">a</a> and [b]</p><p>more</p>');

  page.add("[A]: https://other.example\n\n"); // the first one counts
  assert.equal(page.html, '<p><a href="https://a.example" rel="noopener noreferrer">a</a> and [b]</p><p>more</p>');
});

test("what the last line of a closed text defines counts until more follows", () => {
  const page = new Page().add("[a]\n\n[a]: https://a.example", true);
  const link = (href) => `<p><a href="${href}" rel="noopener noreferrer">a</a></p>`;
  assert.equal(page.html, link("https://a.example"));

  page.add("/more");
  assert.equal(page.html, "<p>[a]</p><p>[a]: https://a.example/more</p>");
  assert.equal(page.add("", true).html, link("https://a.example/more"));
});

test("only what changes is told of what has been shown", () => {
  const reader = new MarkdownText();
  const [first] = reader.read("[a]\n\none\n").done;
  const [second] = reader.read("\n[b]\n\ntwo\n").done;

  assert.deepEqual(reader.read("\n[b]: https://b.example\n\nthree\n").changed, [second]);
  assert.deepEqual(reader.read("\n[c]: https://c.example\n\nfour\n").changed, []);
  assert.deepEqual(reader.read("\n[A]: https://a.example", true).changed, [first]);
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
  const found = new Page().add(text, true).trees.flatMap(elements);
  const attributes = found.flatMap(({ attributes = {} }) => Object.entries(attributes));
  assert.ok(attributes.length > 2);
  for (const [name, value] of attributes) {
    assert.ok(["href", "rel", "class"].includes(name), name);
    if (name === "href") assert.match(value, /^https?:\/\/[^\s]+$/);
  }
  assert.ok(!found.some(({ tag }) => ["img", "script"].includes(tag)));
});

/** Numbers from 0 to below 1, the same each time (mulberry32). */
function numbers(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const MARKS = [
  "a", "b c", "\n", "\n\n", "- ", "* ", "1. ", "2) ", "> ", "# ", "###", "```\n", "~~~sh\n", "    ", "  ", "`", "``", "*", "**", "_", "~~", "\\", "|", "|-|-|\n",
  "---\n", "===\n", "\t", "[x](https://x.example)", "[a]", "[b]: ", "[a]: https://a.example", "[a]: /u|v\n", "[b]: https://b.example \"t", '"', "'", "(t)", "[", "](", "]: ", "!", "&amp;", "\r\n", "  \n",
];

test("however a text comes, at its end it is shown as when it comes at once", () => {
  const next = numbers(14);
  const any = (list) => list[Math.floor(next() * list.length)];
  for (let count = 0; count < 1500; count++) {
    const text = Array.from({ length: 2 + Math.floor(next() * 24) }, () => any(MARKS)).join("");
    const whole = drawn([text]);
    assert.equal(drawn([...text]), whole, JSON.stringify(text));
    const at = Math.floor(next() * text.length);
    const closedBetween = new Page().add(text.slice(0, at), true).add(text.slice(at)).add("", true);
    assert.equal(closedBetween.html, whole, `${JSON.stringify(text)} at ${at}`);
  }
});

/** What each word of a tree is within, by word. */
function placesOf(trees, within = "", found = new Map()) {
  for (const tree of trees) {
    if (typeof tree !== "string") placesOf(tree.children, `${within} ${tree.tag}`, found);
    else for (const [word] of tree.matchAll(/w\d+z/g)) found.set(word, within);
  }
  return found;
}

const BLOCKS = [
  (w) => `${w} **${w}** and *${w}* ~~${w}~~ \`${w}\` __${w}__ _${w}_ ***${w}*** snake_${w}_case`, (w) => `# ${w}`, (w) => `${w}\n===`, (w) => `${w}\n---`,
  (w) => `- ${w}\n- **${w}** ${w}\n  1. ${w}\n  2. ${w}`, (w) => `${w}:\n- ${w}\n- ${w}`, (w) => `${w}:\n1. ${w}\n2. ${w} 3.5`, (w) => `12 ${w}\n3.14 ${w}`, (w) => `> ${w}\n> ${w}`,
  (w) => `\`\`\`py\n${w}\n- ${w}\n\`\`\``, (w) => `\`\`\`${w}\`\`\` ${w}`, (w) => `| ${w} | ${w} |\n|---|:-:|\n| **${w}** | ${w} |`, (w) => `***\n**${w}**\n* * *`, (w) => `    ${w}\n    ${w}`,
  (w) => `[${w}](https://x.example) [${w}][l] ![${w}](i.png)`, () => "[l]: https://l.example 'title'", (w) => `[${w}]: https://l.example\n"${w}\n${w}`,
];

test("while a text comes, nothing goes back to where it was", () => {
  const next = numbers(15);
  for (let count = 0; count < 150; count++) {
    let words = 0;
    const word = { toString: () => `w${words++}z` };
    const blocks = Array.from({ length: 1 + Math.floor(next() * 5) }, () => BLOCKS[Math.floor(next() * BLOCKS.length)](word));
    const text = blocks.join(next() < 0.8 ? "\n\n" : "\n");
    const page = new Page();
    const seen = new Map();
    for (const piece of [...text, ""]) {
      page.add(piece, !piece);
      for (const [word, place] of placesOf(page.trees)) {
        const before = seen.get(word) ?? [];
        if (before.at(-1) !== place) seen.set(word, [...before, place]);
      }
    }
    for (const [word, places] of seen) assert.equal(new Set(places).size, places.length, `${word} was in ${places.join(" then")}: ${JSON.stringify(text)}`);
  }
});
