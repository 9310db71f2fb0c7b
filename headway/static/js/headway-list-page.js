/** `<headway-list-page>`: a list on a page of its own, whose address says what it is of, as the server's links do. */

import { ADDRESS, ListQuery } from "./list-filters.js";

export class HeadwayListPage extends HTMLElement {
  #goBack = () => {
    const list = /** @type {import("./headway-list.js").HeadwayList} */ (this.querySelector("headway-list"));
    list.tools?.ask(ADDRESS.read());
  };

  connectedCallback() {
    Object.assign(ADDRESS, { read, write });
    const asked = new URLSearchParams(location.search);
    if (asked.has("state")) { // of Celery's, which only the server takes for phases
      const phases = (this.dataset.phases ?? "").split(" ").filter(Boolean);
      history.replaceState(null, "", addressOf(new ListQuery(phases, asked.get("q") ?? "")));
    }
    addEventListener("popstate", this.#goBack);
  }

  disconnectedCallback() {
    removeEventListener("popstate", this.#goBack);
  }
}

function read() {
  const asked = new URLSearchParams(location.search);
  return new ListQuery(asked.getAll("phase"), asked.get("q") ?? "");
}

/** Reload, the back button and a second tab show what was asked for. @param {ListQuery} query */
function write(query) {
  history.pushState(null, "", addressOf(query));
}

/** @param {ListQuery} query */
function addressOf({ phases, words }) {
  const address = new URL(location.href);
  for (const name of ["phase", "state", "q", "cursor"]) address.searchParams.delete(name);
  for (const phase of phases) address.searchParams.append("phase", phase);
  if (words) address.searchParams.set("q", words);
  return address;
}
