"""The tasks of the current app, for its own code: started, run again, and all of them read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from json import loads
from typing import Any

from flask import has_request_context

from headway import service
from headway.limits import Limits
from headway.shapes import SnapshotDict
from headway.state import state
from headway.store.connection import Client
from headway.store.model import StartResult
from headway.web.requests.owners import get_or_create_owner


class AppTasks:
    """The methods of the extension that concern the tasks of the current app."""

    def start(
        self,
        name: str,
        args: Mapping[str, Any] | None = None,
        *,
        owner: str | None = None,
        key: str = "",
        countdown: float = 0.0,
        eta: datetime | None = None,
        priority: str | int | None = None,
    ) -> StartResult:
        """Start a task by its registered name, in `countdown` seconds, at `eta` (aware), or now.

        `args` are those of its form, by name. The owner is the current request's, if none is given;
        the same `key` of the same owner gives the same task. Returns its `task_id`, its `snapshot`
        as JSON, and the `outcome`; once it returns, the task runs whatever dies. Raises
        LookupError for an unknown task, BadArguments, LimitReached, TooLate or RedisUnavailable;
        nothing is started then.
        """
        if owner is None:
            owner = get_or_create_owner() if has_request_context() else ""
        return service.start(
            name,
            args or {},
            owner=owner or "",
            key=key,
            countdown=countdown,
            eta=eta,
            priority=priority,
        )

    def rerun(self, task_id: str, *, owner: str, key: str = "") -> StartResult:
        """Start a new task with another's arguments, for `owner`; "" is nobody.

        Raises NotKept where the arguments have expired, and what `start` raises.
        """
        return service.rerun(task_id, owner=owner, key=key)

    def every_task(self) -> Iterator[tuple[str, SnapshotDict]]:
        """Yield the owner ("" for nobody) and the snapshot of each task, in no order.

        It reads all records: for an operator's commands, not for pages.
        """
        for record in state().records.queries.scan():
            yield record.owner, loads(record.snapshot)

    @property
    def limits(self) -> Limits:
        """The limits of visitors, to count what a project limits itself."""
        return state().limits

    @property
    def redis(self) -> Client:
        """The client of the Redis that holds the records, for keys of the project's own.

        Its calls raise RedisUnavailable where Redis is away.
        """
        return state().records.client
