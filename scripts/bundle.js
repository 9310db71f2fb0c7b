/**
 * Builds what pages load, and prints how large it is. In headway/static/: headway.js, the one file that any page can load,
 * headway-page.js, which Headway's own pages load in its place, headway-streams.js, which cards load once they show a stream,
 * and headway-markdown.js for streams that are Markdown. In static/bundles/: the scripts and the style sheet of the reference
 * application, and the last two for these. Beside a bundle with packages of npm's in it stand their licences.
 * Usage: node scripts/bundle.js
 */

import { readFile, readdir, writeFile } from "node:fs/promises";
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

const WORDS = `${LIBRARY}/js/card-words.js`;
const ELSEWHERE = ["date", "form", "months", "page", "sending"]; // of these words: the server's own pages and its forms alone say them

/** A page of somebody else's loads the words of cards and lists, and no others. */
const cardWords = {
  name: "card words",
  /** @param {import("esbuild").PluginBuild} build */
  setup({ onLoad }) {
    onLoad({ filter: /\.js$/ }, async ({ path }) => {
      if (path.endsWith(WORDS)) {
        const { default: words } = await import(path);
        const own = (/** @type {string} */ key, /** @type {unknown} */ said) => (ELSEWHERE.includes(key) ? undefined : said);
        return { contents: `export default ${JSON.stringify(words, own)}` };
      }
      const contents = await readFile(path, "utf8");
      const said = ELSEWHERE.find((key) => new RegExp(`\\bWORDS\\.(\\w+\\.)?${key}\\b`).test(contents));
      if (said) throw new Error(`${path} needs words that headway.js has not: ${said}`);
      return { contents };
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
const ELEMENTS = {
  outdir: LIBRARY,
  logOverride: { "empty-import-meta": "silent" }, // a plain script has another way to its address
};
/** @type {import("esbuild").BuildOptions} */
const STREAMS = {
  entryPoints: {
    "headway-streams": `${LIBRARY}/js/card-streams.js`,
    "headway-markdown": `${LIBRARY}/js/headway-markdown.js`,
  },
  format: "esm",
  plugins: [styles],
};
/** @type {import("esbuild").BuildOptions[]} */
const BUNDLES = [
  { ...ELEMENTS, entryPoints: { headway: `${LIBRARY}/js/elements.js` }, plugins: [styles, cardWords] },
  { ...ELEMENTS, entryPoints: { "headway-page": `${LIBRARY}/js/own-pages.js` }, plugins: [styles] },
  { ...STREAMS, outdir: LIBRARY },
  {
    entryPoints: ["static/js/app.js", "static/js/theme.js", "static/css/page.css"],
    entryNames: "[name]",
    outdir: APPLICATION,
    sourcemap: "linked", // read by a browser's developer tools alone
  },
  { ...STREAMS, outdir: APPLICATION },
];

/** The names, versions and licences of the packages that these files are of. @param {string[]} paths */
async function licencesOf(paths) {
  const folders = paths.flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(path) ?? []);
  const texts = [...new Set(folders)].sort().map(async (folder) => {
    const { name, version } = JSON.parse(await readFile(`${folder}/package.json`, "utf8"));
    const file = (await readdir(folder)).find((each) => /^licen[cs]e/i.test(each));
    if (!file) throw new Error(`${name} has no licence to go with it.`);
    return `${name} ${version}\n\n${await readFile(`${folder}/${file}`, "utf8")}`;
  });
  return (await Promise.all(texts)).join(`\n${"-".repeat(80)}\n\n`);
}

for (const options of BUNDLES) {
  const { metafile } = await build({ ...COMMON, ...options });
  for (const [path, { inputs }] of Object.entries(metafile?.outputs ?? {}).filter(([each]) => !each.endsWith(".map"))) {
    const licences = await licencesOf(Object.keys(inputs));
    if (licences) await writeFile(path.replace(/\.\w+$/, ".licences.txt"), licences);
    const file = await readFile(path);
    const [kB, gzipped] = [file, gzipSync(file)].map(({ length }) => (length / 1000).toFixed(1));
    console.log(`${path}: ${kB} kB, ${gzipped} kB gzipped`);
  }
}
