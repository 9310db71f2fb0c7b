"""What each worker does beside its tasks: it says that it is there and what it holds, ends what was cancelled and does
not end by itself, and, one worker at a time, sees to it that no task is lost and each is sent at its time.

A Celery bootstep with a thread of the worker's parent: timers of Celery's event loop stop under `--pool=solo`.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from math import inf
from typing import Any
from uuid import uuid4
from weakref import WeakSet

from celery import Celery, bootsteps, signals
from celery.platforms import EX_FAILURE
from celery.worker import state
from kombu.exceptions import OperationalError

from headway.celery import broker, inherited, programs
from headway.celery.backend import LiveBackend
from headway.celery.consumer import guarded
from headway.celery.delivery import LiveRequest
from headway.celery.fencing import FENCE
from headway.celery.heartbeats import Heartbeats
from headway.celery.live_tasks import make_all_live
from headway.celery.persistence import UNSTORED
from headway.celery.stopping import PlannedStop, can_end_runs
from headway.exceptions import ConfigError
from headway.store.connection import Unavailable
from headway.store.redis_checks import refuse_unfit
from headway.store.restored import Memory

logger = logging.getLogger(__name__)

ROUND_SECONDS = 0.5
RENEWALS = 4  # of a lease, while it lasts
LOOK_EVERY = 10  # rounds, or more: between two looks each worker has said what it holds
SAVE_EVERY = 10  # rounds: to remember Redis's state on disk
SAY_EVERY_SECONDS = 60.0
BATCH = 100
STUCK_AFTER = 20  # rounds in which Redis answered, and the worker's own loop did not turn once
END_AFTER = 6  # rounds in which a pool that was told to end has not
CANNOT_END = "This worker cannot stop a task that runs: it ends at its next report, or when it is done."
LEAVE_SECONDS = 3.0  # how long a worker that has to end takes leave of a Redis that may not answer


@signals.worker_ready.connect
def heed_early_stop(**_: Any) -> None:
    """End a worker that was told to stop while it started: Celery's loop would look for its pool, which is gone."""
    state.maybe_shutdown()


class Keeper(bootsteps.StartStopStep):
    """Starts and stops the keeper's thread with the worker."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: Any, **_: Any) -> None:
        # What Celery's workers tell each other is sent from their loop, which stands still while Redis does not answer,
        # and for minutes after it. Keepers know by leases who is there.
        self._heartbeats = None if worker.options.get("without_heartbeat") else Heartbeats(worker)
        worker.options.update(without_heartbeat=True, without_gossip=True, without_mingle=True)
        self._worker = worker
        self._celery: Celery = worker.app
        self._backend: LiveBackend = worker.app.backend
        self._id = f"{worker.hostname}/{uuid4().hex}"
        self._namesakes: set[str] = set()  # ids of other workers of this name that were warned of
        self._memory = Memory(self._celery.conf.get("headway_data_dir"))
        self._paused_said_at = -inf
        self._missing: set[str] = set()
        self._complained: deque[str] = deque(maxlen=1000)  # ids that stand in the log already
        # Cancelled runs that this worker has said it cannot end.
        self._unending: WeakSet[Any] = WeakSet()
        self._well = True
        self._still = 0  # rounds since the worker's own loop has turned
        self._ending = 0  # rounds since its pool was told to end
        self._planned_stop = PlannedStop(worker, self._give_back_running, self._abandon)
        self._is_embedded = False  # in a thread of another program, as celery.contrib.testing has it
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)

    def include_if(self, worker: Any) -> bool:
        return isinstance(worker.app.backend, LiveBackend)

    def create(self, worker: Any) -> None:
        """Refuse to start at a Redis that Headway cannot work with."""
        try:
            refuse_unfit(self._backend.url, self._backend.broker_url, production=False)
        except ConfigError as error:
            raise SystemExit(f"Headway: {error}") from None
        make_all_live(self._celery)
        worker.consumer_cls = guarded(worker.consumer_cls)  # which is made after this step
        inherited.separate()
        # A step is stopped before the pool; what that still runs has to be held until it has ended.
        worker.blueprint.on_stopped = partial(self._leave_and, worker.blueprint.on_stopped)

    def start(self, worker: Any) -> None:
        self._is_embedded = threading.current_thread() is not threading.main_thread()
        if not self._is_embedded:  # only the main thread may handle signals
            self._planned_stop.install()
        if self._heartbeats is not None:
            self._heartbeats.start()
        self._thread.start()

    def _leave_and(self, on_stopped: Callable[[], None]) -> None:
        self._stop.set()
        if self._heartbeats is not None:
            self._heartbeats.stop()
        self._thread.join(LEAVE_SECONDS)
        programs.sweep_all()
        on_stopped()
        if state.active_requests and not (self._is_embedded or can_end_runs(self._worker.pool)):
            logger.warning("The threads of this worker still run what was given back: its process ends")
            self._exit()

    def _exit(self) -> None:
        logging.shutdown()
        os._exit(EX_FAILURE)

    def _run(self) -> None:
        hold_every = max(1, int(self._backend.records.lease_seconds / RENEWALS / ROUND_SECONDS))
        rounds = 0
        while not self._stop.wait(ROUND_SECONDS if rounds else 0):
            if rounds % hold_every == 0:
                self._try(self._hold)
            self._try(self._round)
            if rounds % max(LOOK_EVERY, hold_every + 2) == 0:
                self._try(self._look)
            if rounds % SAVE_EVERY == 0:
                self._memory.save()
            self._try(programs.sweep)
            self._try(self._end_pool)
            rounds += 1
        self._memory.save()
        self._try(self._leave)

    def _try(self, duty: Callable[[], None]) -> None:
        """Do one of a round's duties; a failure of one must not keep the others from being done."""
        try:
            duty()
        except (Unavailable, OperationalError) as error:
            if self._well:
                logger.warning("The keeper waits for Redis: %s", error)
            self._well = False
        except Exception:
            logger.exception("The keeper's round failed")

    def _hold(self) -> None:
        running = _running()
        begun = {task_id for task_id, _ in running}
        received = {request.id for request in list(state.reserved_requests)} - begun
        if self._still >= STUCK_AFTER:
            received = set()  # it will not begin them; others may
        queues = sorted(self._celery.amqp.queues.consume_from)
        namesakes = self._backend.records.maintenance.hold(
            self._id,
            self._worker.concurrency,
            running,
            received,
            name=self._worker.hostname,
            queues=queues,
            taking=not self._planned_stop.is_begun,
        )
        if set(namesakes) - self._namesakes:
            logger.warning("Another worker is named %s too: give each a name with -n", self._worker.hostname)
        self._namesakes |= set(namesakes)

    def _say_paused(self, is_paused: bool) -> None:
        """Say each minute that nothing runs, and how it goes on."""
        if not is_paused or time.monotonic() - self._paused_said_at < SAY_EVERY_SECONDS:
            return
        paused, waiting = self._backend.records.maintenance.paused(), len(self._backend.records.maintenance.unended())
        self._paused_said_at = time.monotonic()
        if paused is not None:
            logger.warning(
                "Redis holds the data of %s, and later data was seen: it was restored from a backup. Nothing runs until"
                " `make resume`; %d tasks would run, perhaps again: `make paused` lists them.",
                paused.data_of,
                waiting,
            )

    def _turned(self) -> None:
        self._still = 0

    def _watch_loop(self) -> None:
        """Free a loop that is stuck: kombu reads its pub/sub connection without a limit, also one that is half-open."""
        if not self._worker.pool.uses_semaphore or self._worker.blueprint.state != bootsteps.RUN:
            # Only prefork's loop is free while tasks run, and none is while its worker stops.
            return
        self._still = still = self._still + 1  # the loop may set it back at any moment
        self._worker.hub.call_soon(self._turned)
        if still % STUCK_AFTER == 0:
            logger.warning("The worker's loop is stuck; its connections to the broker are broken off")
            broker.break_off(self._worker.consumer.connection)

    def _round(self) -> None:
        has_more = True
        while has_more and not self._stop.is_set():
            duties = self._backend.records.maintenance.round(self._id, BATCH, self._memory.seen)
            self._memory.note(duties.seen)
            self._say_paused(duties.paused)
            for task_id, why in duties.broken.items():
                logger.error("The record of task %s cannot be handled and is left: %s", task_id, why)
            # What is due last, so that a broker that is away keeps nothing else from being done.
            self._for_each(self._backend.runs.give_up, duties.lost)
            self._for_each(self._backend.dependents.tell_dependents, duties.ended)
            self._end(duties.doomed)
            self._for_each(self._send, duties.due)
            has_more = duties.has_more
        self._well = True
        self._watch_loop()

    def _for_each(self, duty: Callable[..., None], tasks: Iterable[tuple[Any, ...]]) -> None:
        """Do a duty for each `(task_id, ...)`; an error of one is logged once and stops no other.

        Raises Unavailable, and the broker's error where it takes two in a row: that is not the
        task's.
        """
        refused = 0
        for task_id, *rest in tasks:
            try:
                duty(task_id, *rest)
                refused = 0
            except Unavailable:
                raise
            except OperationalError as error:
                refused += 1
                if refused > 1:
                    raise
                self._complain(task_id, error)
            except Exception as error:
                self._complain(task_id, error)

    def _complain(self, task_id: str, error: Exception) -> None:
        if task_id not in self._complained:
            self._complained.append(task_id)
            logger.error("Maintenance cannot handle %s: %s", task_id, error, exc_info=error)

    def _send(self, task_id: str, message: Mapping[str, Any]) -> None:
        try:
            self._backend.outbox.send(task_id, message)
        except (Unavailable, OperationalError):
            raise
        except Exception as error:  # its code has changed since: it can never be sent
            logger.exception("Task %s cannot be sent", task_id)
            self._backend.mark_as_failure(task_id, error)
        self._backend.records.outbox.sent(task_id)

    def _end(self, doomed: set[str]) -> None:
        """Kill the processes of cancelled runs that have not ended by themselves."""
        for request in list(state.active_requests):
            if request.id in doomed and request.worker_pid:
                try:
                    self._end_run(request)
                except Exception as error:
                    self._complain(request.id, error)

    def _end_run(self, request: Any) -> None:
        pool = self._worker.pool
        if can_end_runs(pool):
            if isinstance(request, LiveRequest):
                request.end_programs()
            pool.terminate_job(request.worker_pid, signal.SIGKILL)
            if pool.is_green:  # it says of itself that it is done
                self._backend.mark_as_revoked(request.id, "Cancelled", request)
        elif request not in self._unending:
            self._say_it_goes_on(request)

    def _say_it_goes_on(self, request: Any) -> None:
        if self._backend.runs.report(request._context, "PROGRESS", {"status": CANNOT_END}) == UNSTORED:
            return  # in the next round
        self._unending.add(request)
        logger.warning("Task %s was cancelled. %s", request.id, CANNOT_END)

    def _end_pool(self) -> None:
        """Kill the processes of a pool that does not end.

        Celery ends it inside a signal's handler. A result whose reading that has interrupted is never read on, and the
        pool would wait for it as long as its processes live.
        """
        pool = self._worker.pool
        if not state.should_terminate or not pool.uses_semaphore or not pool.active:
            return
        self._ending += 1
        if self._ending == END_AFTER:
            for pid in self._worker.pool.info["processes"]:
                self._worker.pool.terminate_job(pid, signal.SIGKILL)

    def _give_back_running(self) -> None:
        self._try(lambda: self._backend.records.maintenance.give_back(_running()))

    def _abandon(self) -> None:
        """End this process: its one thread is in a task that nothing interrupts.

        So it cannot give its messages back; they are sent again.
        """
        self._try(lambda: self._send_elsewhere([task_id for task_id, _ in _running()]))
        self._exit()

    def _send_elsewhere(self, task_ids: Collection[str]) -> None:
        self._backend.records.maintenance.resend(task_ids)
        broker.withdraw(self._celery, task_ids)

    def _look(self) -> None:
        """Have each message sent again that two looks in a row have missed: it was lost on its way to a worker.

        Never by age. Should it turn up after all, its delivery is dropped at the claim; what a
        worker had in hand that was killed before it began is withdrawn.
        """
        missed: set[str] = set()

        def look(queue: str, task_ids: list[str]) -> None:
            missed.update(broker.missing(self._celery, queue, task_ids))

        self._for_each(look, self._backend.records.maintenance.suspects().items())
        if lost := missed & self._missing:
            logger.warning("The messages of %d tasks are lost and are sent again", len(lost))
            self._send_elsewhere(lost)
        self._missing = missed - lost

    def _leave(self) -> None:
        self._backend.records.maintenance.give_back(_running())
        self._backend.records.maintenance.leave(self._id, self._worker.concurrency)


def _running() -> list[tuple[str, str]]:
    """Return `(task_id, token)` of what this worker runs."""
    return [(request.id, request.request_dict.get(FENCE, "")) for request in list(state.active_requests)]
