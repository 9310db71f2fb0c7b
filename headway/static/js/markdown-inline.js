/** Reads what stands within a block of Markdown: emphasis, code, links. See markdown.js. */

/** @typedef {import("./markdown.js").Tree} Tree */

/**
 * @typedef {object} Mark signs that may begin or end emphasis
 * @property {string} sign
 * @property {number} count
 * @property {boolean} opens
 * @property {boolean} closes
 *
 * @typedef {{at: number, isImage: boolean, isActive: boolean}} Bracket where it stands among the pieces
 */

const MAX_CHARS = 20_000; // of a block that is read so; a longer one is text
const MAX_LOOK_BACK = 200; // pieces, for the beginning of what ends here
const MAX_LINK_CHARS = 2000;
const SPECIAL = /[\\`*_~[\]!<&\n]/g;
const ESCAPE = /^\\([!-/:-@[-`{-~])/;
const AUTOLINK = /^<([a-z][a-z0-9+.-]{1,31}:[^\s<>]*)>/i;
const EMAIL = /^<([\w.!#$%&'*+/=?^`{|}~-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)*)>/i;
const ENTITY = /^&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|(amp|lt|gt|quot|apos|nbsp|copy|hellip|mdash|ndash));/i;
const NAMED = /** @type {Record<string, string>} */ ({
  amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0", copy: "©", hellip: "…", mdash: "—", ndash: "–",
});
/** An address in parentheses, perhaps with a title, which is not shown. */
const TARGET =
  /^\(\s*(?:<([^<>\n]*)>|((?:\\.|[^\s()\\]|\((?:\\.|[^\s()\\])*\))*))(?:\s+(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\((?:\\.|[^()\\])*\)))?\s*\)/;
const UNSAFE = /^\s*(?:javascript|vbscript|file|data):/i;

/**
 * @param {string} text
 * @returns {(Tree | string)[]}
 */
export function inline(text) {
  return text.length > MAX_CHARS ? [text] : new Reader(text).read();
}

class Reader {
  #text;
  #at = 0;
  /** @type {(Tree | string | Mark)[]} */
  #pieces = [];
  /** @type {Bracket[]} */
  #brackets = [];
  /** Lengths of backticks that no others of this length follow. @type {Set<number>} */
  #unclosed = new Set();

  /** @param {string} text */
  constructor(text) {
    this.#text = text;
  }

  read() {
    while (this.#at < this.#text.length) {
      SPECIAL.lastIndex = this.#at;
      const next = SPECIAL.exec(this.#text)?.index ?? this.#text.length;
      this.#say(this.#text.slice(this.#at, next));
      this.#at = next;
      if (next < this.#text.length) this.#special(this.#text[next]);
    }
    return emphasised(this.#pieces);
  }

  /** @param {string} text */
  #say(text) {
    if (text) this.#pieces.push(text);
  }

  /** Add a piece that so many characters make. @param {number} chars @param {Tree | string} piece */
  #add(chars, piece) {
    this.#at += chars;
    this.#pieces.push(piece);
  }

  /** @param {string} sign */
  #special(sign) {
    if (sign === "\n") return this.#newLine();
    if (sign === "\\") return this.#escape();
    if (sign === "`") return this.#code();
    if ("*_~".includes(sign)) return this.#mark(sign);
    if (sign === "[" || (sign === "!" && this.#text[this.#at + 1] === "[")) return this.#bracket(sign === "!");
    if (sign === "]") return this.#link();
    if (sign === "<") return this.#address();
    if (sign === "&") return this.#entity();
    this.#add(1, sign);
  }

  #newLine() {
    const before = this.#pieces.at(-1);
    const isBreak = typeof before === "string" && before.endsWith("  ");
    if (typeof before === "string") this.#pieces[this.#pieces.length - 1] = before.trimEnd();
    if (isBreak) this.#pieces.push({ tag: "br", children: [] });
    this.#pieces.push("\n");
    this.#at++;
    while (this.#text[this.#at] === " ") this.#at++;
  }

  #escape() {
    const found = ESCAPE.exec(this.#text.slice(this.#at, this.#at + 2));
    if (found) return this.#add(2, found[1]);
    if (this.#text[this.#at + 1] === "\n") return this.#add(1, { tag: "br", children: [] });
    this.#add(1, "\\");
  }

  #code() {
    const ticks = run(this.#text, this.#at);
    const from = this.#at + ticks;
    for (let at = from; !this.#unclosed.has(ticks); ) {
      at = this.#text.indexOf("`", at);
      if (at < 0) break;
      const found = run(this.#text, at);
      if (found === ticks) {
        const inside = this.#text.slice(from, at).replaceAll("\n", " ");
        const isPadded = inside.startsWith(" ") && inside.endsWith(" ") && inside.trim();
        return this.#add(at + ticks - this.#at, { tag: "code", children: [isPadded ? inside.slice(1, -1) : inside] });
      }
      at += found;
    }
    this.#unclosed.add(ticks);
    this.#add(ticks, "`".repeat(ticks));
  }

  /** @param {string} sign */
  #mark(sign) {
    const count = run(this.#text, this.#at);
    const before = charBefore(this.#text, this.#at);
    const after = charAt(this.#text, this.#at + count);
    const isLeft = !isSpace(after) && (!isPunctuation(after) || isSpace(before) || isPunctuation(before));
    const isRight = !isSpace(before) && (!isPunctuation(before) || isSpace(after) || isPunctuation(after));
    const isWord = sign === "_";
    const opens = isLeft && (!isWord || !isRight || isPunctuation(before));
    const closes = isRight && (!isWord || !isLeft || isPunctuation(after));
    this.#at += count;
    this.#pieces.push({ sign, count, opens, closes });
  }

  /** @param {boolean} isImage */
  #bracket(isImage) {
    this.#brackets.push({ at: this.#pieces.length, isImage, isActive: true });
    this.#add(isImage ? 2 : 1, isImage ? "![" : "[");
  }

  #link() {
    const bracket = this.#brackets.pop();
    const target = bracket?.isActive && TARGET.exec(this.#text.slice(this.#at + 1, this.#at + 1 + 2 * MAX_LINK_CHARS));
    const href = target ? unescaped(target[1] ?? target[2]) : "";
    if (!bracket || !target || UNSAFE.test(href)) return this.#add(1, "]");
    const inside = emphasised(this.#pieces.splice(bracket.at).slice(1));
    this.#at += 1 + target[0].length;
    if (bracket.isImage) return this.#pieces.push(textOf(inside)); // it would tell its server who looks
    for (const outer of this.#brackets) if (!outer.isImage) outer.isActive = false; // no link is within a link
    this.#pieces.push(linkTo(href, inside));
  }

  #address() {
    const rest = this.#text.slice(this.#at, this.#at + MAX_LINK_CHARS);
    const found = AUTOLINK.exec(rest) ?? EMAIL.exec(rest);
    if (!found || UNSAFE.test(found[1])) return this.#add(1, "<");
    this.#add(found[0].length, linkTo(found[1], [found[1]]));
  }

  #entity() {
    const found = ENTITY.exec(this.#text.slice(this.#at, this.#at + 12));
    if (!found) return this.#add(1, "&");
    const [all, decimal, hexadecimal, name] = found;
    const code = decimal ? Number(decimal) : Number.parseInt(hexadecimal, 16);
    const isCharacter = code > 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
    this.#add(all.length, name ? (NAMED[name] ?? all) : isCharacter ? String.fromCodePoint(code) : "\ufffd");
  }
}

/**
 * Pair the marks among pieces.
 *
 * @param {(Tree | string | Mark)[]} pieces
 * @returns {(Tree | string)[]}
 */
function emphasised(pieces) {
  const all = [...pieces];
  for (let at = 0; at < all.length; at++) {
    for (let closer = all[at]; isMark(closer) && closer.closes && closer.count; closer = all[at]) {
      const from = openerOf(all, at, closer);
      if (from < 0) break;
      const opener = /** @type {Mark} */ (all[from]);
      const used = opener.count > 1 && closer.count > 1 ? 2 : 1;
      const tag = closer.sign === "~" ? "s" : used === 2 ? "strong" : "em";
      all.splice(from + 1, at - from - 1, { tag, children: texts(all.slice(from + 1, at)) });
      opener.count -= used;
      closer.count -= used;
      at = from + 2;
    }
  }
  return texts(all);
}

/** @param {(Tree | string | Mark)[]} pieces @param {number} at @param {Mark} closer */
function openerOf(pieces, at, closer) {
  for (let from = at - 1; from >= Math.max(0, at - MAX_LOOK_BACK); from--) {
    const opener = pieces[from];
    if (!isMark(opener) || opener.sign !== closer.sign || !opener.opens || !opener.count) continue;
    if (closer.sign === "~") {
      if (opener.count > 1 && closer.count > 1) return from;
      continue;
    }
    const isOdd = (opener.closes || closer.opens) && (opener.count + closer.count) % 3 === 0;
    if (!isOdd || (opener.count % 3 === 0 && closer.count % 3 === 0)) return from;
  }
  return -1;
}

/** @param {(Tree | string | Mark)[]} pieces @returns {(Tree | string)[]} with unpaired marks as text */
function texts(pieces) {
  /** @type {(Tree | string)[]} */
  const all = [];
  for (const piece of pieces) {
    const next = isMark(piece) ? piece.sign.repeat(piece.count) : piece;
    const before = all.at(-1);
    if (typeof next === "string" && typeof before === "string") all[all.length - 1] = before + next;
    else if (next !== "") all.push(next);
  }
  return all;
}

/** @param {Tree | string | Mark} piece @returns {piece is Mark} */
function isMark(piece) {
  return typeof piece === "object" && "sign" in piece;
}

/** @param {(Tree | string)[]} pieces @returns {string} */
function textOf(pieces) {
  return pieces.map((piece) => (typeof piece === "string" ? piece : textOf(piece.children))).join("");
}

/** @param {string} href @param {(Tree | string)[]} children @returns {Tree} */
function linkTo(href, children) {
  const isWeb = /^https?:\/\/[^\s/?#]/i.test(href) && href.length <= MAX_LINK_CHARS && URL.canParse(href);
  return { tag: "a", attributes: isWeb ? { href, rel: "noopener noreferrer" } : undefined, children };
}

/** @param {string} text */
function unescaped(text) {
  return text.replace(/\\([!-/:-@[-`{-~])/g, "$1").replaceAll("&amp;", "&");
}

/** How often the character stands there, one after the other. @param {string} text @param {number} from */
function run(text, from) {
  let end = from + 1;
  while (text[end] === text[from]) end++;
  return end - from;
}

/** @param {string} text @param {number} at */
function charAt(text, at) {
  return at < text.length ? String.fromCodePoint(/** @type {number} */ (text.codePointAt(at))) : " ";
}

/** @param {string} text @param {number} at */
function charBefore(text, at) {
  return at > 0 ? (/[^]$/u.exec(text.slice(Math.max(0, at - 2), at))?.[0] ?? " ") : " ";
}

/** @param {string} char */
function isSpace(char) {
  return /\s/.test(char);
}

/** @param {string} char */
function isPunctuation(char) {
  return /[\p{P}\p{S}]/u.test(char);
}
