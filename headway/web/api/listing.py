"""What a page that lists a visitor's tasks shows: a page of them, counts, filters, a search."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from functools import cached_property
from json import loads
from typing import Any

from flask import request

from headway.display.languages import words_of
from headway.display.order import in_order, rank
from headway.shapes import SnapshotDict
from headway.snapshot import Phase
from headway.web.api.parameters import cursor_of, phases_asked_for, words_asked_for
from headway.web.api.reading import counts_for, list_for, newest_and_open_for
from headway.web.requests.owners import get_or_create_owner
from headway.web.requests.viewers import Viewer

PAGE = 50
# By the key of their names in card-words.js.
FILTERS: Mapping[str, tuple[Phase, ...]] = {
    "all": (),
    "running": (Phase.RUNNING, Phase.CANCELLING),
    "waiting": (Phase.WAITING,),
    "retrying": (Phase.RETRYING,),
    "queued": (Phase.QUEUED,),
    "scheduled": (Phase.SCHEDULED,),
    "failed": (Phase.FAILED,),
    "succeeded": (Phase.SUCCEEDED,),
    "cancelled": (Phase.CANCELLED,),
}


@dataclass(frozen=True)
class Filter:
    """One choice of what the list shows; `count` is None where it is not known."""

    name: str
    phases: list[str]
    count: int | None
    is_current: bool


@dataclass(frozen=True)
class Query:
    """What the address asks for: phases (none: all), words, and where the page begins."""

    phases: frozenset[Phase]
    words: tuple[str, ...]
    cursor: tuple[str, str]

    @classmethod
    def read(cls) -> Query:
        """Return the query of the present request. Raises APIError."""
        phases = frozenset(phases_asked_for())
        return cls(phases, tuple(words_asked_for()), cursor_of(request.args.get("cursor")))

    @property
    def is_first(self) -> bool:
        """Whether this is the page of all tasks, from the newest on."""
        return not (self.phases or self.words or self.cursor[0])

    @cached_property
    def address(self) -> dict[str, Any]:
        """The query's own parameters, without the cursor."""
        phases = sorted(phase.value for phase in self.phases)
        return {"phase": phases, "q": " ".join(self.words) or None}


@dataclass(frozen=True)
class Listing:
    """A page of a visitor's tasks, in order; `tasks` and `counts` are None where not known.

    `next` is the cursor of the next page, "" on the last one.
    """

    query: Query
    seen: str
    tasks: list[SnapshotDict] | None = None
    counts: Mapping[str, int] | None = None
    next: str = ""

    @property
    def filters(self) -> list[Filter]:
        """The choices of what to show, with how many tasks each has."""
        return filters_of(self.counts, self.query.phases)

    def rank_of(self, task: SnapshotDict) -> int:
        """Return a task's place in the order; see headway.display.order."""
        return rank(task, self.seen)


def filters_of(counts: Mapping[str, int] | None, current: Set[Phase]) -> list[Filter]:
    """Return the choices of what a list shows, with how many tasks each has; None: not known."""
    names = words_of("list")["phases"]
    return [
        Filter(
            names[key],
            [phase.value for phase in phases],
            None if counts is None else sum(counts.get(phase, 0) for phase in phases or Phase),
            frozenset(phases) == current,
        )
        for key, phases in FILTERS.items()
    ]


def read_listing(query: Query, seen: str) -> Listing:
    """Return what the page of the present request's owner shows. Raises RedisUnavailable.

    The first page has what has not ended too, however old. `seen` is the RFC 3339 time at which
    the owner last opened it, "" for never: failures since then come first.
    """
    return listing_for(Viewer(get_or_create_owner()), query, seen)


def listing_for(viewer: Viewer, query: Query, seen: str) -> Listing:
    """Return what the page of a viewer's tasks shows, as `read_listing` does."""
    if query.is_first:
        page, following = newest_and_open_for(viewer, PAGE)
    else:
        page, following = list_for(viewer, PAGE, query.phases, query.cursor, query.words)
    tasks = {task["task_id"]: task for task in map(loads, page)}
    return Listing(
        query,
        seen,
        in_order(tasks.values(), seen),
        counts_for(viewer),
        "~".join(following or ()),
    )
