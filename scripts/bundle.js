/**
 * Builds what pages load, and prints how large it is. In headway/static/: headway.js, the one file that any page can load,
 * headway-page.js, which Headway's own pages load in its place, and headway-streams.js, which either loads once it shows a
 * stream. In static/bundles/: the scripts and the style sheet of the reference application, and headway-streams.js for these.
 * Usage: node scripts/bundle.js
 */

import { readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";

import { build, transform } from "esbuild";

const LIBRARY = "headway/static";
const APPLICATION = "static/bundles";

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
const COMMON = {
  bundle: true,
  minify: true,
  format: "iife", // a plain script, which a page of another origin may load
  target: "es2022",
  charset: "utf8",
  logLevel: "warning",
  metafile: true,
};
/** @type {import("esbuild").BuildOptions} */
const STREAMS = { entryPoints: { "headway-streams": `${LIBRARY}/js/card-streams.js` }, format: "esm" };
/** @type {import("esbuild").BuildOptions[]} */
const BUNDLES = [
  {
    entryPoints: { headway: `${LIBRARY}/js/elements.js`, "headway-page": `${LIBRARY}/js/own-pages.js` },
    outdir: LIBRARY,
    plugins: [styles],
  },
  { ...STREAMS, outdir: LIBRARY },
  {
    entryPoints: ["static/js/app.js", "static/js/theme.js", "static/css/page.css"],
    entryNames: "[name]",
    outdir: APPLICATION,
    sourcemap: "linked", // read by a browser's developer tools alone
  },
  { ...STREAMS, outdir: APPLICATION },
];

for (const options of BUNDLES) {
  const { metafile } = await build({ ...COMMON, ...options });
  for (const path of Object.keys(metafile?.outputs ?? {}).filter((each) => !each.endsWith(".map"))) {
    const file = await readFile(path);
    const [kB, gzipped] = [file, gzipSync(file)].map(({ length }) => (length / 1000).toFixed(1));
    console.log(`${path}: ${kB} kB, ${gzipped} kB gzipped`);
  }
}
