/** While the application is developed: an open page says why edited code cannot be loaded. */

const POLL_MS = 500;

const notice = /** @type {HTMLElement} */ (document.querySelector("#code-problem"));
const text = /** @type {HTMLElement} */ (notice.querySelector("pre"));

async function look() {
  if (document.hidden) return;
  const answer = await fetch(notice.dataset.src ?? "").catch(() => null); // it restarts
  if (!answer?.ok) return;
  const { problem } = await answer.json();
  if (problem !== text.textContent) text.textContent = problem;
  notice.hidden = !problem;
}

async function watch() {
  await look();
  setTimeout(watch, POLL_MS);
}

document.addEventListener("visibilitychange", look);
void watch();
