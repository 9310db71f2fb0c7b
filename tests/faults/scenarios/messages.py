"""Messages and tasks in trouble: lost, doubled, poisonous, too many; wrong clocks.

Cancels and schedules that last.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any
from uuid import uuid4

from tests.faults.load import Mix, Start, insist, long_task, mail, post, silence, work
from tests.faults.report import Row
from tests.faults.system import CLOCK, System
from tests.faults.trial import Trial, trial
from tests.processes import wait_for
from tests.smtp_server import REPLIES

LOST_MESSAGE_LIMIT = 30
TWO_CHECKS_SECONDS = 12.0  # maintenance looks for lost messages every 5 s
QUEUES = ("celery", "mail")


def duplicate_delivery(system: System, count: int) -> Row:
    """Each message is delivered several times: while its task waits, while it runs, and after
    its end.
    """
    with trial(system, "duplicate delivery", count, once=True) as one:
        for _ in range(count):
            _fill(one)
            for start in (work(10, 0.1), mail()):
                one.start(start)
            copies = [_messages(system, queue) for queue in QUEUES]
            waiting = [
                (queue, message)
                for queue, found in zip(QUEUES, copies, strict=True)
                for message in found
            ]
            system.smtp.delays.clear()
            assert waiting, "no message waits"
            _deliver(system, waiting, 3)
            task_id = _id_of(waiting[0][1])
            wait_for(lambda t=task_id: one.status(t)["phase"] != "queued", 30)
            _deliver(system, waiting, 2)
            wait_for(lambda w=waiting: all(one.status(_id_of(m))["finished_at"] for _, m in w), 30)
            _deliver(system, waiting, 2)
            one.ended()
            wait_for(
                lambda: not any(_messages(system, queue) for queue in QUEUES),
                20,
                "the copies are not taken",
            )
    return one.row


def message_lost(system: System, count: int) -> Row:
    """A message vanishes between the queue and the list of what is not acknowledged.

    Another is sent within 30 s.
    """
    with trial(system, "message lost", count, limit=LOST_MESSAGE_LIMIT, once=True) as one:
        for _ in range(count):
            _fill(one, seconds=4)
            one.start(work())
            one.start(mail())
            lost = [
                (queue, message)
                for queue in QUEUES
                for message in _messages(system, queue)
                if system.records.client.lrem(queue, 1, message)
            ]
            system.smtp.delays.clear()
            assert lost, "no message waits"
            vanished = time.monotonic()
            ids = [_id_of(message) for _, message in lost]
            wound = one.ended()
            wait_for(
                lambda ids=ids: all(one.status(task_id)["phase"] != "queued" for task_id in ids),
                LOST_MESSAGE_LIMIT + 15,
                "a lost message was not sent again",
            )
            one.until_right()
            wound.right_after = max(wound.right_after or 0.0, time.monotonic() - vanished)
    return one.row


def poison(system: System, count: int) -> Row:
    """Tasks that kill their process at every attempt end after their attempts, and take nobody
    with them.
    """
    with trial(system, "poison task", count, page=True) as one:
        one.load(6, ((1, lambda _: work(5, 0.1)), (1, lambda _: mail())))
        failed = frozenset({"failed"})
        starts = [
            Start("poison", {"label": f"p{uuid4().hex[:6]}"}, expected=failed) for _ in range(count)
        ]
        for start in starts:
            one.start(start)
        for start in starts:
            end = one.until("failed", *start.task_ids, seconds=60)
            begun = sum(run.task_id in start.task_ids for run in system.runs())
            if (
                end["error"]["type"] != "WorkerLost"
                or not end["attempt"] == begun == end["max_attempts"]
            ):
                one.row.object_to(f"ran {begun} times: {end}")
        one.ended()
    return one.row


def idempotent_start(system: System, count: int) -> Row:
    """Fifty requests at once with one key.

    And a key that was refused while Redis hung, asked for again.
    """
    with trial(system, "one key, many starts", count, once=True, answered=True) as one:
        for number in range(count):
            visitor = one.visitors[number % len(one.visitors)]
            for start in (mail(), work()):
                start.owner = visitor.owner
                one.started.append(start)
                with ThreadPoolExecutor(50) as pool:
                    answers = set(pool.map(lambda _, s=start, v=visitor: post(v, s), range(50)))
                if answers != {202}:
                    one.row.object_to(f"fifty requests with one key were answered {answers}")
            given_up = mail()
            settled = mail()
            system.valkey.freeze()
            for start in (given_up, settled):
                start.owner = visitor.owner
                one.started.append(start)
                if (status := post(visitor, start)) != 503:
                    one.row.object_to(f"while Redis hung a start was answered {status}")
            system.valkey.thaw()
            one.ended()
            insist(visitor, settled)
            one.until_right()
    return one.row


def many_at_once(system: System, count: int) -> Row:
    """So many tasks that most of them wait for long: no message is sent twice for that."""
    with trial(system, f"{count:,} tasks at once", visitors=8, once=True) as one:
        blocks = [
            silence(3600) for _ in range(sum(len(worker.pool()) for worker in system.workers))
        ]
        for block in blocks:
            block.expected = frozenset({"cancelled"})
            one.start(block)
        with ThreadPoolExecutor(len(one.visitors)) as pool:
            share = count // len(one.visitors)
            list(pool.map(lambda number: _start_many(one, number, share), range(len(one.visitors))))
        time.sleep(TWO_CHECKS_SECONDS)
        waiting = sum(start.name == "work" for start in one.starts)
        if (messages := system.records.client.llen("celery")) != waiting:
            one.row.object_to(f"{messages} messages for {waiting} waiting tasks")
        for block in blocks:
            one.act(*block.task_ids, "cancel")
        one.patience = max(one.patience, count / 25)
        one.until_all_ended()
        one.ended()
    return one.row


def _start_many(one: Trial, number: int, share: int) -> None:
    for index in range(share):
        one.start(mail() if index % 10 == 9 else work(1, 0.0), number)


def clock_wrong(system: System, seconds: float) -> Row:
    """The clock of one worker is an hour ahead, or behind: nothing begins early, late or twice
    for that.
    """
    ahead = "ahead" if seconds > 0 else "behind"
    clock = {"PYTHONPATH": str(CLOCK), "CLOCK_AHEAD": str(seconds)}
    with (
        system.extra_worker(f"clock-{ahead}", "celery,mail", **clock),
        trial(
            system, f"one clock {abs(seconds) / 3600:.0f} h {ahead}", page=True, once=True
        ) as one,
    ):
        wait_for(lambda: _is_wrong(one, seconds), 30, "no clock is wrong")
        mix: Mix = (
            (3, lambda _: work()),
            (1, lambda _: long_task()),
            (2, lambda chance: mail(chance.uniform(1, 4))),
            (2, lambda chance: Start("work", work().args, countdown=chance.uniform(1, 4))),
        )
        load = one.load(10, mix)
        time.sleep(6)
        load.stop()
        one.ended()
        _must_be_on_time(one, [start for start in one.starts if start.countdown])
    return one.row


def _is_wrong(one: Trial, seconds: float) -> bool:
    """Start tasks until one has run by a wrong clock; each of the worker's clocks must be wrong."""
    task_id = one.start(Start("clock", {"label": uuid4().hex[:6]}))
    clocks = one.until("succeeded", task_id)["result"]
    wrong = [abs(told - seconds - time.time()) < 60 for told in clocks.values()]
    assert len(set(wrong)) == 1, f"some clocks are wrong and some right: {clocks}"
    return all(wrong)


def cancelled_across_a_restart(system: System, count: int) -> Row:
    """A task of each phase is cancelled, and every worker killed at once: it stays cancelled,
    and does nothing more.
    """
    cancelled = frozenset({"cancelled"})
    with trial(
        system, "cancelled, then workers: kill -9", count, limit=30, page=True, visitors=1
    ) as one:
        for _ in range(count):
            system.smtp.replies["rcpt"] = "451 4.7.1 come back later"
            later = mail(20)
            retrying = mail()
            reporting = work(300, 0.1)
            silent_ = silence(60)
            for start in (later, retrying, reporting, silent_):
                start.expected = cancelled
                one.start(start)
            for start, phase in (
                (retrying, "retrying"),
                (reporting, "running"),
                (silent_, "running"),
            ):
                one.until(phase, *start.task_ids)
            _fill(one, mails=False)
            queued = work()
            queued.expected = cancelled
            one.start(queued)
            waiting = one.status(*queued.task_ids)["phase"] == "queued"
            for start in (later, retrying, queued, reporting, silent_):
                one.act(*start.task_ids, "cancel")
            held = one.held()
            for worker in system.all_workers:
                worker.end(signal.SIGKILL)
            system.smtp.replies["rcpt"] = REPLIES["rcpt"]
            one.ended(held)
            for start in (later, retrying, queued, reporting, silent_):
                one.until("cancelled", *start.task_ids, seconds=45)
            if waiting and any(run.task_id in queued.task_ids for run in system.runs()):
                one.row.object_to(
                    f"a task that was cancelled while it waited ran: {queued.task_ids}"
                )
            system.until_ready()
            one.until_right()
    return one.row


def scheduled_across_a_restart(system: System, count: int) -> Row:
    """Everything is restarted while tasks wait for their time: each begins once, on time."""
    with trial(system, "scheduled, then all restarted", count, page=True, once=True) as one:
        for _ in range(count):
            starts = [mail(14), Start("work", work().args, countdown=14), mail(15.5)]
            # while nobody is there: late, and not lost
            soon = [
                mail(1),
                Start("work", work().args, countdown=2),
            ]
            for start in starts + soon:
                one.start(start)
            for worker in system.all_workers:
                worker.signal(signal.SIGTERM)
            for web in system.webs:
                web.signal(signal.SIGTERM)
            system.valkey.restart()
            time.sleep(1)
            system.until_ready()
            one.ended()
            _must_be_on_time(one, starts)
    return one.row


def _must_be_on_time(one: Trial, starts: Sequence[Start]) -> None:
    """Wait until scheduled tasks have begun: not before their time, nor beyond the row's limit.

    Both by Redis's clock. How late they were depends on how busy the machine is, and is told.
    """
    late = []
    for start in starts:
        [task_id] = start.task_ids
        begun = wait_for(
            lambda task_id=task_id: (s := one.status(task_id))["started_at"] and s,
            40,
            f"{task_id} did not begin",
        )
        late.append(
            _moment(begun["started_at"]) - _moment(start.scheduled_for or begun["created_at"])
        )
        if not 0 <= late[-1] <= one.row.limit:
            one.row.object_to(f"{task_id} began {late[-1]:.3f} s after its time: {begun}")
    one.row.figures = f"scheduled tasks began {max(late):.1f} s after their time, at most"


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _fill(one: Trial, seconds: float = 3.0, mails: bool = True) -> None:
    """Give every slot something to do, so that what comes next waits in its queue.

    The mail server becomes slow.
    """
    slots = sum(len(worker.pool()) for worker in one.system.workers)
    for _ in range(2 * slots + 1):  # also where starting them takes longer than the first ones do
        one.start(silence(seconds))
    if mails:
        one.system.smtp.delays["mail"] = 2.0
        for _ in range(len(one.system.mailer.pool()) + 1):
            one.start(mail())
    for queue in QUEUES if mails else QUEUES[:1]:
        wait_for(
            lambda q=queue: _messages(one.system, q), 20, f"nothing waits in the queue {queue}"
        )


def _messages(system: System, queue: str) -> list[str]:
    return list(system.records.client.lrange(queue, 0, -1))


def _id_of(message: str) -> str:
    return str(json.loads(message)["headers"]["id"])


def _deliver(system: System, messages: list[tuple[str, str]], times: int) -> None:
    """Put copies into the queues, each with a delivery tag of its own, as each delivery has."""
    for queue, message in messages:
        for _ in range(times):
            copy: dict[str, Any] = json.loads(message)
            copy["properties"]["delivery_tag"] = str(uuid4())
            system.records.client.lpush(queue, json.dumps(copy))
