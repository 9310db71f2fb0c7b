"""The tasks of an owner: pages of them, by phase and by words, and how many there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

from headway.snapshot import Phase, fragment
from headway.store.damaged import is_intact, unless_damaged
from headway.store.errors import Unavailable
from headway.store.functions import Functions

TIDY_BATCH = 500  # ids of an owner's list that one call brings in order


class OwnerLists:
    """Reads of the index that is kept of each owner's tasks."""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions

    def page(
        self,
        owner: str,
        limit: int,
        phases: Iterable[Phase] = (),
        cursor: tuple[str, str] = ("", ""),
        words: Iterable[str] = (),
    ) -> tuple[list[str], tuple[str, str] | None]:
        """Return a page of the owner's tasks, newest first, as snapshots (JSON).

        Each has all the words in its title, status, error or arguments; the case of ASCII letters
        does not matter. With the page comes the cursor of the next one, None on the last.
        """
        names = "".join(f"{phase}|" for phase in phases)
        wanted = [names and f"|{names}", *map(_as_indexed, words)]
        page: list[str] = []
        score, last = cursor
        more = "1"
        while more:
            args = [owner, limit - len(page), wanted[0], score, last, *wanted[1:]]
            score, last, more, untidy, *found = self._functions.call("list_by_owner", [], args)
            page += filter(is_intact, found)
            if untidy:
                self._tidy(owner, untidy)
        return page, (score, last) if score else None

    def counts(self, owner: str) -> dict[str, int]:
        """Return how many of the owner's tasks are kept in each phase, by phase."""
        for is_last in (False, True):
            listed, indexed, expired, *flat = self._functions.call("count_by_owner", [], [owner])
            if is_last or (listed == indexed and not expired):
                break
            # An earlier version kept a list but no index, or one of both is damaged: add the tasks.
            key = self._functions.keys.owner(owner)
            listing = unless_damaged([], self._functions.client.zrange, key, 0, -1)
            ids = list(map(str, listing))
            self._tidy(owner, ids if listed != indexed else [])
        return dict(zip(flat[::2], flat[1::2], strict=True))

    def _tidy(self, owner: str, ids: Sequence[str]) -> None:
        with suppress(Unavailable):  # where Redis takes no writes, a later reader does
            for begin in range(0, max(1, len(ids)), TIDY_BATCH):
                batch = ids[begin : begin + TIDY_BATCH]
                self._functions.call("tidy", [], [owner, *batch])


def _as_indexed(word: str) -> bytes:
    """Return a word as it lies in the index: within JSON, with ASCII letters in lower case."""
    return fragment(word)[1:-1].encode().lower()
