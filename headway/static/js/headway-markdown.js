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
 * @typedef {Record<string, {href: string, title: string}>} Links those that the text defines, by label
 */

const MAX_CHARS = 32_768; // of a block whose emphasis and links are read, as of the server's texts; those of a longer one are text
const MAX_LINK_CHARS = 2000;
const UNDER = 2; // levels that the page's own headings take
const MAX_LEVEL = 6;
const ALIGN = /** @type {Record<string, string>} */ ({
  "text-align:left": "start", "text-align:center": "center", "text-align:right": "end",
});
// What is not shown until more follows, since that decides what it is: a line of marks alone (of a list, a heading, a
// table), one that may begin a fence, and marks at the end.
const UNDECIDED = [
  /(?<=^|\n)[ \t>*+\-=_#~|:`\d.)]+$/,
  /(?<=^|\n)[ \t>*+\-\d.)]*(?:`{3}|~{3})[^\n]*$/,
  /[*_~`\\\r]+$/,
];

const parser = parserOf();
const openParser = parserOf().disable("reference"); // a block that has not ended defines no link yet

/** The text of blocks that have ended: what it shows changes only where a link is defined later. */
export class Piece {
  /** @type {Tree[]} */
  trees = [];
  /** Whether it named a link that nothing had defined. */
  canChange = false;
  /** Labels of such links. @type {Set<string>} */
  #missed = new Set();
  #text;

  /** @param {string} text */
  constructor(text) {
    this.#text = text;
  }

  get isWhole() {
    return !this.#missed.size;
  }

  /** Whether it names one of these labels in vain. @param {Set<string>} labels */
  misses(labels) {
    return [...labels].some((label) => this.#missed.has(label));
  }

  /** @param {Links} links @returns {Set<string>} the labels that it defines */
  draw(links) {
    const defined = new Set();
    this.#missed = new Set();
    this.trees = treesOf(this.#text, parser, linksSeen(links, this.#missed, defined));
    this.canChange ||= !this.isWhole;
    return defined;
  }
}

export class MarkdownText {
  #open = "";
  /** @type {Links} */
  #links = Object.create(null);
  /** Which name what nothing has defined. @type {Piece[]} */
  #incomplete = [];
  /** Of these, which show what the last block defines, as long as the text is quiet. @type {Piece[]} */
  #provisional = [];

  /**
   * Take text that follows the text before.
   *
   * Returns what has ended, which of what had ended before is shown otherwise now, and what the last block is so far. Of
   * a text that is quiet, though more may follow, that is what it is.
   *
   * @param {string} text
   * @param {boolean} [isQuiet]
   * @returns {{done: Piece[], changed: Piece[], open: Tree[]}}
   */
  read(text, isQuiet = false) {
    const all = (this.#open + text).replace(/\r\n|\r(?!$)/g, "\n"); // at the end its "\n" may follow
    const lines = all.split("\n");
    const from = lastBlock(lines.slice(0, -1)); // of a line that has not ended nobody knows what it begins
    this.#open = lines.slice(from).join("\n");
    const done = from ? [new Piece(lines.slice(0, from).join("\n"))] : [];
    const defined = new Set(done.flatMap((piece) => [...piece.draw(this.#links)]));
    const changed = this.#incomplete.filter((piece) => this.#provisional.includes(piece) || piece.misses(defined));
    for (const piece of changed) piece.draw(this.#links);
    this.#incomplete = [...this.#incomplete, ...done].filter((piece) => !piece.isWhole);
    this.#provisional = [];
    if (!isQuiet) return { done, changed, open: treesOf(decided(this.#open), openParser, this.#links) };
    const end = new Piece(this.#open);
    const links = Object.create(this.#links);
    const atEnd = end.draw(links);
    this.#provisional = this.#incomplete.filter((piece) => piece.misses(atEnd));
    for (const piece of this.#provisional) piece.draw(links);
    return { done, changed: [...new Set([...changed, ...this.#provisional])], open: end.trees };
  }
}

/**
 * What a parser gets as the links that are known: it notes which it looks for in vain, and which it defines.
 *
 * @param {Links} links @param {Set<string>} missed @param {Set<string>} defined @returns {Links}
 */
function linksSeen(links, missed, defined) {
  return new Proxy(links, {
    get(_, /** @type {string} */ label) {
      if (!(label in links)) missed.add(label);
      return links[label];
    },
    set(_, /** @type {string} */ label, link) {
      missed.delete(label);
      defined.add(label);
      links[label] = link;
      return true;
    },
  });
}

/** Without its end where it may yet become something else. @param {string} text */
function decided(text) {
  return UNDECIDED.reduce((rest, end) => rest.replace(end, ""), text);
}

function parserOf() {
  const made = new MarkdownIt("commonmark", { html: false });
  made.enable(["table", "strikethrough"]);
  made.core.ruler.at("inline", ({ md, env, tokens }) => {
    for (const { type, content, children } of tokens) {
      if (type === "inline" && content.length <= MAX_CHARS) md.inline.parse(content, md, env, children ?? []);
    }
  });
  return made;
}

/** The number of the line with which that begins which may go on: the last block, or definition. @param {string[]} lines */
function lastBlock(lines) {
  /** @type {Token[]} */
  const tokens = [];
  parser.block.parse(lines.join("\n"), parser, {}, tokens);
  const [last, before] = tokens.filter(({ level, nesting }) => level === 0 && nesting >= 0).reverse();
  if (!last?.map) return lines.length;
  if (isDefinition(last)) return lines.at(-1)?.trim() ? last.map[0] : lines.length;
  const [first, end] = before?.map && isDefinition(before) ? before.map : [];
  return end === last.map[0] ? first : last.map[0]; // it may be the definition's title
}

/** @param {Token} token */
function isDefinition(token) {
  return token.type === "reference_definition";
}

/** @param {string} text @param {typeof parser} by @param {Links} links */
function treesOf(text, by, links) {
  return /** @type {Tree[]} */ (nested(by.parse(text, { references: links })));
}

/** @param {Token[]} tokens */
function nested(tokens) {
  /** @type {Tree} */
  const root = { tag: "", children: [] };
  const within = [root];
  for (const token of tokens) {
    const { children } = /** @type {Tree} */ (within.at(-1));
    if (token.hidden || isDefinition(token)) continue; // the paragraph of a tight item
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
