/**
 * Builds headway/static/headway.js, the one file that any page can load, and headway-page.js, which Headway's own pages
 * load in its place; prints how large they are.
 * Usage: node scripts/bundle.js
 */

import { readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";

import { build, transform } from "esbuild";

const FOLDER = "headway/static";

/** Style sheets become texts, without their comments and spaces. */
const styles = {
  name: "styles",
  /** @param {import("esbuild").PluginBuild} build */
  setup({ onLoad }) {
    onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await transform(await readFile(path, "utf8"), { loader: "css", minify: true });
      return { contents: code, loader: "text" };
    });
  },
};

await build({
  entryPoints: { headway: `${FOLDER}/js/elements.js`, "headway-page": `${FOLDER}/js/own-pages.js` },
  outdir: FOLDER,
  bundle: true,
  minify: true,
  format: "iife", // a plain script, which a page of another origin may load
  target: "es2022",
  charset: "utf8",
  plugins: [styles],
  logLevel: "warning",
});

for (const name of ["headway.js", "headway-page.js"]) {
  const script = await readFile(`${FOLDER}/${name}`);
  const [kB, gzipped] = [script, gzipSync(script)].map(({ length }) => (length / 1000).toFixed(1));
  console.log(`${name}: ${kB} kB, ${gzipped} kB gzipped`);
}
