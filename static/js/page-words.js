/** The words of this page's script in English; headway's catalogues hold the others. What follows `export default` is JSON. */
export default {
  "worker_hint": "Start one with: make worker",
  "resume_hint": "To go on: make resume",
  "inbox_link": "Open in inbox →",
  "away": "the server does not answer",
  "unknown": "Tasks cannot be shown just now: {why}. They appear here as soon as they can.",
  "since": "Offline: these are the tasks as of {time}.",
  "cookie_insecure": "A cookie tells which tasks are yours. Browsers keep it over https only, and this page came over plain http: open it over https.",
  "cookie_blocked": "A cookie tells which tasks are yours. This browser blocks it: allow cookies, then reload the page.",
  "workers": { "one": "1 worker", "other": "{count} workers" },
  "slots": { "one": "1 slot", "other": "{count} slots" },
  "queue": "{queued} waiting for a worker",
  "paused": "paused: see make paused",
  "untaken": "no worker takes {names}"
};
