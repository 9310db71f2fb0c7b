"""`make unsent` lists emails that failed in a mail outage; `make retry-unsent` sends them again."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from flask import Flask

from app import create_app
from app.extensions import headway
from app.mail_errors import MailUnavailable
from headway import ConfigError, NotKept, RedisUnavailable, TooLate
from headway.secrets import guard_process


class Unsent(NamedTuple):
    """A task that failed because the mail server accepted no mail, with its last snapshot."""

    owner: str
    snapshot: dict[str, Any]

    @property
    def task_id(self) -> str:
        return str(self.snapshot["task_id"])

    def __str__(self) -> str:
        task = self.snapshot
        why = task["error"]["message"]
        return f"{task['task_id']}  {task['finished_at']}  {task['title']}: {why}"


def find(tasks: Iterable[tuple[str, Any]]) -> list[Unsent]:
    """Return the emails that failed so, oldest first, unless they were started again since.

    `tasks` are all tasks, an owner and a snapshot each. A later one of the same owner and title
    counts as started again.
    """
    newest: dict[tuple[str, str], str] = {}
    failed: list[Unsent] = []
    for owner, task in tasks:
        about = owner, task["title"]
        newest[about] = max(newest.get(about, ""), task["created_at"])
        if task["phase"] == "failed" and task["error"]["type"] == MailUnavailable.__name__:
            failed.append(Unsent(owner, task))

    def is_left(one: Unsent) -> bool:
        since = newest[one.owner, one.snapshot["title"]]
        return not one.owner or since < one.snapshot["finished_at"]

    return sorted(filter(is_left, failed), key=lambda one: str(one.snapshot["created_at"]))


def retry(unsent: Sequence[Unsent]) -> list[Unsent]:
    """Start a new task for each, once however often this is called; needs an app context.

    Returns those whose arguments have expired. On RedisUnavailable and TooLate, which it
    raises, call it again.
    """
    not_kept = []
    for one in unsent:
        try:
            headway.rerun(one.task_id, owner=one.owner, key=f"retry-unsent {one.task_id}")
        except NotKept:
            not_kept.append(one)
    return not_kept


def main(arguments: Sequence[str]) -> int:
    """List the emails (`list`), or start them again; return the exit code, 1 if some are left."""
    try:
        app = create_app({"SOCKETIO_ASYNC_MODE": "threading"})  # serves nothing
        return _run(app, only_list=arguments[:1] == ["list"])
    except (ConfigError, RedisUnavailable, TooLate) as error:
        print(f"Headway: {error or 'Redis was too slow: run this again'}", file=sys.stderr)
        return 1


def _run(app: Flask, *, only_list: bool) -> int:
    with app.app_context():
        unsent = find(headway.every_task())
    if only_list:
        print(f"{len(unsent)} emails failed because the mail server took none.")
        for one in unsent:
            print(f"  {one}")
        return 0
    with app.app_context():
        not_kept = retry(unsent)
    print(f"{len(unsent) - len(not_kept)} emails are started again.")
    for one in not_kept:
        print(f"  its arguments are no longer available: {one}")
    return 1 if not_kept else 0


if __name__ == "__main__":
    guard_process()
    sys.exit(main(sys.argv[1:]))
