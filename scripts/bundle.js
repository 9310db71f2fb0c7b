/**
 * Builds headway/static/headway.js, the one file that any page can load, and beside it the licences of what it holds.
 * Usage: node scripts/bundle.js
 */

import { readFile, readdir, writeFile } from "node:fs/promises";

import { build } from "esbuild";

const OUT = "headway/static/headway.js";

const { metafile } = await build({
  entryPoints: ["headway/static/js/elements.js"],
  outfile: OUT,
  bundle: true,
  minify: true,
  format: "iife", // a plain script, which a page of another origin may load
  target: "es2022",
  charset: "utf8",
  loader: { ".css": "text" },
  banner: { js: "/* Headway. Licences of what it holds: headway.js.LICENSES.txt */" },
  metafile: true,
  logLevel: "warning",
});

const packages = Object.keys(metafile.inputs).flatMap((path) => path.match(/^node_modules\/(?:@[^/]+\/)?[^/]+/) ?? []);
const notices = await Promise.all([...new Set(packages)].sort().map(licenceOf));
await writeFile(`${OUT}.LICENSES.txt`, notices.join("\n\n"));

/** @param {string} folder of a package */
async function licenceOf(folder) {
  const file = (await readdir(folder)).find((name) => /^licen[cs]e/i.test(name));
  if (!file) throw new Error(`${folder} has no licence file`);
  return `${folder.replace("node_modules/", "")}\n\n${await readFile(`${folder}/${file}`, "utf8")}`;
}
