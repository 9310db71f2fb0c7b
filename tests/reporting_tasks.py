"""Tasks that report from wherever they work.

Started as `celery -A tests.reporting_tasks worker`.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import billiard
from celery.utils.log import get_task_logger
from tqdm import tqdm

from headway import progress
from tests import child_work
from tests.ending_tasks import celery
from tests.test_values import NO_NUMBERS, NUMBERS


@celery.task
def pooled(items):
    """Count in a pool of threads, whose first word is the first of all."""

    def work(_):
        time.sleep(0.01)
        progress.update()
        progress.log("item")

    with ThreadPoolExecutor(4) as pool:
        return len(list(pool.map(work, range(items))))


@celery.task
def gathered(items):
    async def work(item):
        await asyncio.sleep(0.002 * item)
        progress.update()

    async def main():
        await asyncio.gather(*(work(item) for item in range(items)))

    asyncio.run(main())
    return items


@celery.task
def spread(items):
    """Count in processes of billiard's: Celery's may start none by `multiprocessing`."""
    with billiard.Pool(2) as pool:
        return len(pool.map(progress.bind(child_work.update), range(items)))


@celery.task
def executed(start, items):
    """Count in processes of the standard library's, begun as `start` says."""
    processes = multiprocessing.get_context(start)
    with ProcessPoolExecutor(1, mp_context=processes) as executor:
        done = list(executor.map(progress.bind(child_work.update), range(items)))
    pool = processes.Pool(1)
    done += pool.map(progress.bind(child_work.update), range(items))
    pool.close()  # a forked child has Celery's handler of the signal by which `terminate` ends it
    pool.join()
    return len(done)


@celery.task
def captured(name):
    """Say it by each way that needs no Headway, from a thread too."""
    with progress.capture():
        print("printed", name)
        get_task_logger(__name__).warning("logged %s", name)
        thread = threading.Thread(target=print, args=("in a thread", name))
        thread.start()
        thread.join()
        for _ in tqdm(range(4), desc=name):
            time.sleep(0.01)
        return progress.run(["sh", "-c", "echo run $0; printf '50%%\\r'", name]).returncode


@celery.task
def odd():
    for value in [number for number, _ in NUMBERS] + NO_NUMBERS:
        progress.set(current=value, total=value, status=value)
        progress.log(value)
    progress.set(current=3, total=5, status="rows")
    return "all said"


@celery.task(bind=True)
def beats(self, beats):
    """Report from a thread alone, by the task's own id; `beats` of 0: for ever."""

    def beat():
        done = 0
        while not beats or done < beats:
            done += 1
            self.update_state(
                task_id=task_id, state="PROGRESS", meta={"current": done, "total": None}
            )
            time.sleep(0.02)

    task_id = self.request.id
    thread = threading.Thread(target=beat)
    thread.start()
    thread.join()
    return "the thread has ended"
