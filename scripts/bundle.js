/**
 * Builds headway/static/headway.js, the one file that any page can load, and headway-page.js, which Headway's own pages
 * load in its place, and headway-streams.js, which either loads once it shows a stream; prints how large they are.
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

/** @type {import("esbuild").BuildOptions} */
const common = {
  outdir: FOLDER,
  bundle: true,
  minify: true,
  target: "es2022",
  charset: "utf8",
  plugins: [styles],
  logLevel: "warning",
};
await build({
  ...common,
  entryPoints: { headway: `${FOLDER}/js/elements.js`, "headway-page": `${FOLDER}/js/own-pages.js` },
  format: "iife", // a plain script, which a page of another origin may load
});
await build({ ...common, entryPoints: { "headway-streams": `${FOLDER}/js/card-streams.js` }, format: "esm" });

for (const name of ["headway.js", "headway-page.js", "headway-streams.js"]) {
  const script = await readFile(`${FOLDER}/${name}`);
  const [kB, gzipped] = [script, gzipSync(script)].map(({ length }) => (length / 1000).toFixed(1));
  console.log(`${name}: ${kB} kB, ${gzipped} kB gzipped`);
}
