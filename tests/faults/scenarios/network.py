"""Connections that are cut, and connections that are half-open: nothing comes over them, and
nobody says so.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from tests.faults.load import Mix, long_task, mail, work
from tests.faults.proxy import Proxy
from tests.faults.report import Row
from tests.faults.system import System
from tests.faults.tally import UNKNOWN
from tests.faults.trial import Trial, trial
from tests.processes import wait_for

REPORTING: Mix = (
    (60, lambda chance: work(chance.randint(3, 20), 0.1)),
    (10, lambda _: long_task()),
    (30, lambda _: mail()),
)
HALF_OPEN_LIMIT = 15
POLLED_SECONDS = 12.0  # a page polls at least every 10 s


def web_redis_cut(system: System, count: int) -> Row:
    """The web processes' connections to Redis are reset, and so is each new one for some
    seconds.
    """
    with trial(system, "web-Redis: cut", count, page=True, once=True, answered=True) as one:
        _cut(one, [system.web_redis], count, give_up=0.2)
    return one.row


def web_redis_half_open(system: System, count: int) -> Row:
    """Over the web processes' connections to Redis nothing comes any more; new ones work."""
    with trial(
        system,
        "web-Redis: half-open",
        count,
        limit=HALF_OPEN_LIMIT,
        page=True,
        once=True,
        answered=True,
    ) as one:
        _half_open(one, [system.web_redis], count)
    return one.row


def worker_redis_cut(system: System, count: int) -> Row:
    """The workers' connections to Redis are reset, and so is each new one for some seconds."""
    with trial(system, "worker-Redis: cut", count, page=True, errors={UNKNOWN}) as one:
        _cut(one, list(system.worker_redis.values()), count)
    return one.row


def worker_redis_half_open(system: System, count: int) -> Row:
    """Over the workers' connections to Redis nothing comes any more; new ones work."""
    with trial(
        system, "worker-Redis: half-open", count, limit=HALF_OPEN_LIMIT, page=True, errors={UNKNOWN}
    ) as one:
        _half_open(one, list(system.worker_redis.values()), count)
    return one.row


def one_worker_out_of_reach(system: System, seconds: float) -> Row:
    """One worker is out of reach for so long that others take up its tasks, and comes back
    while it still runs them.
    """
    with trial(
        system, f"one worker: out of reach {seconds:g} s", limit=30, page=True, errors={UNKNOWN}
    ) as one:
        one.load(2, ((1, lambda _: work()), (1, lambda _: mail())))
        lasting = [one.start(work(int(seconds * 10), 0.12)) for _ in range(len(system.workers) * 2)]
        for task_id in lasting:
            one.until("running", task_id)
        held = one.held()
        system.worker_redis[system.workers[0].name].swallow()
        time.sleep(seconds)
        system.worker_redis[system.workers[0].name].heal()
        one.ended({task_id: attempt for task_id, attempt in held.items() if task_id in lasting})
        one.until_right()
    return one.row


def websockets_cut(system: System, seconds: float) -> Row:
    """Every websocket is reset, and each new one, while plain requests pass: pages poll, and
    come back.
    """
    with trial(system, f"websockets: cut {seconds:g} s", page=True, once=True) as one:
        one.load(8)
        time.sleep(1)
        system.to_web.cut(websockets_only=True)
        time.sleep(seconds)
        system.to_web.heal()
        one.ended()
        one.until_right()
    return one.row


def websocket_blocked(system: System, count: int) -> Row:
    """A network that lets no websocket through: the page polls, says so, and follows its tasks
    to their end.
    """
    with trial(system, "websocket: blocked", count, page=True, once=True) as one:
        for _ in range(count):
            system.to_web.cut(websockets_only=True)
            wait_for(
                lambda: one.page.chip == "polling", POLLED_SECONDS, f"the chip says {one.page.chip}"
            )
            task_id = one.start(work(20, 0.2))
            version = one.until("succeeded", task_id)["version"]
            wait_for(
                lambda t=task_id, v=version: one.page.version(t) == v,
                POLLED_SECONDS,
                "the page is not right",
            )
            if one.page.chip != "polling":
                one.row.object_to(f"the chip says {one.page.chip} while the page polls")
            system.to_web.heal()
            one.ended()
            one.until_right()
    return one.row


def browser_web_half_open(system: System, count: int) -> Row:
    """Over the browsers' connections nothing comes any more; new ones work."""
    with trial(
        system, "browser-web: half-open", count, limit=HALF_OPEN_LIMIT, page=True, once=True
    ) as one:
        _half_open(one, [system.to_web], count)
    return one.row


def _cut(one: Trial, proxies: Sequence[Proxy], count: int, give_up: float = 0.0) -> None:
    one.load(8, REPORTING, give_up=give_up)
    for _ in range(count):
        time.sleep(1.5)
        for proxy in proxies:
            proxy.cut()
        time.sleep(4)
        for proxy in proxies:
            proxy.heal()
        one.ended(one.held("version"), by="version")
        one.until_right()


def _half_open(one: Trial, proxies: Sequence[Proxy], count: int) -> None:
    one.load(8, REPORTING)
    for _ in range(count):
        time.sleep(1.5)
        for proxy in proxies:
            proxy.swallow()
        held = one.held("version")
        for proxy in proxies:
            proxy.heal()
        one.ended(held, by="version")
        one.until_right()
