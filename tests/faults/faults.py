"""The list of faults: what `make faults` does of each, and what the tests do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.report import Row
from tests.faults.scenarios import (
    costs,
    going_on,
    jobs,
    mail,
    messages,
    moments,
    network,
    processes,
    redis,
)
from tests.faults.system import System


@dataclass(frozen=True)
class Fault:
    """One kind of fault. `run` takes how often, how many or how long.

    It is run with each of `full` or `short`.

    One that loads the machine, or counts how soon processes start, is run alone, also where others
    are side by side. One without a page in a browser is light; in short it loads nothing.
    """

    name: str
    run: Callable[..., Row]
    full: tuple[float, ...]
    short: tuple[float, ...]
    alone: bool = False
    light: bool = False
    is_seeded: bool = False  # whether `run` takes a `seed`, which decides its schedule

    def where(self, *, short: bool) -> str:
        """Return where it is run: "alone", or beside others on a system for "light" or "heavy"."""
        if self.alone and not (short and self.light):
            return "alone"
        return "light" if self.light else "heavy"

    def job(self, amount: float, seed: int | None) -> Callable[[System], Row]:
        """Return what makes this fault's row on a system."""
        if self.is_seeded and seed is not None:
            return lambda system: self.run(system, amount, seed=seed)
        return lambda system: self.run(system, amount)


FAULTS = (
    Fault("worker-child", processes.worker_child_killed, (100,), (5,), light=True),
    Fault("worker-parent", processes.worker_parent_killed, (20,), (1,)),
    Fault("mail-child", processes.mail_child_killed, (40,), (4,), light=True),
    Fault("web", processes.web_killed, (20,), (2,)),
    Fault("deploy", processes.deploy, (10,), (1,), alone=True),
    Fault("valkey-restarted", redis.valkey_restarted, (10,), (1,)),
    Fault("valkey-stopped", redis.valkey_stopped, (5, 30), (4,)),
    Fault("valkey-emptied", redis.valkey_emptied, (2,), (1,)),
    Fault("valkey-full", redis.valkey_full, (2,), (1,)),
    Fault("web-redis-cut", network.web_redis_cut, (3,), (1,)),
    Fault("web-redis-half-open", network.web_redis_half_open, (3,), (1,)),
    Fault("worker-redis-cut", network.worker_redis_cut, (3,), (1,)),
    Fault("worker-redis-half-open", network.worker_redis_half_open, (3,), (1,)),
    Fault("worker-out-of-reach", network.one_worker_out_of_reach, (30,), (10,)),
    Fault("websockets-cut", network.websockets_cut, (30,), (4,)),
    Fault("websocket-blocked", network.websocket_blocked, (2,), (1,)),
    Fault("browser-web-half-open", network.browser_web_half_open, (2,), (1,)),
    Fault("smtp-down", mail.down, (3,), (1,), light=True),
    Fault("smtp-4xx", mail.deferring, (3,), (1,), light=True),
    Fault("smtp-4xx-message", mail.deferring_message, (3,), (1,), light=True),
    Fault("smtp-5xx", mail.refusing, (3,), (1,), light=True),
    Fault("smtp-silent", mail.silent, (3,), (1,), light=True),
    Fault("smtp-dropped-before-data", mail.dropping_before_data, (3,), (1,), light=True),
    Fault("smtp-dropped-in-message", mail.dropping_in_message, (3,), (1,), light=True),
    Fault("smtp-dropped-after-data", mail.dropping_after_data, (3,), (1,), light=True),
    Fault("smtp-silent-after-data", mail.silent_after_data, (3,), (1,), light=True),
    Fault("smtp-dropped-at-quit", mail.dropping_at_quit, (3,), (1,), light=True),
    Fault("clock", messages.clock_wrong, (3660, -3660), (3660,)),
    Fault("duplicates", messages.duplicate_delivery, (5,), (1,), light=True),
    Fault("message-lost", messages.message_lost, (5,), (1,), light=True),
    Fault("poison", messages.poison, (5,), (1,)),
    Fault("one-key", messages.idempotent_start, (5,), (1,), light=True),
    Fault("many-at-once", messages.many_at_once, (10_000,), (400,), alone=True, light=True),
    Fault("cancelled", messages.cancelled_across_a_restart, (3,), (1,)),
    Fault("killed-anywhere", going_on.killed_anywhere, (50,), (6,), is_seeded=True),
    Fault("at-a-save", moments.at_a_save, (12,), (2,), is_seeded=True),
    Fault("in-a-stream", moments.in_a_stream, (12,), (2,), is_seeded=True),
    Fault("in-an-effect", moments.in_an_effect, (4,), (1,), is_seeded=True),
    Fault("while-waiting", moments.while_waiting, (5,), (1,), is_seeded=True),
    Fault("at-an-answer", moments.at_an_answer, (12,), (2,), is_seeded=True),
    Fault("kills-of-a-task", costs.kills, (100,), (1,), light=True),
    Fault("deploys-in-a-row", costs.deploys, (20,), (2,), light=True),
    Fault("planned-stop", costs.planned_stop, (10,), (4,), alone=True),
    Fault("mailing", jobs.mailing, (10_000,), (80,), light=True),
    Fault("import", jobs.contacts, (100_000,), (6_000,), light=True),
    Fault("scheduled", messages.scheduled_across_a_restart, (2,), (1,)),
)
