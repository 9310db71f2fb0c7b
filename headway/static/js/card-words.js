/**
 * The words of cards and lists, in one place: a name in braces stands for a value. What counts
 * things has a text for each plural form of the language (Intl.PluralRules), "other" at least.
 * headway/display/languages.py reads this file too, so what follows `export default` is JSON. It is
 * English; language.js puts another language's words in their places.
 */
export default {
  "language": "en",
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
      "blocked": "this browser's settings block notifications: allow them for this site, and reload the page"
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
    "cancelled_unstarted": "Cancelled before it started",
    "pausing": "Pausing…",
    "paused": "Paused",
    "paused_at": "Paused at {percent}"
  },
  "leads": {
    "retrying": "{headline} {countdown}",
    "waiting": "{headline}, next attempt {countdown}",
    "plain": "{headline}:"
  },
  "countdown": {
    "in": "in {time}",
    "days": { "one": "in 1 day", "other": "in {count} days" },
    "now": "at any moment"
  },
  "texts": {
    "scheduled": "{starts} at {time}",
    "queued": "waiting for a worker",
    "ahead": "{count} ahead",
    "no_worker": "No worker is running.",
    "no_worker_for_queue": "No worker takes the queue {queue}.",
    "paused": "Paused: the data was restored from a backup.",
    "step": "step {index}/{count}",
    "result": "Result: {result}",
    "rows": { "one": "1 row", "other": "{count} rows" }
  },
  "parts": {
    "open": "{ended} of {count} parts",
    "ended": { "one": "1 part", "other": "{count} parts" },
    "failed": "{failed} failed, first {title}",
    "waiting": "{waiting} waiting for an answer"
  },
  "numbers": {
    "waiting": "next attempt at {time}",
    "retrying": "retrying at {time}",
    "until": "until {time}",
    "elapsed": "{time} elapsed",
    "succeeded_in": "in {time}",
    "in_all": "{time} from request to end"
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
    "pause": "Pause",
    "cancel_task": "Cancel only the task",
    "cancel_all": { "one": "Cancel with 1 part", "other": "Cancel with {count} parts" },
    "retry_parts": { "one": "Retry the failed part", "other": "Retry {count} failed parts" },
    "sure": "{words}?",
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
    "device": "This device is offline.",
    "no_buttons": "Offline: the buttons work again as soon as the server answers."
  },
  "choice": {
    "actions": { "cancel": "Cancel", "retry": "Run again", "forget": "Forget" },
    "counted": { "cancel": "Cancel {count}", "retry": "Run {count} again", "forget": "Forget {count}" },
    "forget_surely": "Forget {count} for good?",
    "all_open": "They can be started again or forgotten once they have ended.",
    "ended": {
      "one": "Cancel leaves out the 1 that has ended.",
      "other": "Cancel leaves out the {count} that have ended."
    },
    "open": {
      "one": "Run again and Forget leave out the 1 that has not.",
      "other": "Run again and Forget leave out the {count} that have not."
    },
    "stopping": {
      "one": "1 is being cancelled already.",
      "other": "{count} are being cancelled already."
    },
    "all": "All on this page",
    "number": "{count} chosen",
    "done": {
      "cancel": "{count} cancelled.",
      "retry": "{count} started again.",
      "forget": "{count} forgotten."
    }
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
    "choose": "Choose {title}",
    "phases": {
      "all": "All",
      "running": "Running",
      "waiting": "Waiting",
      "retrying": "Retrying",
      "queued": "Queued",
      "scheduled": "Scheduled",
      "failed": "Failed",
      "succeeded": "Done",
      "cancelled": "Cancelled"
    }
  },
  "card": {
    "title": "Task",
    "sending": "Sending request…",
    "fault": "Cannot be loaded:",
    "no_source": "This cannot be shown: {reason}",
    "more": "Details",
    "more_of": "Details of {title}",
    "show_all": "Show all ({size})",
    "show_table": "Show the table",
    "more_files": "{count} more",
    "follow": "Follow",
    "output": "Output {name}",
    "yes": "Yes",
    "no": "No",
    "started_again": "Started again, as {task}.",
    "new_task": "a new task",
    "continued": "Continued as another task →"
  },
  "details": {
    "result": "Result",
    "error": "Error",
    "attempts": "Attempts",
    "failed_attempts": "Failed attempts",
    "of_attempts": "{failures} of {attempts}",
    "requested": "Requested",
    "started": "Started",
    "last_started": "Last attempt started",
    "finished": "Finished",
    "task": "Task"
  },
  "time_form": {
    "label": "{starts} at",
    "save": "Save",
    "save_of": "Save the new time of {title}"
  },
  "form": {
    "offline": "Offline: the form can be sent as soon as the server answers.",
    "in_utc": "In UTC",
    "in_own_zone": "In your time zone",
    "goes_on": "{why} The upload goes on by itself.",
    "unreached": "The server cannot be reached.",
    "unconnected": "You are offline.",
    "unreadable": "The file has been changed or moved: choose it again.",
    "cancelled": "The upload is cancelled.",
    "too_large": "This file is too large: it may have {size}.",
    "uploading": "Uploading…",
    "uploaded": "Uploaded."
  },
  "page": {
    "copied": "Copied",
    "gap": "Lines up to {line} have been dropped.",
    "line": "Line {line}",
    "ended": "Ended",
    "writing": "Being written",
    "reached": "{reached} after {time}",
    "fastest": "at most {rate}"
  },
  "date": "{day} {month} {year}",
  "months": {
    "1": "Jan",
    "2": "Feb",
    "3": "Mar",
    "4": "Apr",
    "5": "May",
    "6": "Jun",
    "7": "Jul",
    "8": "Aug",
    "9": "Sep",
    "10": "Oct",
    "11": "Nov",
    "12": "Dec"
  },
  "refusals": {
    "final": "It has ended already.",
    "not_final": "It has not ended yet.",
    "not_waiting": "It is no longer waiting.",
    "answered": "It has been answered already.",
    "not_asked": "It does not ask this any more.",
    "not_found": "It has expired or belongs to someone else."
  },
  "reading": {
    "the_server": "The server",
    "away": "{server} does not answer.",
    "insecure": "{server} is reached by plain http, which browsers refuse to a page that came by https.",
    "forbidden": "{server} does not let pages of {origin} read it: there, HEADWAY_ALLOWED_ORIGINS must name that origin, or no Headway lives at this address.",
    "nothing": "No Headway lives at {server} (404).",
    "answers": "{server} answers {status}.",
    "says": "{server} answers {status}: {message}",
    "not_headway": "What answers at {server} is not Headway."
  },
  "unreached": "The server does not answer. Nothing is lost: try again in a moment.",
  "left": { "time": "~{time} left", "range": "~{from}–{to} left", "overdue": "longer than usual" },
  "starts": "starts",
  "forgotten": "This task was forgotten.",
  "link_ended": "This link has expired or was withdrawn, or the task is no longer kept.",
  "missing": "This task has expired or belongs to someone else."
};
