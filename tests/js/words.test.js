import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, mock, test } from "node:test";

import { details, showAll } from "../../headway/static/js/details.js";
import { formatDuration, formatLeft, formatRate, formatSize, formatTime } from "../../headway/static/js/format.js";
import { read as readWith } from "../../headway/static/js/card-reading.js";
import { actions, headline, timeLabel } from "../../headway/static/js/words.js";
import { serverWords } from "../../static/js/server-words.js";

const contract = JSON.parse(readFileSync(new URL("../contract.json", import.meta.url), "utf8"));
const NARROW = "\u202f";
const EMAIL = contract.labels.send_async_email;
const HINTS = { worker: "Start one with: make worker", resume: "To go on: make resume" };

// Whether a time is of today says the machine's own day, and none begins while these run.
before(() => mock.timers.enable({ apis: ["Date"], now: Date.parse("2026-11-22T08:00:00Z") }));
after(() => mock.timers.reset());

/** With what the page has: the labels of the task's registration, and its hints. */
function read(snapshot, at) {
  return readWith(snapshot, { labels: contract.labels[snapshot.name], hints: HINTS, ...at });
}

function snapshot(name) {
  return contract.snapshots.find((entry) => entry.case === name).snapshot;
}

function at(time) {
  return { now: Date.parse(time) };
}

test("a running task tells its step, count, pace and times", () => {
  const reading = read(snapshot("running in a named step"), {
    ...at("2026-11-22T08:00:22.900Z"),
    rate: 1,
    left: [12, 17],
  });

  assert.equal(reading.figure, `35${NARROW}%`);
  assert.equal(reading.headline, "");
  assert.equal(reading.text, `step 3/7 Tokenising 10${NARROW}/${NARROW}20 · batch 42`);
  assert.equal(reading.numbers, "0:21 elapsed · ~0:12–0:17 left"); // the bar and its pace are of steps
});

test("a step and a loop within another tell their own numbers once", () => {
  const time = { ...at("2026-11-22T08:00:22.900Z"), rate: 1 };

  const step = read(snapshot("running in a step without a number"), time);
  const loop = read(snapshot("running in a loop within another"), time);
  const unknown = snapshot("running in a loop within another");
  unknown.step = { ...unknown.step, total: null };

  assert.equal(step.text, "Upload");
  assert.equal(step.numbers, `7${NARROW}/${NARROW}20 · 1.0/s · 0:21 elapsed`);
  assert.equal(loop.text, `rows 3${NARROW}/${NARROW}10 · files`);
  assert.equal(loop.numbers, `2${NARROW}/${NARROW}5 · 1.0/s · 0:21 elapsed`);
  assert.equal(read(unknown, time).text, "rows 3 · files");
});

test("a task that has said nothing has no number", () => {
  const reading = read(snapshot("running, nothing said yet"), at("2026-11-22T08:00:02Z"));

  assert.equal(reading.figure, "");
  assert.equal(reading.headline, "Running");
  assert.equal(reading.numbers, "0:01 elapsed");
});

test("nothing left is said for two seconds, then that it takes longer", () => {
  const said = [1, 0.9, 0, -1, -1.01, -60].map((left) => formatLeft([left, left]));

  assert.deepEqual(said, [
    "~0:01 left",
    "~0:00 left",
    "~0:00 left",
    "~0:00 left",
    "longer than usual",
    "longer than usual",
  ]);
  assert.equal(formatLeft([-20, 4]), "~0:00–0:04 left");
});

test("an unknown total shows the count alone", () => {
  const reading = read(snapshot("running, total unknown"), at("2026-11-22T08:00:02Z"));

  assert.equal(reading.figure, "");
  assert.equal(reading.headline, "Running");
  assert.equal(reading.numbers, `1${NARROW}234 · 0:01 elapsed`);
});

test("a queued task says who is ahead, and after five seconds that no worker runs", () => {
  const queued = snapshot("queued, with tasks ahead");

  const early = read(queued, { ...at("2026-11-22T08:00:04.900Z"), workers: 0 });
  const late = read(queued, { ...at("2026-11-22T08:00:05Z"), workers: 0 });
  const busy = read(queued, { ...at("2026-11-22T08:10:00Z"), workers: 1 });
  const unknown = read(queued, { ...at("2026-11-22T08:10:00Z"), workers: null });

  assert.equal(early.text, "waiting for a worker · 2 ahead");
  assert.match(late.text, /^No worker is running.*make worker$/);
  assert.equal(busy.text, early.text);
  assert.equal(unknown.text, early.text);
});

test("a task that waits for its turn says who is ahead in its line", () => {
  const waits = { ...snapshot("queued, with tasks ahead"), status: "Waits for its turn", queue: null };

  const reading = read(waits, { ...at("2026-11-22T08:10:00Z"), workers: 1 });

  assert.equal(reading.text, "Waits for its turn · 2 ahead");
});

test("a queued task says when no worker takes its queue, however many there are", () => {
  const queued = { ...snapshot("queued, with tasks ahead"), queue: "mail" };
  const text = (queues, time = "2026-11-22T08:10:00Z") => read(queued, { ...at(time), workers: 2, queues }).text;

  const alone = { mail: { queued: 3, workers: 0 }, celery: { queued: 0, workers: 2 } };
  assert.equal(text(alone), "No worker takes the queue mail. Start one with: make worker");
  assert.equal(text(alone, "2026-11-22T08:00:04Z"), "waiting for a worker · 2 ahead");
  for (const known of [{ mail: { queued: 3, workers: 1 } }, {}, undefined]) {
    assert.equal(text(known), "waiting for a worker · 2 ahead");
  }
});

test("a queued task says that a restored Redis waits for its operator", () => {
  const queued = snapshot("queued, next");

  assert.match(read(queued, { ...at("2026-11-22T08:00:01Z"), workers: 1, paused: true }).text, /^Paused: .*make resume$/);
  assert.equal(read(queued, { ...at("2026-11-22T08:00:01Z"), workers: 1, paused: false }).text, "waiting for a worker");
});

test("the footer names queues that wait for a worker of their own", () => {
  const server = { live: true, now: null, workers: 1, slots: 4, queued: 3 };
  const words = (queues) => serverWords({ ...server, queues });

  assert.equal(words({ celery: { queued: 3, workers: 1 }, mail: { queued: 0, workers: 0 } }), "1 worker · 4 slots · 3 waiting for a worker");
  assert.equal(
    words({ celery: { queued: 1, workers: 0 }, mail: { queued: 2, workers: 0 } }),
    "1 worker · 4 slots · 3 waiting for a worker · no worker takes celery, mail",
  );
});

test("a scheduled email counts down, and not below nothing", () => {
  const scheduled = snapshot("scheduled email");

  assert.equal(read(scheduled, at("2026-10-23T08:00:12Z")).numbers, "in 30 days");
  assert.equal(read(scheduled, at("2026-11-20T08:01:01Z")).numbers, "in 47:59:59");

  assert.equal(read(scheduled, at("2026-11-22T08:00:12Z")).numbers, "in 0:48");
  assert.equal(read(scheduled, at("2026-11-22T08:02:00Z")).numbers, "at any moment");
  assert.match(read(scheduled, at("2026-11-22T08:00:12Z")).text, /^sends at /);
});

test("a retry says when and why, and when that is by the clock", () => {
  const retrying = snapshot("retrying after an error");

  const reading = read(retrying, at("2026-11-22T08:00:13.400Z"));

  assert.equal(`${reading.headline} ${reading.text}`, "Attempt 2 of 4 in 0:08: connection refused");
  assert.equal(reading.numbers, `retrying at ${formatTime(retrying.scheduled_for)}`);
  assert.equal(read(retrying, at("2026-11-22T08:01:00Z")).headline, "Attempt 2 of 4 at any moment:");
  const silent = { ...retrying, error: { ...retrying.error, message: "" } };
  assert.equal(read(silent, at("2026-11-22T08:01:00Z")).headline, "Attempt 2 of 4 at any moment");
});

test("an email that waits for its mail server counts no attempts, nor when it has waited in vain", () => {
  const waiting = snapshot("waiting for the mail server");
  const failed = snapshot("failed, the mail server took nothing");

  const reading = read(waiting, at("2026-11-22T08:00:13.400Z"));

  assert.equal(
    `${reading.headline} ${reading.text}`,
    "Waiting to send, next attempt in 0:08: The mail server closed the connection.",
  );
  assert.equal(reading.numbers, `next attempt at ${formatTime(waiting.scheduled_for)}`);
  assert.equal(read(failed, at("2026-11-23T09:00:00Z")).headline, "Failed");
  for (const each of [waiting, failed]) assert.ok(!("Attempts" in Object.fromEntries(details(each, EMAIL))));
  assert.deepEqual(actions(waiting), { now: "Retry now", cancel: "Cancel" });
});

test("a task whose worker was lost says exactly that, and also where no worker is left", () => {
  const lost = snapshot("queued, its worker lost");

  assert.equal(read(lost, { ...at("2026-11-22T08:00:20Z"), workers: 1 }).text, "Worker lost, trying again");
  assert.equal(
    read(lost, { ...at("2026-11-22T08:00:20Z"), workers: 0 }).text,
    "Worker lost, trying again · No worker is running. Start one with: make worker",
  );
});

test("ends that a person must judge are told in plain sentences, with the error itself in the details", () => {
  const said = (name) => read(snapshot(name), at("2026-11-22T09:00:00Z")).text;

  assert.equal(said("failed, its workers kept dying"), "Its worker died and no attempts remain.");
  assert.equal(
    said("failed, nobody can know"),
    "The mail server may have taken it already. If you send it again, a second email may arrive.",
  );
  assert.equal(said("failed with all counted"), "It ran over its time limit and was ended.");
  assert.equal(said("failed after four tries"), "connection refused");
  assert.match(Object.fromEntries(details(snapshot("failed, its workers kept dying"))).Error, /SIGKILL/);
  const lost = { ...snapshot("failed, its workers kept dying"), error: { type: "KeyError", message: "KeyError: 'a'" } };
  assert.equal(Object.fromEntries(details(lost)).Error, "KeyError: 'a'");
});

test("a cancelled task does not say so twice", () => {
  const cancelled = snapshot("cancelled at 37 %");

  assert.equal(read({ ...cancelled, status: "Cancelled" }, at("2026-11-22T09:00:00Z")).text, "");
  assert.equal(read({ ...cancelled, status: "expired" }, at("2026-11-22T09:00:00Z")).text, "expired");
});

test("each phase offers what can be done in it", () => {
  const offered = Object.fromEntries(contract.snapshots.map(({ case: name, snapshot }) => [name, actions(snapshot, contract.labels[snapshot.name])]));

  assert.deepEqual(offered["scheduled email"], { now: "Run now", change: "Change", cancel: "Cancel" });
  assert.deepEqual(offered["queued, next"], { cancel: "Cancel" });
  assert.deepEqual(offered["running at 42 %"], { cancel: "Cancel" });
  assert.deepEqual(offered["retrying after an error"], { now: "Retry now", cancel: "Cancel" });
  assert.deepEqual(offered["cancelling at 37 %"], {});
  assert.deepEqual(offered["succeeded with a number"], { again: "Run again", forget: "Forget" });
  assert.deepEqual(offered["failed after four tries"], { again: "Retry", forget: "Forget" });
  assert.deepEqual(offered["failed, nobody can know"], { again: "Send again", forget: "Forget" });
  assert.deepEqual(offered["cancelled at 37 %"], { again: "Run again", forget: "Forget" });
  assert.deepEqual(offered["failed after a question, saved"], { go_on: "Go on at 37 %", again: "Start over", forget: "Forget" });
  const failed = snapshot("failed after a question, saved");
  assert.equal(actions({ ...failed, resume: { percent: null } }).go_on, "Go on where it was");
});

test("another time is for sending or for starting", () => {
  assert.equal(timeLabel(EMAIL), "Sends at");
  assert.equal(timeLabel(), "Starts at");
});

test("a short result stands in the line, a longer one in the details, null nowhere", () => {
  const now = at("2026-11-22T09:00:00Z");

  assert.equal(read(snapshot("succeeded with a number"), now).text, "Task completed! · Result: 42");
  assert.equal(read(snapshot("succeeded with null"), now).text, "");
  assert.equal(read(snapshot("succeeded with an object"), now).text, "");
  const names = (name) => details(snapshot(name)).map(([label]) => label);
  assert.ok(names("succeeded with an object").includes("Result"));
  assert.ok(!names("succeeded with a number").includes("Result"));
  assert.ok(!names("succeeded with null").includes("Result"));
});

test("an accepted email shows the server's reply and its Message-ID", () => {
  const accepted = snapshot("email accepted");

  const rows = Object.fromEntries(details(accepted, EMAIL));

  assert.equal(rows["Server’s reply"], "250 OK");
  assert.equal(rows["Message-ID"], accepted.result.message_id);
  assert.equal(read(accepted, at("2026-11-22T09:00:00Z")).numbers, `in 0.4${NARROW}s`);
  const quick = { ...accepted, finished_at: new Date(Date.parse(accepted.started_at) + 32).toISOString() };
  assert.equal(read(quick, at("2026-11-22T09:00:00Z")).numbers, `in 32${NARROW}ms`);
});

test("a run that only asked is no failed attempt", () => {
  const asked = snapshot("failed after a question, saved");

  const rows = Object.fromEntries(details(asked));

  assert.equal(headline(asked), "Failed");
  assert.deepEqual([rows.Attempts, rows["Failed attempts"]], ["3", "1 of 4"]);
});

test("the details of a failure name the error", () => {
  const rows = Object.fromEntries(details(snapshot("failed, nobody can know")));

  assert.match(rows.Error, /^OutcomeUnknown: /);
});

test("durations, rates and times to go", () => {
  assert.deepEqual([0, 59_999, 60_000, 3_725_000, -5].map(formatDuration), ["0:00", "0:59", "1:00", "1:02:05", "0:00"]);
  assert.deepEqual([0.02, 0.5, 9.94, 1234].map(formatRate), ["1.2/min", "0.5/s", "9.9/s", `1${NARROW}234/s`]);
  assert.equal(formatLeft([7.2, 7.9]), "~0:07 left");
  assert.equal(formatLeft([7, 61]), "~0:07–1:01 left");
});

test("a task without a result says nothing of one", () => {
  const failed = snapshot("failed at the first try");

  assert.ok(!("result" in failed));
  assert.ok(details(failed).every(([name]) => name !== "Result"));
  assert.doesNotMatch(read(failed, at("2026-11-22T08:00:22Z")).text, /Result|undefined/);
});

test("a large result shows its beginning, and where the whole is", () => {
  const large = snapshot("succeeded with a large result");
  const whole = snapshot("succeeded with an object");

  const { text } = read(large, at("2026-11-22T08:00:22Z"));

  assert.match(text, /^Task completed! · Result: \[\{"row": 1.*…$/);
  assert.equal(text.length, "Task completed! · Result: ".length + 80);
  assert.equal(Object.fromEntries(details(large)).Result, large.result);
  assert.equal(showAll(large), `Show all (20${NARROW}MB)`);
  assert.equal(showAll(whole), "");
});

test("a table says how many rows it has, and repeats none of them", () => {
  const rows = [{ a: 1 }, { a: 2, b: [3] }];
  const table = { ...snapshot("succeeded with an object"), status: "", result: rows };
  const large = { ...table, result: "1204 rows…", result_size: 40_000 };
  const words = (one) => read(one, at("2026-11-22T08:00:22Z")).text;
  const isShown = (one) => details(one).some(([name]) => name === "Result");

  assert.deepEqual([table, large].map(words), ["2 rows", `1${NARROW}204 rows`]);
  assert.deepEqual([table, large].map(isShown), [false, false]);
  for (const result of [[], [1], [{}], [{ a: 1 }, 2], [[]], { a: 1 }, "3 rows…"]) {
    assert.doesNotMatch(words({ ...table, result }), /^\d rows?$/, JSON.stringify(result));
  }
});

test("sizes have two digits at least, and a unit", () => {
  const sizes = [0, 999, 1000, 8193, 999_499, 999_500, 1_500_000, 9_949_999, 9_950_000, 20_000_002, 1_234_567_890];

  assert.deepEqual(
    sizes.map((bytes) => formatSize(bytes).replace(NARROW, " ")),
    ["0 B", "999 B", "1 kB", "8 kB", "999 kB", "1.0 MB", "1.5 MB", "9.9 MB", "10 MB", "20 MB", "1235 MB"],
  );
});

test("a task of several attempts took the time from its request to its end: when the first began is not known", () => {
  const ended = snapshot("succeeded with a number");
  const once = read(ended, at("2026-11-22T08:01:00Z"));
  const again = { ...ended, attempt: 3, started_at: "2026-11-22T08:00:12.000Z" };
  const email = { ...snapshot("email accepted"), attempt: 2, started_at: "2026-11-22T08:00:01.300Z" };

  const reading = read(again, at("2026-11-22T08:01:00Z"));

  assert.deepEqual([once.headline, once.numbers], [`Done in 12.4${NARROW}s`, ""]);
  assert.deepEqual([reading.headline, reading.numbers], ["Done", `13.4${NARROW}s from request to end`]);
  assert.equal(read(email, at("2026-11-22T08:01:00Z")).numbers, `1.4${NARROW}s from request to end`);
  const names = (one) => details(one).map(([name]) => name);
  assert.ok(names(ended).includes("Started"));
  assert.ok(names(again).includes("Last attempt started") && !names(again).includes("Started"));
});

test("the formats of times and of plurals are made once, not at each drawing", () => {
  const date = mock.method(Intl, "DateTimeFormat");
  const plural = mock.method(Intl, "PluralRules");
  for (const method of ["toLocaleTimeString", "toLocaleDateString"]) {
    mock.method(Date.prototype, method, () => assert.fail(`${method} makes one each time`));
  }
  const due = new Date(Date.now() + 3 * 86_400_000).toISOString();
  const scheduled = { ...snapshot("scheduled task"), scheduled_for: due };

  for (let second = 0; second < 20; second++) read(scheduled, { now: Date.now() + 1000 * second });

  assert.ok(date.mock.callCount() <= 2, "one of dates, one of times");
  assert.ok(plural.mock.callCount() <= 1);
  mock.restoreAll();
});
