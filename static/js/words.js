/** The words of this page's script in the page's language. */

import "headway/language.js"; // before this, so that the page's words are there
import WORDS from "headway/card-words.js";

import ENGLISH from "./page-words.js";

const own = /** @type {{app?: Partial<typeof ENGLISH>}} */ (WORDS).app;

export default { ...ENGLISH, ...own };
