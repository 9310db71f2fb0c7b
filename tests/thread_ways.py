"""The ways in which a run has other threads and coroutines work for it."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
from typing import Any

N = 12  # pieces of work


def in_threads(work: Callable[[], Any]) -> None:
    threads = [threading.Thread(target=work) for _ in range(N)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def in_an_executor(work: Callable[[], Any]) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: work(), range(N)))


def in_a_thread_pool(work: Callable[[], Any]) -> None:
    with ThreadPool(4) as pool:
        pool.map(lambda _: work(), range(N))


def in_a_timer(work: Callable[[], Any]) -> None:
    timers = [threading.Timer(0.0, work) for _ in range(N)]
    for timer in timers:
        timer.start()
    for timer in timers:
        timer.join()


def in_a_copied_context(work: Callable[[], Any]) -> None:
    for _ in range(N):
        contextvars.copy_context().run(work)


async def _later(work: Callable[[], Any]) -> None:
    await asyncio.sleep(0)
    work()


def in_gathered_coroutines(work: Callable[[], Any]) -> None:
    async def main() -> None:
        await asyncio.gather(*(_later(work) for _ in range(N)))

    asyncio.run(main())


def in_tasks_of_asyncio(work: Callable[[], Any]) -> None:
    async def main() -> None:
        await asyncio.wait([asyncio.create_task(_later(work)) for _ in range(N)])

    asyncio.run(main())


def in_to_thread(work: Callable[[], Any]) -> None:
    async def main() -> None:
        await asyncio.gather(*(asyncio.to_thread(work) for _ in range(N)))

    asyncio.run(main())


def in_an_executor_of_a_loop(work: Callable[[], Any]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.run_in_executor(None, work) for _ in range(N)))

    asyncio.run(main())


def in_a_loop_of_another_thread(work: Callable[[], Any]) -> None:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        for _ in range(N):
            asyncio.run_coroutine_threadsafe(_later(work), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


WAYS = [
    in_threads,
    in_an_executor,
    in_a_thread_pool,
    in_a_timer,
    in_a_copied_context,
    in_gathered_coroutines,
    in_tasks_of_asyncio,
    in_to_thread,
    in_an_executor_of_a_loop,
    in_a_loop_of_another_thread,
]
