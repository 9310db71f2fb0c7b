"""The tasks of an owner, the parts of a task: pages of them, by phase and words, and counts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import chain
from typing import TypeAlias

from headway.snapshot import FINAL, Phase, fragment
from headway.store.damaged import is_intact, unless_damaged
from headway.store.errors import RedisUnavailable
from headway.store.functions import Functions

# The phases of tasks that have not ended: under way, and waiting for their turn.
OPEN = (
    frozenset({Phase.WAITING, Phase.RUNNING, Phase.CANCELLING, Phase.RETRYING}),
    frozenset({Phase.QUEUED, Phase.SCHEDULED}),
)
# Snapshots (JSON), and where the next page begins: a score and a task's id, None on the last page.
Page: TypeAlias = tuple[list[str], tuple[str, str] | None]
TIDY_BATCH = 500  # ids of an owner's list that one call brings in order


class OwnerLists:
    """Reads of the index that is kept of each owner's tasks, and of each task's parts."""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions

    def page(
        self,
        owner: str,
        limit: int,
        phases: Iterable[Phase] = (),
        cursor: tuple[str, str] = ("", ""),
        words: Iterable[str] = (),
    ) -> Page:
        """Return a page of the owner's tasks, newest first, as snapshots (JSON).

        Each has all the words in its title, status, error or arguments; the case of ASCII letters
        does not matter. With the page comes the cursor of the next one, None on the last. Parts of
        tasks are not among them.
        """
        return self._page(f"owner:{owner}", limit, phases, cursor, words)

    def newest_and_open(self, owner: str, limit: int) -> Page:
        """Return the owner's newest tasks, after the older ones that have not ended.

        At most `limit` of the newest, of what is under way and of what waits for its turn, so that
        no number of queued tasks hides one that runs. The last is the oldest of the newest, and the
        cursor that of the page after it, as `page` returns it.
        """
        newest, cursor = self.page(owner, limit)
        if cursor is None:
            return newest, None
        older = [self.page(owner, limit, phases, cursor)[0] for phases in OPEN]
        return [*chain.from_iterable(older), *newest], cursor

    def parts(
        self,
        task_id: str,
        limit: int,
        phases: Iterable[Phase] = (),
        cursor: tuple[str, str] = ("", ""),
        words: Iterable[str] = (),
    ) -> Page:
        """Return a page of a task's parts, as `page` does, in the order of their starts."""
        return self._page(f"parts:{task_id}", limit, phases, cursor, words)

    def counts(self, owner: str) -> dict[str, int]:
        """Return how many of the owner's tasks are kept in each phase, by phase; no parts."""
        return self._counts(f"owner:{owner}")[1]

    def count_open(self, owner: str) -> int:
        """Return how many of the owner's tasks, and of their parts, have not ended."""
        open_parts, counts = self._counts(f"owner:{owner}")
        return open_parts + sum(count for phase, count in counts.items() if phase not in FINAL)

    def _page(
        self,
        name: str,
        limit: int,
        phases: Iterable[Phase],
        cursor: tuple[str, str],
        words: Iterable[str],
    ) -> Page:
        names = "".join(f"{phase}|" for phase in phases)
        wanted = [names and f"|{names}", *map(_as_indexed, words)]
        page: list[str] = []
        score, last = cursor
        more = "1"
        while more:
            args = [name, limit - len(page), wanted[0], score, last, *wanted[1:]]
            score, last, more, untidy, *found = self._functions.call("list_tasks", [], args)
            page += filter(is_intact, found)
            if untidy:
                self._tidy(name, untidy)
        return page, (score, last) if score else None

    def part_counts(self, task_id: str) -> dict[str, int]:
        """Return how many parts of a task are kept in each phase, by phase."""
        return self._counts(f"parts:{task_id}")[1]

    def _counts(self, name: str) -> tuple[int, dict[str, int]]:
        for is_last in (False, True):
            reply = self._functions.call("count_tasks", [], [name])
            listed, indexed, expired, open_parts, *flat = reply
            if is_last or (listed == indexed and not expired):
                break
            # An earlier version kept a list but no index, or one of both is damaged: add the tasks.
            key = self._functions.keys.shared(name)
            listing = unless_damaged([], self._functions.client.zrange, key, 0, -1)
            ids = list(map(str, listing))
            self._tidy(name, ids if listed != indexed else [])
        return open_parts, dict(zip(flat[::2], flat[1::2], strict=True))

    def _tidy(self, name: str, ids: Sequence[str]) -> None:
        with suppress(RedisUnavailable):  # where Redis takes no writes, a later reader does
            for begin in range(0, max(1, len(ids)), TIDY_BATCH):
                batch = ids[begin : begin + TIDY_BATCH]
                self._functions.call("tidy", [], [name, *batch])


def _as_indexed(word: str) -> bytes:
    """Return a word as it lies in the index: within JSON, with ASCII letters in lower case."""
    return fragment(word)[1:-1].encode().lower()
