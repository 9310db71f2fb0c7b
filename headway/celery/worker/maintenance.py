"""Worker maintenance: sweeps, and does what else is due each round; leases are renewed beside it.

The leader among the workers also requeues lost tasks, dispatches due ones, and notifies the
dependents of ended ones. A Celery bootstep with a thread in the worker's parent process: timers of
Celery's event loop stop under `--pool=solo`.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from uuid import uuid4

from celery import Celery, bootsteps, signals
from celery.platforms import EX_FAILURE
from celery.worker import state
from kombu.exceptions import OperationalError

from headway.celery.backend import LiveBackend
from headway.celery.messages.broker_url import broker_url
from headway.celery.redis_setting import redis_setting
from headway.celery.run import programs
from headway.celery.worker import inherited, pool_exit
from headway.celery.worker.consumer import guarded
from headway.celery.worker.file_cleaner import FileCleaner
from headway.celery.worker.heartbeats import Heartbeats
from headway.celery.worker.leases import RENEWALS, Renewal, WorkerLeases, running
from headway.celery.worker.live_tasks import log_what_is_live, make_all_live
from headway.celery.worker.loop_watch import LoopWatch
from headway.celery.worker.run_killer import RunKiller
from headway.celery.worker.scheduler import Scheduler
from headway.celery.worker.stopping import PlannedStop, can_end_runs
from headway.celery.worker.sweeper import FAULTS, Sweeper
from headway.celery.worker.web_pusher import WebPusher
from headway.exceptions import ConfigError
from headway.store.errors import RedisUnavailable
from headway.store.redis_checks import refuse_unfit

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 0.5
CHECK_EVERY = 10  # rounds at least: every worker sends a heartbeat between two checks
SAVE_EVERY = 10  # rounds, to write Redis's state to disk
DELETE_EVERY = 7200  # rounds, an hour's, between two looks for unused libraries
STILL_RUNNING = "Threads of this worker still run tasks that it has released: its process exits"
DEREGISTER_SECONDS = 3.0  # for which a stopping worker waits for a Redis that may be away


@signals.worker_ready.connect
def obey_early_stop(**_: Any) -> None:
    """End a worker that was told to stop while it was starting.

    Celery's loop would use its pool, which is gone.
    """
    state.maybe_shutdown()


class Maintenance(bootsteps.StartStopStep):
    """Starts and stops the maintenance thread with the worker."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: Any, **_: Any) -> None:
        # Celery's workers send each other messages from their loop, which hangs with Redis and for
        # minutes after. Maintenance knows the workers by their leases.
        self._heartbeats = None if worker.options.get("without_heartbeat") else Heartbeats(worker)
        worker.options.update(without_heartbeat=True, without_gossip=True, without_mingle=True)
        self._worker = worker
        self._celery: Celery = worker.app
        self._backend: LiveBackend = worker.app.backend
        self._killer = RunKiller(worker, self._backend)
        worker_id = f"{worker.hostname}/{uuid4().hex}"
        self.sweeper = Sweeper(self._backend, worker_id, self._end_runs)
        self._scheduler = Scheduler(self._backend)
        self._cleaner: FileCleaner | None = None
        self._web_pusher: WebPusher | None = None
        self.loop_watch = LoopWatch(worker)
        self._leases = WorkerLeases(worker, worker_id, self._backend.records, self.loop_watch)
        renew = partial(self._try, self._renew_leases)
        self._renewal = Renewal(renew, self._backend.records.lease_seconds)
        self._is_healthy = True
        release = partial(self._try, self._leases.release)
        self._planned_stop = PlannedStop(worker, self._request_stop, release, self._force_exit)
        # In a thread of another program, as celery.contrib.testing starts one.
        self._is_embedded = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="maintenance", daemon=True)

    def include_if(self, worker: Any) -> bool:
        return isinstance(worker.app.backend, LiveBackend)

    def create(self, worker: Any) -> None:
        """Refuse to start with a Redis that Headway cannot use, and prepare the worker."""
        try:
            refuse_unfit(
                self._backend.url,
                broker_url(self._celery),
                self._backend.records.keys,
                self._celery.amqp.queues,
                production=False,
                setting=redis_setting(self._celery),
            )
            self._cleaner = FileCleaner(self._backend)
            self._web_pusher = WebPusher(self._backend)
        except ConfigError as error:
            raise SystemExit(f"Headway: {error}") from None
        make_all_live(self._celery)
        log_what_is_live(self._celery)
        programs.spare_groups()
        worker.consumer_cls = guarded(worker.consumer_cls)  # its consumer is made after this step
        inherited.separate()
        pool_exit.exit_without_sleep()
        # Not as this step stops: the pool does so later, and what it still runs keeps its leases.
        worker.blueprint.on_stopped = partial(self._stop_before, worker.blueprint.on_stopped)

    def start(self, worker: Any) -> None:
        self._is_embedded = threading.current_thread() is not threading.main_thread()
        if not self._is_embedded:  # only the main thread may handle signals
            self._planned_stop.install()
        if self._heartbeats is not None:
            self._heartbeats.start()
        self._thread.start()

    def _stop_before(self, on_stopped: Callable[[], None]) -> None:
        self._stop.set()
        self._thread.join(DEREGISTER_SECONDS)
        programs.sweep_all()
        on_stopped()
        if state.active_requests and not (self._is_embedded or can_end_runs(self._worker.pool)):
            logger.warning(STILL_RUNNING)
            self._exit()

    def _exit(self) -> None:
        logging.shutdown()
        os._exit(EX_FAILURE)

    def _run(self) -> None:
        self._renewal.start()
        duties = list(self._duties())
        rounds = 0
        while not self._stop.wait(SWEEP_SECONDS if rounds else 0):
            for every, duty in duties:
                if rounds % every == 0:
                    self._try(duty)
            rounds += 1
        self._deregister()

    def _duties(self) -> Iterator[tuple[int, Callable[[], None]]]:
        """Yield `(n, duty)`: in this order, each duty is done every `n` rounds."""
        renewal = int(self._backend.records.lease_seconds / RENEWALS / SWEEP_SECONDS)
        yield 1, self._repeat_stop_requests
        yield 1, self._sweep
        yield max(CHECK_EVERY, renewal + 2), self.sweeper.check_missing
        yield SAVE_EVERY, self.sweeper.remember
        yield DELETE_EVERY, self._backend.records.maintenance.delete_unused_libraries
        yield 1, self._start_due
        if self._cleaner is not None:
            yield 1, self._cleaner.clean
        if self._web_pusher is not None:
            yield 1, self._web_pusher.push_news
        yield 1, programs.sweep
        yield 1, self._killer.end_pool

    def _deregister(self) -> None:
        self._renewal.stop()
        self._try(self.sweeper.remember)
        self._try(self._leases.deregister)
        if self._heartbeats is not None:
            self._heartbeats.stop()

    def _try(self, duty: Callable[[], None]) -> None:
        """Do one duty of a round; its failure must not stop the others."""
        try:
            duty()
        except (RedisUnavailable, OperationalError) as error:
            if self._is_healthy:
                logger.warning("Maintenance waits for Redis or the broker: %s", error)
            self._is_healthy = False
        except FAULTS:
            logger.exception("Maintenance failed: %s", duty.__qualname__)

    def _renew_leases(self) -> None:
        self._leases.renew(taking=not self._planned_stop.is_begun)

    def _start_due(self) -> None:
        if not self._planned_stop.is_begun:
            self._scheduler.start_due()

    def _repeat_stop_requests(self) -> None:
        if self._planned_stop.may_release:
            self._request_stop()

    def _sweep(self) -> None:
        self.sweeper.sweep(self._stop)
        self._is_healthy = True
        self.loop_watch.check()

    def _end_runs(self, overdue: set[str]) -> None:
        self._killer.end(overdue, self.sweeper.log_once)

    def _request_stop(self) -> None:
        self._try(self._leases.request_stop)

    def _force_exit(self) -> None:
        """End this process, whose only thread nothing interrupts; publish its messages again."""
        self._try(lambda: self.sweeper.republish([task_id for task_id, _ in running()]))
        self._exit()
