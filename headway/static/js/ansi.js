/**
 * Reads the colours that a program gives to a terminal (ECMA-48) out of its text. What else a
 * terminal would do is left out.
 */

/**
 * @typedef {object} Style
 * @property {string} [color] as CSS has it, also the next
 * @property {string} [ground]
 * @property {boolean} [bold]
 * @property {boolean} [dim]
 * @property {boolean} [italic]
 * @property {boolean} [underline]
 * @property {boolean} [strike]
 * @property {boolean} [inverse]
 *
 * @typedef {{text: string, style: Style}} Piece
 */

/** The sixteen colours in the light and in the dark, as written.css has them for pages without scripts. */
const PALETTE = [
  "#1c2430, #0f141b",
  "#b91c1c, #f87171",
  "#15803d, #4ade80",
  "#92600a, #fbbf24",
  "#1d4ed8, #60a5fa",
  "#a21caf, #e879f9",
  "#0e7490, #22d3ee",
  "#5b6472, #cbd5e1",
  "#6b7280, #8b97a8",
  "#dc2626, #fca5a5",
  "#166534, #86efac",
  "#854d0e, #fde68a",
  "#2563eb, #93c5fd",
  "#c026d3, #f0abfc",
  "#155e75, #67e8f9",
  "#374151, #fff",
];
const MAX_OPEN_CHARS = 1024; // of a sequence whose end may still come
/**
 * A sequence that is whole: CSI with its parameters and its final character, a string up to its
 * end, or a short one.
 */
const SEQUENCE =
  /\x1b(?:\[([0-?]*)[ -/]*([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|[ -/]*(?![[\]PX^_])[0-~])/g;
/** The beginning of one, at a text's end. */
const OPEN = /\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]*\x1b?|[PX^_][^\x1b]*\x1b?|[ -/]*)$/;

/** @type {Record<number, Style>} what a code sets */
const SETS = {
  1: { bold: true },
  2: { dim: true },
  3: { italic: true },
  4: { underline: true },
  7: { inverse: true },
  9: { strike: true },
  22: { bold: false, dim: false },
  23: { italic: false },
  24: { underline: false },
  27: { inverse: false },
  29: { strike: false },
  39: { color: undefined },
  49: { ground: undefined },
};

export class AnsiText {
  #open = "";
  /** @type {Style} */
  #style = {};

  /**
   * The pieces of a text that follows the text before.
   *
   * @param {string} text
   * @returns {Piece[]}
   */
  read(text) {
    let all = this.#open + text;
    const open = OPEN.exec(all);
    this.#open = open && open[0].length <= MAX_OPEN_CHARS ? open[0] : "";
    all = all.slice(0, all.length - this.#open.length);
    /** @type {Piece[]} */
    const pieces = [];
    let from = 0;
    for (const found of all.matchAll(SEQUENCE)) {
      this.#add(pieces, all.slice(from, found.index));
      from = found.index + found[0].length;
      if (found[2] === "m") this.#style = styleAfter(this.#style, found[1]);
    }
    this.#add(pieces, all.slice(from));
    return pieces;
  }

  /** @param {Piece[]} pieces @param {string} text */
  #add(pieces, text) {
    if (text) pieces.push({ text, style: this.#style });
  }
}

/** @param {Style} style @param {string} parameters of a sequence that ends in "m" */
function styleAfter(style, parameters) {
  const codes = parameters.split(";").flatMap((group) => numbers(group));
  let next = style;
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at];
    if (code === 38 || code === 48) {
      const [color, read] = colorAt(codes, at + 1);
      at += read;
      if (color) next = { ...next, [code === 38 ? "color" : "ground"]: color };
    } else {
      next = code === 0 ? {} : { ...next, ...(SETS[code] ?? plain(code)) };
    }
  }
  return next;
}

/**
 * The numbers of one parameter. With colons it may name a colour space, of which there is one.
 *
 * @param {string} group
 */
function numbers(group) {
  const parts = group.split(":");
  if (parts.length === 6 && parts[1] === "2") parts.splice(2, 1);
  if (parts[0] === "4") parts.splice(1); // of whatever kind the underline is
  return parts.map(Number);
}

/** One of the sixteen colours. @param {number} code @returns {Style} */
function plain(code) {
  const bright = code >= 90 ? 8 : 0;
  const at = code % 10;
  const tens = (code - at) / 10 - (bright && 6); // 90 is to 30 as 100 is to 40
  if (at > 7 || (tens !== 3 && tens !== 4)) return {};
  return { [tens === 3 ? "color" : "ground"]: variable(at + bright) };
}

/**
 * The colour that these codes name, and how many of them do.
 *
 * @param {number[]} codes
 * @param {number} at
 * @returns {[string, number]} "" for none
 */
function colorAt(codes, at) {
  if (codes[at] === 5) return [indexed(codes[at + 1]), 2];
  if (codes[at] === 2) return [rgb(codes.slice(at + 1, at + 4)), 4];
  return ["", 0];
}

/** One of 256: the sixteen, a cube of 216, and 24 greys. @param {number} index */
function indexed(index) {
  if (!(index >= 0 && index < 256)) return "";
  if (index < 16) return variable(index);
  if (index >= 232) return rgb(Array(3).fill(8 + 10 * (index - 232)));
  const cube = index - 16;
  const parts = [Math.floor(cube / 36), Math.floor(cube / 6) % 6, cube % 6];
  return rgb(parts.map((part) => (part ? 55 + 40 * part : 0)));
}

/** @param {number[]} parts */
function rgb(parts) {
  const isColor = parts.length === 3 && parts.every((part) => part >= 0 && part < 256);
  return isColor ? `rgb(${parts.join(" ")})` : "";
}

/** @param {number} index of a colour that a page may name */
function variable(index) {
  return `var(--ansi-${index}, light-dark(${PALETTE[index]}))`;
}

/**
 * The colours that keep a text readable on a page that is light or dark: a ground is a tint, and an ink that is not one
 * of the page's own is drawn towards the page's.
 *
 * @param {Style} style
 * @returns {(string | undefined)[]} of the text, and behind it
 */
function shades({ color, ground, inverse }) {
  if (inverse) return [ground ?? "var(--ground)", color ?? "var(--ink)"];
  const isOwn = !color || color.startsWith("var");
  return [
    isOwn ? color : `color-mix(in srgb, ${color} 60%, var(--ink))`,
    ground && `color-mix(in srgb, ${ground} 20%, var(--ground))`,
  ];
}

/** @param {Piece} piece @returns {Text | HTMLSpanElement} */
export function nodeOf({ text, style }) {
  const { bold, dim, italic, underline, strike } = style;
  const [ink, behind] = shades(style);
  const line = [underline && "underline", strike && "line-through"].filter(Boolean).join(" ");
  if (!ink && !behind && !bold && !dim && !italic && !line) return document.createTextNode(text);
  const span = document.createElement("span");
  span.textContent = text;
  Object.assign(span.style, {
    ...(ink && { color: ink }),
    ...(behind && { backgroundColor: behind }),
    ...(bold && { fontWeight: "bold" }),
    ...(dim && { opacity: "0.7" }),
    ...(italic && { fontStyle: "italic" }),
    ...(line && { textDecoration: line }),
  });
  return span;
}
