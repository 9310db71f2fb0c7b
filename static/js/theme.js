/** Light, dark, or as the system has it. Loaded before the first paint, so that no page flashes. */

const THEMES = /** @type {const} */ (["auto", "light", "dark"]);
const KEY = "headway-theme";

/** @typedef {typeof THEMES[number]} Theme */

/** @returns {Theme} */
function stored() {
  try {
    return THEMES.find((theme) => theme === localStorage.getItem(KEY)) ?? "auto";
  } catch {
    return "auto"; // storage may be forbidden
  }
}

/** @param {Theme} theme */
function apply(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

/**
 * Let a button go through the themes.
 *
 * @param {HTMLElement} button with a span for the theme's name
 */
export function offerThemes(button) {
  const label = /** @type {HTMLElement} */ (button.querySelector("span"));
  let theme = stored();
  const show = () => (label.textContent = button.dataset[theme] ?? theme);
  show();
  button.addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    show();
    apply(theme);
    try {
      localStorage.setItem(KEY, theme);
    } catch {
      // then it holds for this page
    }
  });
}

apply(stored());
