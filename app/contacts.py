"""The contacts that are imported, in a SQLite database of this machine."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

BUSY_SECONDS = 30.0  # to wait for another import's batch
TTL_SECONDS = 30 * 86400.0  # what is noted for a task that never came to its end
TABLES = """
CREATE TABLE IF NOT EXISTS contacts (
    owner TEXT, email TEXT, name TEXT, PRIMARY KEY (owner, email)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS added (
    task_id TEXT, email TEXT, at REAL, PRIMARY KEY (task_id, email)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rejected (
    task_id TEXT, line INTEGER, why TEXT, cells TEXT, at REAL, PRIMARY KEY (task_id, line)
) WITHOUT ROWID;
"""


class Contact(NamedTuple):
    """A person and an email address."""

    email: str
    name: str


class Rejected(NamedTuple):
    """A row that is no contact: its line in the file, from 1, why, and its cells."""

    line: int
    why: str
    cells: list[str]


class Contacts:
    """An owner's contacts, to which a task adds. A batch that is added twice is there once."""

    def __init__(self, database: sqlite3.Connection, owner: str, task_id: str) -> None:
        self._database = database
        self._owner = owner
        self._task_id = task_id

    def add(self, contacts: Iterable[Contact], rejected: Iterable[Rejected]) -> None:
        """Store a batch, all of it or nothing; a known address gets the new name."""
        now = time.time()
        found = list(contacts)
        with self._database:
            self._database.executemany(
                "INSERT OR IGNORE INTO added SELECT ?, ?, ? WHERE NOT EXISTS "
                "(SELECT 1 FROM contacts WHERE owner = ? AND email = ?)",
                [(self._task_id, each.email, now, self._owner, each.email) for each in found],
            )
            self._database.executemany(
                "INSERT INTO contacts VALUES (?, ?, ?) "
                "ON CONFLICT DO UPDATE SET name = excluded.name",
                [(self._owner, each.email, each.name) for each in found],
            )
            self._database.executemany(
                "INSERT OR REPLACE INTO rejected VALUES (?, ?, ?, ?, ?)",
                [
                    (self._task_id, each.line, each.why, json.dumps(each.cells), now)
                    for each in rejected
                ],
            )

    def all(self) -> list[Contact]:
        """Return the owner's contacts, by address."""
        found = self._database.execute(
            "SELECT email, name FROM contacts WHERE owner = ? ORDER BY email", [self._owner]
        )
        return [Contact(*row) for row in found]

    def count_added(self) -> int:
        """Return how many addresses the task has added that were not there before."""
        counted = self._database.execute(
            "SELECT count(*) FROM added WHERE task_id = ?", [self._task_id]
        )
        return int(counted.fetchone()[0])

    def rejected(self) -> Iterator[Rejected]:
        """Yield what was rejected for the task, in the order of the file."""
        found = self._database.execute(
            "SELECT line, why, cells FROM rejected WHERE task_id = ? ORDER BY line", [self._task_id]
        )
        for line, why, cells in found:
            yield Rejected(line, why, json.loads(cells))

    def forget_task(self) -> None:
        """Delete what is noted for the task, and for those that never came to their end."""
        with self._database:
            for table in ("added", "rejected"):
                self._database.execute(
                    f"DELETE FROM {table} WHERE task_id = ? OR at < ?",
                    [self._task_id, time.time() - TTL_SECONDS],
                )


@contextmanager
def open_contacts(path: Path, owner: str, task_id: str) -> Iterator[Contacts]:
    """Open an owner's contacts for a task. Creates the database if it does not exist."""
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as database:
        database.executescript(TABLES)
        path.chmod(0o600)
        yield Contacts(database, owner, task_id)
