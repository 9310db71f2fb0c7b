/**
 * Reads Markdown that comes piece by piece, by markdown-it with the options that headway/web/pages/markdown.py gives to its
 * port (tests/markdown.json holds both to it). It is loaded for a stream that is Markdown (see stream-drawing.js).
 *
 * What is read is a tree of the tags below, whose texts are texts: nothing of it becomes HTML, and a link leads to the
 * web or nowhere.
 */

import MarkdownIt from "markdown-it";

/**
 * @typedef {import("markdown-it").Token} Token
 * @typedef {{tag: string, attributes?: Record<string, string>, children: (Tree | string)[]}} Tree
 */

const MAX_CHARS = 20_000; // of a block whose emphasis and links are read; those of a longer one are text
const MAX_LINK_CHARS = 2000;
const UNDER = 2; // levels that the page's own headings take
const MAX_LEVEL = 6;
const ALIGN = /** @type {Record<string, string>} */ ({
  "text-align:left": "start", "text-align:center": "center", "text-align:right": "end",
});

const parser = new MarkdownIt("commonmark", { html: false });
parser.enable(["table", "strikethrough"]);
parser.disable("reference"); // a link's definition may come long after what it defines has been drawn
parser.core.ruler.at("inline", ({ md, env, tokens }) => {
  for (const { type, content, children } of tokens) {
    if (type === "inline" && content.length <= MAX_CHARS) md.inline.parse(content, md, env, children ?? []);
  }
});

export class MarkdownText {
  #open = "";

  /**
   * Take text that follows the text before. Returns what can change no more, and what the last block is so far.
   *
   * @param {string} text
   * @returns {{done: Tree[], open: Tree[]}}
   */
  read(text) {
    const all = (this.#open + text).replace(/\r\n|\r(?!$)/g, "\n"); // at the end its "\n" may follow
    const lines = all.split("\n");
    const from = lastBlock(lines.slice(0, -1)); // of a line that has not ended nobody knows what it begins
    this.#open = lines.slice(from).join("\n");
    return { done: treesOf(lines.slice(0, from).join("\n")), open: treesOf(this.#open) };
  }
}

/** The number of the line with which the last block begins. @param {string[]} lines */
function lastBlock(lines) {
  /** @type {Token[]} */
  const tokens = [];
  parser.block.parse(lines.join("\n"), parser, {}, tokens);
  return tokens.findLast(({ level, nesting }) => level === 0 && nesting >= 0)?.map?.[0] ?? lines.length;
}

/** @param {string} text */
function treesOf(text) {
  return /** @type {Tree[]} */ (nested(parser.parse(text, {})));
}

/** @param {Token[]} tokens */
function nested(tokens) {
  /** @type {Tree} */
  const root = { tag: "", children: [] };
  const within = [root];
  for (const token of tokens) {
    const { children } = /** @type {Tree} */ (within.at(-1));
    if (token.hidden) continue; // the paragraph of a tight item
    if (token.nesting < 0) within.pop();
    else if (token.nesting > 0) {
      const tree = opened(token);
      children.push(tree);
      within.push(tree);
    } else if (token.type === "inline") children.push(...(token.children?.length ? nested(token.children) : [token.content]));
    else children.push(leaf(token));
  }
  return root.children;
}

/** @param {Token} token @returns {Tree} */
function opened(token) {
  const { type, tag, attrs } = token;
  const value = (/** @type {string} */ name) => String(token.attrGet(name) ?? "");
  if (type === "link_open") return { tag: "a", attributes: linkTo(value("href")), children: [] };
  if (type === "heading_open") return { tag: `h${Math.min(MAX_LEVEL, Number(tag.slice(1)) + UNDER)}`, children: [] };
  if (type === "ordered_list_open" && attrs) return { tag, attributes: { start: value("start") }, children: [] };
  const side = ALIGN[value("style")]; // a class, since the page obeys no style of its elements
  return { tag, attributes: side ? { class: side } : undefined, children: [] };
}

/** @param {Token} token @returns {Tree | string} */
function leaf(token) {
  const { type, tag, content, info, children } = token;
  if (type === "fence" || type === "code_block") {
    const [language] = parser.utils.unescapeAll(info).trim().split(/\s/);
    const attributes = language ? { class: `language-${language}` } : undefined;
    return { tag: "pre", children: [{ tag: "code", attributes, children: [content] }] };
  }
  if (type === "softbreak") return "\n";
  if (type === "image") return parser.renderer.renderInlineAsText(children ?? [], parser.options, {}); // it would tell its server who looks
  return tag ? { tag, children: content ? [content] : [] } : content;
}

/** @param {string} href */
function linkTo(href) {
  const isWeb = /^https?:\/\/[^\s/?#]/i.test(href) && href.length <= MAX_LINK_CHARS && URL.canParse(href);
  return isWeb ? { href, rel: "noopener noreferrer" } : undefined;
}
