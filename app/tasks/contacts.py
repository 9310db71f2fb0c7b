"""Imports contacts from a CSV file: live, in batches, and on from the last one after a break."""

from __future__ import annotations

from itertools import islice
from typing import Annotated, Any

from flask import current_app

from app.addresses import BadAddress, check_address
from app.contacts import Contact, Contacts, Rejected, open_contacts
from app.csv_files import PEOPLE, as_csv, headings_of, read_rows, recognised, survey
from headway import BadArguments, Upload, progress, task
from headway.texts import Sentence

BATCH = 500  # rows that are stored at a time, and done once more where a worker dies
MAX_LOGGED = 50  # rejected rows; all of them are in the file
REJECTED = Sentence("{count} rejected")
COUNTS = {
    "imported": Sentence("{count} imported"),
    "known": Sentence("{count} known already"),
    "rejected": REJECTED,
}


def check_headings(source: Upload) -> None:
    """Raise BadArguments for a file that does not begin as a CSV file with addresses does.

    Its rows are the task's: they may be many.
    """
    try:
        recognised(headings_of(source))
    except ValueError as error:
        raise BadArguments({"source": str(error)}) from error


@task("Import contacts from {source}", check=check_headings, bind=True)
def import_contacts(self: Any, source: Annotated[Upload, PEOPLE]) -> dict[str, Any]:
    """Import contacts from a CSV file.

    Rows without a valid email address are left out, and given out as a file.

    Args:
        source: UTF-8, with a line of headings: Email, and perhaps Name.
    """
    headings, total = survey(source)
    columns = recognised(headings)
    said = [f"{field} is in the column {headings[at]!r}" for field, at in columns.items()]
    progress.log(f"{total} rows; {', '.join(said)}")
    # Of a task that goes on where another one failed, the rejected rows of both are one file.
    done = progress.saved or {"first_id": self.request.id, "rows": 0, "rejected": 0}
    path = current_app.config["DATA_DIR"] / "contacts.sqlite3"
    owner = getattr(self.request, "headway_owner", None) or ""
    with open_contacts(path, owner, done["first_id"]) as contacts:
        rows = islice(read_rows(source), 1 + done["rows"], None)
        while batch := list(islice(rows, BATCH)):
            rejected = _add(contacts, batch, columns, may_log=done["rejected"] < MAX_LOGGED)
            rows_done = done["rows"] + len(batch)
            done = {**done, "rows": rows_done, "rejected": done["rejected"] + rejected}
            progress.set(done["rows"], total, REJECTED.format(count=done["rejected"]))
            progress.save(done)
        if done["rejected"]:
            progress.file("rejected.csv", _as_file(headings, contacts))
        imported = contacts.count_added()
        contacts.forget_task()
    known = done["rows"] - done["rejected"] - imported
    result = {"imported": imported, "known": known, "rejected": done["rejected"]}
    return {"status": _summary(result), "result": result}


def _summary(result: dict[str, int]) -> str:
    counts = {what: count for what, count in result.items() if count or what == "imported"}
    return ", ".join(COUNTS[what].format(count=count) for what, count in counts.items())


def _add(
    contacts: Contacts, batch: list[tuple[int, list[str]]], columns: dict[str, int], may_log: bool
) -> int:
    """Store a batch of rows, and return how many of them were rejected."""
    found: list[Contact] = []
    rejected: list[Rejected] = []
    for line, cells in batch:
        values = {field: cells[at].strip() for field, at in columns.items() if at < len(cells)}
        try:
            found.append(Contact(check_address(values.get("email", "")), values.get("name", "")))
        except BadAddress as error:
            rejected.append(Rejected(line, str(error), cells))
    contacts.add(found, rejected)
    for each in rejected[:MAX_LOGGED] if may_log else ():
        progress.log(f"Line {each.line}: {each.why}", "WARNING")
    return len(rejected)


def _as_file(headings: list[str], contacts: Contacts) -> bytes:
    """Return the rejected rows as CSV, with their lines and why."""
    head = ["Line", "Rejected because", *headings]
    return as_csv([head, *([each.line, each.why, *each.cells] for each in contacts.rejected())])
