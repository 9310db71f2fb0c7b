/**
 * The words of cards and lists, in one place: a name in braces stands for a value, and what counts
 * one thing stands apart, under `_one`. headway/words.py reads this file too, so what follows
 * `export default` is JSON.
 */
export default {
  "signs": {
    "scheduled": "◷",
    "queued": "○",
    "running": "◐",
    "retrying": "↻",
    "waiting": "?",
    "cancelling": "◍",
    "succeeded": "✓",
    "failed": "✕",
    "cancelled": "⊘"
  },
  "unknown_sign": "–",
  "tab": { "running": "{count} running", "failed": "{count} failed", "asked": "{count} to answer" },
  "notify": "Notify me while this page is out of view",
  "push": {
    "label": "Notify this browser when no page with my tasks is open",
    "failed": "this did not work: try again",
    "unavailable": {
      "insecure": "it needs https",
      "unsupported": "this browser cannot; on an iPhone or iPad, add the page to the Home Screen first",
      "blocked": "this browser's settings block notifications"
    }
  },
  "headlines": {
    "scheduled": "Scheduled",
    "queued": "Queued",
    "running": "Running",
    "retrying": "Attempt {attempt} of {attempts}",
    "waiting": "Waiting for an answer",
    "cancelling": "Cancelling…",
    "succeeded": "Done",
    "succeeded_in": "Done in {time}",
    "failed": "Failed",
    "failed_again": "Failed after {failures} attempts",
    "parts_failed": "{failed} of {count} parts failed",
    "cancelled": "Cancelled",
    "cancelled_at": "Cancelled at {percent}",
    "cancelled_unstarted": "Cancelled before it started"
  },
  "texts": {
    "scheduled": "{starts} at {time}",
    "queued": "waiting for a worker",
    "ahead": "{count} ahead",
    "no_worker": "No worker is running.",
    "no_worker_for_queue": "No worker takes the queue {queue}.",
    "paused": "Paused: the data was restored from a backup.",
    "step": "step {index}/{count}",
    "result": "Result: {result}"
  },
  "parts": {
    "open": "{ended} of {count} parts",
    "ended": "{count} parts",
    "one": "1 part",
    "failed": "{failed} failed, first {title}",
    "waiting": "{waiting} waiting for an answer"
  },
  "numbers": {
    "waiting": "next attempt at {time}",
    "retrying": "retrying at {time}",
    "until": "until {time}",
    "succeeded_in": "in {time}"
  },
  "errors": {
    "WorkerLost": "Its worker died and no attempts remain.",
    "OutcomeUnknown": "It may have been done already. If you run it again, it may be done twice.",
    "TimeLimitExceeded": "It ran over its time limit and was ended."
  },
  "actions": {
    "now": "Run now",
    "retry_now": "Retry now",
    "change": "Change",
    "cancel": "Cancel",
    "cancel_task": "Cancel only the task",
    "cancel_all": "Cancel with {count} parts",
    "cancel_all_one": "Cancel with 1 part",
    "retry_parts": "Retry {count} failed parts",
    "retry_parts_one": "Retry the failed part",
    "again": "Run again",
    "retry": "Retry",
    "go_on": "Go on where it was",
    "go_on_at": "Go on at {percent} %",
    "start_over": "Start over",
    "forget": "Forget",
    "forget_surely": "Forget for good?",
    "answer": "Answer"
  },
  "connection": {
    "live": "Live",
    "reconnecting": "Reconnecting…",
    "polling": "Polling every {seconds} s",
    "offline": "Offline, showing {time}",
    "no_buttons": "Offline: the buttons work again as soon as the server answers."
  },
  "choice": {
    "actions": { "cancel": "Cancel", "retry": "Start again", "forget": "Forget" },
    "counted": { "cancel": "Cancel {count}", "retry": "Start again {count}", "forget": "Forget {count}" },
    "forget_surely": "Forget {count} for good?",
    "all_open": "They can be started again or forgotten once they have ended.",
    "ended": "Cancel leaves out the {count} that have ended.",
    "ended_one": "Cancel leaves out the 1 that has ended.",
    "open": "Start again and Forget leave out the {count} that have not.",
    "open_one": "Start again and Forget leave out the 1 that has not.",
    "stopping": "{count} are being cancelled already.",
    "stopping_one": "1 is being cancelled already."
  },
  "list": {
    "loading": "Loading…",
    "none": "No tasks yet.",
    "no_match": "Nothing matches.",
    "fault": "The tasks cannot be loaded: {reason}",
    "older": "Show older",
    "filters": "Show",
    "search": "Search…",
    "search_label": "Search tasks",
    "chosen": "Chosen tasks",
    "choose": "Choose {title}"
  },
  "refusals": {
    "final": "It has ended already.",
    "not_final": "It has not ended yet.",
    "not_waiting": "It is no longer waiting.",
    "answered": "It has been answered already.",
    "not_asked": "It does not ask this any more.",
    "not_found": "It has expired or belongs to someone else."
  },
  "unreached": "The server does not answer. Nothing is lost: try again in a moment.",
  "left": { "time": "~{time} left", "range": "~{from}–{to} left", "overdue": "longer than usual" },
  "starts": "starts",
  "forgotten": "This task was forgotten.",
  "missing": "This task has expired or belongs to someone else."
};
