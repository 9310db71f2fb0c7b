/**
 * Reads Markdown that comes piece by piece: CommonMark without HTML and without link definitions, with tables and
 * ~~strikethrough~~, as headway/web/pages/markdown.py shows it (tests/markdown.json holds both to it).
 *
 * What is read is a tree of the tags below, whose texts are texts: nothing of it becomes HTML, and a link leads to the
 * web or nowhere.
 */

import { inline } from "./markdown-inline.js";

/**
 * @typedef {{tag: string, attributes?: Record<string, string>, children: (Tree | string)[]}} Tree
 * @typedef {{from: number, tree: Tree}} Block with the number of its first line
 * @typedef {{lines: string[], at: number, depth: number}} Source
 */

const MAX_DEPTH = 20; // of lists and quotes within each other; what is deeper is text
const FENCE = /^( {0,3})(`{3,}(?!.*`)|~{3,})[ \t]*(\S*)/;
const HEADING = /^ {0,3}(#{1,6})(?:[ \t]+(.*?))??(?:[ \t]+#+)?[ \t]*$/;
const RULE = /^ {0,3}([-*_])[ \t]*(?:\1[ \t]*){2,}$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( {0,3})([-*+]|(\d{1,9})[.)])(?:( +)(?=\S)|[ \t]*$)/;
const UNDERLINE = /^ {0,3}(=+|-+)[ \t]*$/;
const COLUMNS = /^ {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;
const CODE = /^ {4}/;
const LEAD = /^(?:[ \t>]|(?:[-*+]|\d{1,9}[.)])(?=[ \t]))*/;
const UNDER = 2; // levels that the page's own headings take
const MAX_LEVEL = 6;

export class MarkdownText {
  #open = "";

  /**
   * Take text that follows the text before. Returns what can change no more, and what the last block is so far.
   *
   * @param {string} text
   * @returns {{done: Tree[], open: Tree[]}}
   */
  read(text) {
    const all = this.#open + text;
    const lines = all.replace(/\r\n?/g, "\n").replaceAll("\0", "\ufffd").split("\n");
    const whole = blocks(lines.slice(0, -1)); // of a line that has not ended nobody knows what it begins
    const from = whole.at(-1)?.from ?? 0;
    const isSplit = all.endsWith("\r"); // its "\n" may follow
    const rest = lines.slice(from);
    this.#open = isSplit ? `${rest.slice(0, -1).join("\n")}\r` : rest.join("\n");
    const begun = rest.at(-1) === "" ? rest.slice(0, -1) : rest;
    return { done: whole.slice(0, -1).map(({ tree }) => tree), open: blocks(begun).map(({ tree }) => tree) };
  }
}

/**
 * @param {string[]} lines
 * @param {number} [depth]
 * @returns {Block[]}
 */
function blocks(lines, depth = 0) {
  /** @type {Block[]} */
  const found = [];
  const source = { lines: lines.map(withoutTabs), at: 0, depth };
  while (source.at < lines.length) {
    const from = source.at;
    if (isBlank(source.lines[from])) source.at++;
    else found.push({ from, tree: block(source) });
  }
  return found;
}

/** @param {Source} source @returns {Tree} */
function block(source) {
  const line = source.lines[source.at];
  const nests = source.depth < MAX_DEPTH;
  if (CODE.test(line)) return indented(source);
  if (FENCE.test(line)) return fenced(source);
  const heading = HEADING.exec(line);
  if (heading) {
    source.at++;
    return headingOf(heading[1].length, heading[2] ?? "");
  }
  if (RULE.test(line)) {
    source.at++;
    return { tag: "hr", children: [] };
  }
  if (nests && QUOTE.test(line)) return quote(source);
  if (nests && ITEM.test(line)) return list(source);
  return isTable(source, source.at) ? table(source) : paragraph(source);
}

/** @param {number} level @param {string} text @returns {Tree} */
function headingOf(level, text) {
  return { tag: `h${Math.min(MAX_LEVEL, level + UNDER)}`, children: inline(text.trim()) };
}

/** @param {string} text @param {string} [language] @returns {Tree} */
function codeOf(text, language) {
  const attributes = language ? { class: `language-${language}` } : undefined;
  return { tag: "pre", children: [{ tag: "code", attributes, children: text ? [`${text}\n`] : [] }] };
}

/** @param {Source} source */
function indented(source) {
  const from = source.at;
  let end = from;
  while (source.at < source.lines.length && (CODE.test(source.lines[source.at]) || isBlank(source.lines[source.at]))) {
    if (!isBlank(source.lines[source.at++])) end = source.at;
  }
  return codeOf(source.lines.slice(from, end).map((line) => line.replace(/^ {1,4}/, "")).join("\n"));
}

/** @param {Source} source */
function fenced(source) {
  const [, indent, fence, language] = /** @type {RegExpExecArray} */ (FENCE.exec(source.lines[source.at++]));
  const end = new RegExp(`^ {0,3}${fence[0]}{${fence.length},}[ \\t]*$`);
  const margin = new RegExp(`^ {0,${indent.length}}`);
  const inside = [];
  while (source.at < source.lines.length && !end.test(source.lines[source.at])) {
    inside.push(source.lines[source.at++].replace(margin, ""));
  }
  source.at++;
  return codeOf(inside.join("\n"), language);
}

/** @param {Source} source @returns {Tree} */
function quote(source) {
  const inside = new Inside();
  for (; source.at < source.lines.length; source.at++) {
    const line = source.lines[source.at];
    if (!QUOTE.test(line) && !inside.takes(line)) break;
    inside.add(line.replace(QUOTE, ""));
  }
  return { tag: "blockquote", children: blocks(inside.lines, source.depth + 1).map(({ tree }) => tree) };
}

/** The lines within a quote or an item. */
class Inside {
  /** @type {string[]} */
  lines = [];
  #isText = false;
  #isFenced = false;

  /** @param {string} line */
  add(line) {
    this.lines.push(line);
    const isFence = FENCE.test(line);
    if (isFence) this.#isFenced = !this.#isFenced;
    this.#isText = !this.#isFenced && !isFence && !isBlank(line) && !HEADING.test(line) && !RULE.test(line);
  }

  /** Whether a line without sign or margin is more of the paragraph in it. @param {string} line */
  takes(line) {
    return this.#isText && goesOn(line) && !ITEM.test(line);
  }
}

/** @param {Source} source @returns {Tree} */
function list(source) {
  const first = /** @type {RegExpExecArray} */ (ITEM.exec(source.lines[source.at]));
  const kind = kindOf(first);
  /** @type {Tree[][]} */
  const items = [];
  let isLoose = false;
  for (let next = first; next && kindOf(next) === kind && !RULE.test(source.lines[source.at]); ) {
    const item = itemAt(source, next);
    items.push(item.trees);
    next = /** @type {RegExpExecArray} */ (ITEM.exec(source.lines[source.at] ?? ""));
    isLoose ||= item.hasGap || (item.endsBlank && Boolean(next) && kindOf(next) === kind);
  }
  const children = items.map((trees) => ({ tag: "li", children: isLoose ? trees : trees.flatMap(tight) }));
  const start = Number(first[3] ?? 1);
  const attributes = start === 1 ? undefined : { start: String(start) };
  return { tag: first[3] === undefined ? "ul" : "ol", attributes, children };
}

/** @param {Tree} tree @returns {(Tree | string)[]} */
function tight(tree) {
  return tree.tag === "p" ? tree.children : [tree];
}

/** @param {RegExpExecArray} marker */
function kindOf(marker) {
  return marker[2].slice(-1);
}

/**
 * The item that begins here, and whether blank lines stand between its blocks, or after it.
 *
 * @param {Source} source
 * @param {RegExpExecArray} marker
 */
function itemAt(source, marker) {
  const spaces = marker[4]?.length ?? 1;
  const width = marker[1].length + marker[2].length + (spaces > 4 ? 1 : spaces);
  const margin = new RegExp(`^ {${width}}`);
  const inside = new Inside();
  inside.add(source.lines[source.at++].slice(width));
  for (; source.at < source.lines.length; source.at++) {
    const line = source.lines[source.at];
    if (isBlank(line)) inside.add("");
    else if (margin.test(line)) inside.add(line.slice(width));
    else if (inside.takes(line)) inside.add(line.trimStart());
    else break;
    if (inside.lines.length === 2 && inside.lines.every(isBlank)) break; // one that begins with a blank line is empty
  }
  const { lines } = inside;
  const found = blocks(lines, source.depth + 1);
  const hasGap = found.slice(1).some(({ from }) => isBlank(lines[from - 1]));
  return { trees: found.map(({ tree }) => tree), hasGap, endsBlank: lines.length > 1 && isBlank(lines.at(-1) ?? "") };
}

/** Whether a line is more of a paragraph. @param {string} line */
function goesOn(line) {
  if (isBlank(line) || FENCE.test(line) || HEADING.test(line) || RULE.test(line) || QUOTE.test(line)) return false;
  const item = ITEM.exec(line);
  return !item || item[4] === undefined || (item[3] !== undefined && Number(item[3]) !== 1);
}

/** @param {Source} source @returns {Tree} */
function paragraph(source) {
  const { lines } = source;
  const from = source.at++;
  for (; source.at < lines.length; source.at++) {
    const underline = UNDERLINE.exec(lines[source.at]);
    if (underline) return headingOf(underline[1][0] === "=" ? 1 : 2, lines.slice(from, source.at++).join("\n"));
    if (!goesOn(lines[source.at]) || isTable(source, source.at)) break;
  }
  return { tag: "p", children: inline(lines.slice(from, source.at).join("\n").trim()) };
}

/** Whether a table's heading is here. @param {Source} source @param {number} at */
function isTable({ lines }, at) {
  const [head, columns = ""] = lines.slice(at, at + 2);
  return head.includes("|") && COLUMNS.test(columns) && cellsOf(head).length === cellsOf(columns).length;
}

/** @param {Source} source @returns {Tree} */
function table(source) {
  const { lines } = source;
  const sides = cellsOf(lines[source.at + 1]).map((cell) => {
    if (!cell.endsWith(":")) return cell.startsWith(":") ? "start" : "";
    return cell.startsWith(":") ? "center" : "end";
  });
  const row = (/** @type {string} */ line, /** @type {string} */ tag) => {
    const cells = cellsOf(line);
    const children = sides.map((side, column) => ({
      tag,
      attributes: side ? { class: side } : undefined,
      children: inline(cells[column] ?? ""),
    }));
    return { tag: "tr", children };
  };
  /** @type {Tree[]} */
  const parts = [{ tag: "thead", children: [row(lines[source.at], "th")] }];
  source.at += 2;
  const rows = [];
  while (source.at < lines.length && goesOn(lines[source.at]) && !ITEM.test(lines[source.at])) rows.push(row(lines[source.at++], "td"));
  if (rows.length) parts.push({ tag: "tbody", children: rows });
  return { tag: "table", children: parts };
}

/** @param {string} line */
function cellsOf(line) {
  const inner = line.trim().replace(/^\|/, "").replace(/(?<!\\)\|$/, "");
  return inner.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

/** @param {string} line */
function isBlank(line) {
  return !line.trim();
}

/** Among the signs that begin a line a tab leads to the next of the columns 4, 8, ... @param {string} line */
function withoutTabs(line) {
  const [lead] = /** @type {RegExpExecArray} */ (LEAD.exec(line));
  let spaced = "";
  for (const char of lead) spaced += char === "\t" ? " ".repeat(4 - (spaced.length % 4)) : char;
  return spaced + line.slice(lead.length);
}
