"""A task's snapshot says which files it has given out, so that cards list them."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from headway.snapshot import Phase, Snapshot
from headway.store.model import Delivery, Source, StateWrite
from headway.store.records import Records
from tests import by_hand
from tests.by_hand import HERE, claimed_by, shown
from tests.large import MESSAGE

ODD = "<b>\"ä🙂'.csv"


@pytest.fixture
def task_id(client: FlaskClient, records: Records) -> str:
    return claimed_by(client, records)


def note(records: Records, task_id: str, *names: str, delivery: Delivery = HERE) -> None:
    for size, name in enumerate(names, 1):
        noted = records.files.note(task_id, delivery, name, size, "text/csv", "0" * 32)
        assert noted[0] == "written"


def read(records: Records, task_id: str) -> Snapshot:
    found = shown(records, task_id)
    assert found is not None
    return found


def test_a_snapshot_has_the_first_files_and_their_count(records: Records, task_id: str):
    assert read(records, task_id).files is None
    before = read(records, task_id).version

    note(records, task_id, ODD, "b", "c", "d")
    by_hand.write(records, task_id, 5)

    first = [{"name": ODD, "size": 1}, {"name": "b", "size": 2}, {"name": "c", "size": 3}]
    snapshot = read(records, task_id)
    assert snapshot.files == {"count": 4, "first": first}
    assert (snapshot.current, snapshot.phase) == (5, Phase.RUNNING)
    assert snapshot.version > before
    by_hand.write(records, task_id, 5, Phase.SUCCEEDED)
    assert read(records, task_id).files == {"count": 4, "first": first}


def test_files_of_one_moment_keep_the_order_in_which_they_were_given(
    records: Records, task_id: str
):
    names = list("hgfedcba")

    note(records, task_id, *names)

    assert [file.name for file in records.files.of(task_id)] == names
    files = read(records, task_id).files
    assert files is not None
    assert [one["name"] for one in files["first"]] == names[:3]


def test_a_file_that_replaces_another_is_listed_once(records: Records, task_id: str):
    note(records, task_id, "a")
    note(records, task_id, "b", "a")

    files = read(records, task_id).files
    assert files is not None
    assert (files["count"], {one["name"]: one["size"] for one in files["first"]}) == (
        2,
        {"a": 2, "b": 1},  # in any order: both may have come in one millisecond
    )


def test_a_task_that_starts_over_shows_none(records: Records):
    for send in ("one", "two"):
        about: Any = {"message": MESSAGE, "max_attempts": 4, "hostname": "test"}
        records.runs.claim("again", Delivery(send), send, source=Source(send), **about)
        assert read(records, "again").files is None
        note(records, "again", "a", delivery=Delivery(send))
        end = StateWrite("again", Delivery(send), Phase.SUCCEEDED, {}, "{}", "t", 4)
        records.runs.write(end)


def test_what_is_damaged_among_them_is_left_out(records: Records, task_id: str):
    records.client.hset(records.keys.record(task_id), "files", '{"x":"junk","y":7}')

    note(records, task_id, "a")

    assert read(records, task_id).files == {"count": 3, "first": [{"name": "a", "size": 1}]}


def test_the_page_lists_them_before_its_script_runs(
    client: FlaskClient, records: Records, task_id: str
):
    note(records, task_id, ODD, "b", "c", "d", "e")

    page = client.get("/", headers={"Accept": "text/html"}).get_data(as_text=True)

    address = f"/tasks/{task_id}/files/%3Cb%3E%22%C3%A4%F0%9F%99%82&#39;.csv"
    assert f'<a href="{address}" download>&lt;b&gt;&#34;ä🙂&#39;.csv</a> 1' in page
    assert f'<a href="/tasks/{task_id}#files">2 more</a>' in page
