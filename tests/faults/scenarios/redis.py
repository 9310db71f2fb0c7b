"""Redis restarted, hung, emptied and full."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor

from tests.faults.invariants import FINAL
from tests.faults.load import Mix, long_task, mail, silence, work
from tests.faults.report import Row
from tests.faults.system import System
from tests.faults.tally import UNKNOWN
from tests.faults.trial import trial
from tests.faults.watch import read

LASTING: Mix = (
    (60, lambda chance: work(chance.randint(10, 40), 0.1)),
    (20, lambda chance: mail(chance.uniform(0, 20))),
    (20, lambda _: long_task()),
)
PAGE_GRACE_SECONDS = 1.0
BURST = 40


def valkey_restarted(system: System, count: int) -> Row:
    """Valkey ends and comes back with its append-only file: in order, and by kill -9."""
    with trial(
        system, "Valkey: restarted", count, page=True, answered=True, errors={UNKNOWN}
    ) as one:
        one.load(10, give_up=0.2)
        for number in range(count):
            time.sleep(1)
            system.valkey.restart(signal.SIGKILL if number % 2 else signal.SIGTERM)
            one.ended()
            one.until_right()
    return one.row


def valkey_stopped(system: System, seconds: float) -> Row:
    """Valkey hangs: its connections stay open and nothing comes."""
    fault = f"Valkey: stopped {seconds:g} s"
    with trial(system, fault, page=True, answered=True, errors={UNKNOWN}) as one:
        one.load(10, give_up=0.2)
        time.sleep(2)
        with ThreadPoolExecutor(
            BURST
        ) as pool:  # some are in the middle of their start when it hangs
            for number in range(BURST):
                pool.submit(one.give_up, work(), number % len(one.visitors))
            time.sleep(0.1)
            system.valkey.freeze()
            time.sleep(seconds)
            system.valkey.thaw()
            one.ended()
        one.until_right()
        time.sleep(2)  # what was held up in a socket would begin now
    return one.row


def valkey_emptied(system: System, count: int) -> Row:
    """FLUSHALL: every record is gone, under running tasks too, and the pages say so."""
    with trial(system, "Valkey: emptied", count, page=True, errors={UNKNOWN}) as one:
        for _ in range(count):
            load = one.load(8, LASTING)
            time.sleep(4)
            load.stop()
            time.sleep(PAGE_GRACE_SECONDS)
            before = read(system, one.task_ids)
            system.records.client.flushall()
            one.excuse(
                before,
                ended={task_id for task_id, was in before.items() if was and was["phase"] in FINAL},
            )
            one.ended()
            one.until_right()
        one.load(8)
        time.sleep(3)
    return one.row


def valkey_full(system: System, count: int) -> Row:
    """No memory left for writes; then there is again."""
    with trial(
        system, "Valkey: maxmemory", count, page=True, answered=True, errors={UNKNOWN}
    ) as one:
        one.load(
            10,
            ((4, lambda _: work(5, 0.1)), (1, lambda _: silence(0.3)), (1, lambda _: mail())),
            give_up=0.2,
        )
        for _ in range(count):
            time.sleep(2)
            system.records.client.config_set("maxmemory", "1")
            time.sleep(5)
            system.records.client.config_set("maxmemory", "0")
            one.ended()
            one.until_right()
    return one.row
