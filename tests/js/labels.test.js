import assert from "node:assert/strict";
import { after, before, mock, test } from "node:test";

import { read } from "../../headway/static/js/card-reading.js";
import { details } from "../../headway/static/js/details.js";
import { formatTime } from "../../headway/static/js/format.js";
import { normalize } from "../../headway/static/js/snapshot.js";
import { TrackedTasks } from "../../headway/static/js/tracked-tasks.js";
import { actions, failure, headline, timeLabel } from "../../headway/static/js/words.js";

/** An at-most-once effect that is no email. */
const PAYMENT = {
  starts: "charges",
  succeeded: "Charged",
  errors: { OutcomeUnknown: "The card may have been charged already." },
  again: { OutcomeUnknown: "Charge again" },
  waiting: { BankClosed: "Waiting for the bank" },
  result: { receipt: "Receipt", lines: "Lines" },
};
const AT = { now: Date.parse("2026-11-22T08:00:13.400Z"), labels: PAYMENT };

before(() => mock.timers.enable({ apis: ["Date"], now: AT.now })); // no day ends meanwhile
after(() => mock.timers.reset());

function payment(state) {
  return normalize({
    task_id: "a",
    name: "pay",
    title: "Payment of 12 €",
    version: 1,
    attempt: 1,
    max_attempts: 4,
    created_at: "2026-11-22T08:00:00.000Z",
    started_at: "2026-11-22T08:00:01.000Z",
    updated_at: "2026-11-22T08:00:01.400Z",
    ...state,
  });
}

test("a scheduled one says what will happen, and so does the field for another time", () => {
  const scheduled = payment({ phase: "scheduled", scheduled_for: "2026-11-22T08:00:43.400Z" });

  assert.equal(read(scheduled, AT).text, `charges at ${formatTime(scheduled.scheduled_for)}`);
  assert.equal(timeLabel(PAYMENT), "Charges at");
});

test("success has the label's words, and the result's named values in the details", () => {
  const result = { receipt: 1234, lines: ["coffee"], secret: "not named" };
  const charged = payment({ phase: "succeeded", status: "", result, finished_at: "2026-11-22T08:00:01.400Z" });

  assert.equal(headline(charged, PAYMENT), "Charged");
  assert.deepEqual([read(charged, AT).text, read(charged, AT).numbers], ["", "in 0.4\u202fs"]);
  const rows = Object.fromEntries(details(charged, PAYMENT));
  assert.equal(rows.Receipt, "1234");
  assert.deepEqual(JSON.parse(rows.Lines), ["coffee"]);
  assert.ok(!("Result" in rows) && !Object.values(rows).includes("not named"));
});

test("what several attempts took is not said by the last alone", () => {
  const paid = { phase: "succeeded", state: "SUCCESS", started_at: "2026-11-22T08:00:07.000Z", finished_at: "2026-11-22T08:00:07.019Z" };
  const words = (attempt, labels = {}) => {
    const { headline: first, numbers } = read(payment({ ...paid, attempt }), { ...AT, labels });
    return [first, numbers];
  };

  assert.deepEqual(words(1), ["Done in 19\u202fms", ""]);
  assert.deepEqual(words(3), ["Done", "7.0\u202fs from request to end"]);
  assert.deepEqual(words(3, { succeeded: "Charged" }), ["Charged", "7.0\u202fs from request to end"]);
});

test("a run that can go on where it was is paused, in words", () => {
  const labels = { pauses: true };
  const words = (state) => headline(payment({ current: 2, total: 5, ...state }), labels);
  const button = (phase) => actions(payment({ phase }), labels).cancel;

  assert.deepEqual(["queued", "running", "retrying", "waiting"].map(button), ["Cancel", "Pause", "Pause", "Cancel"]);
  assert.equal(words({ phase: "cancelling" }), "Pausing…");
  assert.equal(words({ phase: "cancelled", resume: { percent: 40 } }), "Paused at 40\u202f%");
  assert.equal(words({ phase: "cancelled", current: 0, total: 1, resume: { percent: 40 } }), "Paused at 40\u202f%");
  assert.equal(words({ phase: "cancelled", current: 0, total: 1, resume: { percent: null } }), "Paused");
  assert.equal(words({ phase: "cancelled", resume: null }), "Cancelled at 40\u202f%");
  assert.equal(actions(payment({ phase: "running" })).cancel, "Cancel");
});

test("what was cancelled says so once, whatever the headline is called", () => {
  const cancelled = payment({ phase: "cancelled", status: "Cancelled", current: 2, total: 5, resume: { percent: 40 } });
  const words = (labels) => read(cancelled, { ...AT, labels });

  assert.deepEqual([words({ pauses: true }).headline, words({ pauses: true }).text], ["Paused at 40\u202f%", ""]);
  assert.deepEqual([words({}).headline, words({}).text], ["Cancelled at 40\u202f%", ""]);
  assert.equal(read({ ...cancelled, status: "3 sent" }, AT).text, "3 sent");
});

test("an outcome that nobody can know is told, and run again, in the label's words", () => {
  const unknown = payment({ phase: "failed", error: { type: "OutcomeUnknown", message: "timed out" } });

  assert.equal(failure(unknown, PAYMENT), "The card may have been charged already.");
  assert.deepEqual(actions(unknown, PAYMENT), { again: "Charge again", forget: "Forget" });
  assert.match(failure(unknown), /may be done twice/);
  assert.deepEqual(actions(unknown), { again: "Retry", forget: "Forget" });
});

test("what waits for another's service counts no attempt, also when it has waited in vain", () => {
  const error = { type: "BankClosed", message: "closed until Monday" };
  const retrying = payment({ phase: "retrying", attempt: 3, failures: 3, error, scheduled_for: "2026-11-22T08:00:43.400Z" });
  const failed = payment({ phase: "failed", attempt: 3, failures: 3, error });

  assert.equal(read(retrying, AT).headline, "Waiting for the bank, next attempt in 0:30:");
  assert.equal(headline(failed, PAYMENT), "Failed");
  assert.equal(headline(failed), "Failed after 3 attempts");
});

test("a card says what it can of a snapshot of another version", () => {
  const bare = normalize({ task_id: "a" });
  const unknown = payment({ phase: "hibernating", status: "until spring" });

  assert.deepEqual([bare.title, bare.phase, bare.total], ["a", "running", null]);
  for (const snapshot of [bare, unknown, normalize({ task_id: "a", phase: "scheduled", state: "PENDING" })]) {
    const reading = read(snapshot, { now: AT.now });
    assert.doesNotMatch(Object.values(reading).join(" "), /undefined|NaN|Invalid/);
    assert.doesNotMatch(JSON.stringify(details(snapshot)), /undefined|NaN|Invalid/);
  }
  assert.equal(headline(unknown), "Hibernating");
  assert.equal(read(unknown, AT).text, "until spring");
  assert.equal(read(unknown, AT).sign, "–");
  assert.deepEqual(actions(unknown), {});
  assert.equal(headline(normalize({ task_id: "a", phase: "succeeded" })), "Done");
  assert.equal(read(normalize({ task_id: "a", phase: "queued" }), AT).text, "waiting for a worker");
});

test("a listener gets all keys of a snapshot, whichever were left out", () => {
  const tasks = new TrackedTasks();
  const seen = [];
  tasks.track("a").listeners.add((next) => seen.push(next));

  tasks.receive({ task_id: "a", version: 2, current: 9007199254740993n });

  assert.deepEqual([seen[0].title, seen[0].status, seen[0].total], ["a", "", null]);
  assert.equal(seen[0].current, 9007199254740992);
});
