/** Where Headway lives on its host: below a path, perhaps, which a proxy takes away. */

const here = new URL("../..", import.meta.url); // from assets/js/
const root = here.protocol === "file:" ? "" : here.pathname.slice(0, -1); // a file: in tests, outside of a browser

/**
 * The address of one of Headway's paths.
 *
 * @param {string} path
 */
export function at(path) {
  return root + path;
}
