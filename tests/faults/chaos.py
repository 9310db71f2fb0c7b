"""Faults at random, under load: one seed decides the whole schedule, so that it can be had
again.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from tests.faults.load import WITH_STORIES
from tests.faults.report import Row
from tests.faults.system import Kept, System, kill
from tests.faults.tally import UNKNOWN
from tests.faults.trial import trial
from tests.smtp_server import DROP, REPLIES, SILENCE

RATE = 10
ROUND_SECONDS = 60.0
# of each round; then all is whole, and pages have until the next round to become right
BREAKING_SECONDS = 30.0
LIMIT = 30.0

Act = Callable[[System, int], None]


@dataclass(frozen=True)
class Breakage:
    """A way to break something: `begin`, and `end` where it lasts.

    No two of one `part` at a time.
    """

    part: str
    begin: Act
    end: Act | None = None


@dataclass(frozen=True)
class Move:
    """What happens when: seconds from the start, which breakage, for how long, to which process
    of several.
    """

    at: float
    what: str
    seconds: float
    which: int


def _one(processes: list[Kept], which: int) -> Kept:
    return processes[which % len(processes)]


def _send(processes: Callable[[System], list[Kept]], number: int) -> Act:
    def act(system: System, which: int) -> None:
        with suppress(ProcessLookupError):
            _one(processes(system), which).signal(number)

    return act


def _kill_child(system: System, which: int) -> None:
    pool = _one(system.all_workers, which).pool()
    if pool:
        kill(pool[which % len(pool)])


def _workers_lines(act: str) -> Act:
    def on_all(system: System, _: int) -> None:
        for proxy in system.worker_redis.values():
            getattr(proxy, act)()

    return on_all


def _answer(step: str, answer: str) -> Breakage:
    def begin(system: System, _: int) -> None:
        system.smtp.replies[step] = answer

    def end(system: System, _: int) -> None:
        system.smtp.replies[step] = REPLIES[step]

    return Breakage("mail server", begin, end)


def _memory(limit: str) -> Act:
    return lambda system, _: system.records.client.config_set("maxmemory", limit)


def _workers(system: System) -> list[Kept]:
    return system.all_workers


def _webs(system: System) -> list[Kept]:
    return system.webs


BREAKAGES: dict[str, Breakage] = {
    "kill a pool process": Breakage("pool", _kill_child),
    "kill a worker": Breakage("worker", _send(_workers, signal.SIGKILL)),
    "stop a worker": Breakage("worker", _send(_workers, signal.SIGTERM)),
    "freeze a worker": Breakage(
        "worker", _send(_workers, signal.SIGSTOP), _send(_workers, signal.SIGCONT)
    ),
    "kill a web process": Breakage("web", _send(_webs, signal.SIGKILL)),
    "stop a web process": Breakage("web", _send(_webs, signal.SIGTERM)),
    "restart Valkey": Breakage("Valkey", lambda system, _: system.valkey.restart()),
    "kill Valkey": Breakage("Valkey", lambda system, _: system.valkey.restart(signal.SIGKILL)),
    "freeze Valkey": Breakage(
        "Valkey", lambda s, _: s.valkey.freeze(), lambda s, _: s.valkey.thaw()
    ),
    "fill Valkey": Breakage("Valkey", _memory("1"), _memory("0")),
    "cut web-Redis": Breakage(
        "web-Redis", lambda s, _: s.web_redis.cut(), lambda s, _: s.web_redis.heal()
    ),
    "web-Redis half-open": Breakage(
        "web-Redis", lambda s, _: s.web_redis.swallow(), lambda s, _: s.web_redis.heal()
    ),
    "cut worker-Redis": Breakage("worker-Redis", _workers_lines("cut"), _workers_lines("heal")),
    "worker-Redis half-open": Breakage(
        "worker-Redis", _workers_lines("swallow"), _workers_lines("heal")
    ),
    "cut websockets": Breakage(
        "browser-web", lambda s, _: s.to_web.cut(websockets_only=True), lambda s, _: s.to_web.heal()
    ),
    "cut browser-web": Breakage(
        "browser-web", lambda s, _: s.to_web.cut(), lambda s, _: s.to_web.heal()
    ),
    "browser-web half-open": Breakage(
        "browser-web", lambda s, _: s.to_web.swallow(), lambda s, _: s.to_web.heal()
    ),
    "mail server defers": _answer("rcpt", "451 4.7.1 come back later"),
    "mail server is silent": _answer("connect", SILENCE),
    "mail server drops before DATA": _answer("data", DROP),
    "mail server drops after DATA": _answer("message", DROP),
}


def schedule(seed: int, minutes: float) -> list[Move]:
    """Return what happens when; a seed's schedule is always the same."""
    chance = random.Random(seed)
    moves: list[Move] = []
    for start in range(0, max(1, int(minutes * 60 / ROUND_SECONDS))):
        at = start * ROUND_SECONDS + chance.uniform(1, 4)
        free = dict[str, float]()
        end = start * ROUND_SECONDS + BREAKING_SECONDS
        while at < end:
            what = chance.choice(
                [name for name, one in BREAKAGES.items() if free.get(one.part, 0) <= at]
            )
            seconds = chance.uniform(1, 8) if BREAKAGES[what].end else 0.0
            seconds = min(seconds, end - at)
            moves.append(Move(round(at, 2), what, round(seconds, 2), chance.randrange(12)))
            free[BREAKAGES[what].part] = at + seconds + 1
            at += chance.uniform(0.5, 8)
    return moves


def words(moves: Iterable[Move]) -> str:
    """Return a schedule for people."""
    return "\n".join(
        f"{move.at:7.2f} s  {move.what}"
        + (f" for {move.seconds:.2f} s" if move.seconds else "")
        + f" ({move.which})"
        for move in moves
    )


def random_faults(system: System, seed: int, minutes: float) -> Row:
    """Do what the schedule of this seed says, under load.

    After each round every page must become right.
    """
    moves = schedule(seed, minutes)
    fault = f"random, seed {seed}, {minutes:g} min"
    with trial(system, fault, len(moves), limit=LIMIT, page=True, errors={UNKNOWN}) as one:
        one.load(RATE, WITH_STORIES, seed=seed, give_up=0.1)
        begun = time.monotonic()
        for number in range(int(moves[-1].at // ROUND_SECONDS) + 1):
            of_round = [move for move in moves if move.at // ROUND_SECONDS == number]
            _do(system, of_round, begun)
            one.ended()
            one.until_right()
            system.until_ready()
            time.sleep(max(0.0, begun + (number + 1) * ROUND_SECONDS - time.monotonic()))
    return one.row


def _do(system: System, moves: Iterable[Move], begun: float) -> None:
    """Begin and end each of a round's breakages at its time."""
    acts: list[tuple[float, Act, int]] = []
    for move in moves:
        breakage = BREAKAGES[move.what]
        acts.append((move.at, breakage.begin, move.which))
        if breakage.end:
            acts.append((move.at + move.seconds, breakage.end, move.which))
    for at, act, which in sorted(acts, key=lambda one: one[0]):
        time.sleep(max(0.0, begun + at - time.monotonic()))
        act(system, which)
