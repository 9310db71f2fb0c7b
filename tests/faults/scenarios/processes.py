"""Processes that die: pool processes, workers, web processes; and a deploy."""

from __future__ import annotations

import random
import signal
import time

from tests.faults.load import LONG, MAILS, Mix, long_task, mail, silence, work
from tests.faults.report import Row
from tests.faults.system import Kept, System, kill
from tests.faults.tally import UNKNOWN
from tests.faults.trial import Trial, trial
from tests.processes import wait_for

DEPLOY: Mix = (
    (76, lambda chance: work(chance.randint(1, 3), 0.02)),
    (2, lambda _: long_task()),
    (2, lambda _: silence(0.3)),
    (15, lambda _: mail()),
    (5, lambda chance: mail(chance.uniform(0.5, 3))),
)
DEPLOY_RATE = 40
EXIT_SECONDS = 15.0
SLOW = {"rcpt": 0.1, "message": 0.2}  # a mail server whose conversations last long enough to be hit


def worker_child_killed(system: System, count: int) -> Row:
    """kill -9 of a pool process that runs a task."""
    chance = random.Random(count)
    with trial(system, "worker child: kill -9", count) as one:
        one.load(8, LONG)
        killed: set[int] = set()
        for _ in range(count):
            pid, held = wait_for(
                lambda: _busy_child(one, chance, killed), message="no worker has anything to do"
            )
            kill(pid)
            killed.add(pid)
            one.ended(held)
            time.sleep(chance.uniform(0.1, 0.5))
    return one.row


def _busy_child(
    one: Trial, chance: random.Random, killed: set[int]
) -> tuple[int, dict[str, int]] | None:
    """Return a pool process that runs a task, and that task with its attempt.

    One that was killed already may stand in the pool still, until its worker has noticed.
    """
    pool = {pid for worker in one.system.workers for pid in worker.pool()} - killed
    busy = [
        run
        for run in one.system.runs()
        if run.ended is None and run.pid in pool and run.task_id in one.task_ids
    ]
    if not busy:
        return None
    run = chance.choice(busy)
    return run.pid, {run.task_id: one.status(run.task_id)["attempt"]}


def mail_child_killed(system: System, count: int) -> Row:
    """kill -9 of a pool process for mail, at any point of its conversation."""
    chance = random.Random(count)
    with trial(system, "mail child: kill -9", count, errors={UNKNOWN}) as one:
        system.smtp.delays.update(SLOW)
        one.load(6, MAILS)
        for _ in range(count):
            kill(
                wait_for(
                    lambda: chance.choice(system.mailer.pool() or [0]),
                    message="the mail worker has no pool",
                )
            )
            one.ended()
            time.sleep(chance.uniform(0.2, 0.6))
        system.smtp.delays.clear()
    return one.row


def worker_parent_killed(system: System, count: int) -> Row:
    """kill -9 of a worker, with its pool; its tasks go on elsewhere.

    The next one is not spared while one recovers.
    """
    chance = random.Random(count)
    with trial(
        system, "worker parent: kill -9", count, limit=30, page=True, errors={UNKNOWN}
    ) as one:
        system.smtp.delays.update(SLOW)
        one.load(8, LONG)
        for number in range(count):
            time.sleep(chance.uniform(2.5, 4.0))
            worker = system.all_workers[number % len(system.all_workers)]
            wait_for(lambda w=worker: w.said(" ready."), 30, f"{worker.name} does not come back")
            held = _held_by(one, worker)
            worker.end(signal.SIGKILL)
            one.ended(held)
        system.smtp.delays.clear()
    return one.row


def _held_by(one: Trial, worker: Kept) -> dict[str, int]:
    """Return what a worker runs, with the attempts."""
    held = one.held()
    if worker is one.system.mailer:
        mails = {task_id for start in one.starts if start.is_mail for task_id in start.task_ids}
        return {task_id: attempt for task_id, attempt in held.items() if task_id in mails}
    pool = set(worker.pool())
    run = {run.task_id for run in one.system.runs() if run.ended is None and run.pid in pool}
    return {task_id: attempt for task_id, attempt in held.items() if task_id in run}


def web_killed(system: System, count: int) -> Row:
    """kill -9 of a web process; its viewers go to another, or wait for it."""
    with trial(system, "web process: kill -9", count, page=True, once=True) as one:
        one.load(10)
        for number in range(count):
            time.sleep(1)
            system.webs[number % len(system.webs)].end(signal.SIGKILL)
            one.ended()
            one.until_right()
    return one.row


def deploy(system: System, count: int) -> Row:
    """SIGTERM to a worker and a web process, one after the other, at full load.

    The mail worker each third time.
    """
    with trial(system, "deploy: SIGTERM", count, page=True, visitors=5) as one:
        one.load(DEPLOY_RATE, DEPLOY)
        for number in range(count):
            time.sleep(1)
            leaving = [
                system.workers[number % len(system.workers)],
                system.webs[number % len(system.webs)],
            ]
            for process in [*leaving, *([system.mailer] if number % 3 == 2 else [])]:
                seconds = process.end(signal.SIGTERM)
                if seconds > EXIT_SECONDS:
                    one.row.object_to(f"{process.name} took {seconds:.1f} s to end")
                wait_for(lambda p=process: p.process.popen.poll() is None and p.starts > 1, 10)
                one.ended()
            one.until_right()
            for worker in system.all_workers:
                wait_for(
                    lambda w=worker: w.said(" ready."), 30, f"{worker.name} does not come back"
                )
    return one.row
