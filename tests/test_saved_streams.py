"""What a task writes to its streams goes on at its last save, to the byte."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from headway import masking, progress
from headway.store.records import Records
from tests.test_checkpoints import Killed, Runs, claimed, runs

__all__ = ["runs"]


def text_of(records: Records, task_id: str) -> str:
    return records.queries.read_streams(task_id, {})["answer"]["text"]


@contextmanager
def secret(word: str) -> Iterator[None]:
    masking.set_secrets("test", [word])
    yield
    masking.set_secrets("test", [])


def test_text_since_the_last_save_is_taken_back(runs: Runs, records: Records):
    killed: list[int] = []

    def body() -> None:
        out = progress.stream("answer")
        for page in range(progress.saved or 0, 4):
            out.write(f"Page {page}: ")
            if page == 2 and not killed:
                killed.append(page)
                raise Killed
            out.write("done\n")
            progress.save(page + 1)

    runs(body)
    assert text_of(records, runs.task_id).endswith("done\nPage 2: ")
    runs(body)

    assert text_of(records, runs.task_id) == "".join(f"Page {page}: done\n" for page in range(4))


@pytest.mark.parametrize("seconds", [0.0, 3600.0], ids=["each item", "none of its own accord"])
def test_a_resumable_loop_and_its_text_agree(
    runs: Runs, records: Records, seconds: float, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("headway.celery.run.progress_sender.FLUSH_SECONDS", seconds)
    killed: list[int] = []

    def body() -> None:
        out = progress.stream("answer")
        for item in progress.track(range(6), resume=True):
            out.write(f"<{item}")
            progress.flush()  # as the background threads do at any time
            if item in (2, 4) and item not in killed:
                killed.append(item)
                raise Killed
            out.write(">")

    for _ in range(3):
        runs(body)

    assert killed == [2, 4]
    assert text_of(records, runs.task_id) == "<0><1><2><3><4><5>"


@pytest.mark.parametrize("goes_on", [True, False])
def test_the_end_of_a_text_that_may_begin_a_secret_is_neither_lost_nor_told(
    runs: Runs, records: Records, goes_on: bool
):
    def body() -> None:
        if progress.saved is None:
            progress.stream("answer").write("It is s3cret")
            progress.save("asked")
            kept = records.client.hget(f"headway:task:{runs.task_id}", "saved")
            assert json.loads(kept)["held_back"] == {"answer": "s3cret"}
            raise Killed
        if goes_on:
            progress.stream("answer").write("-word.")

    with secret("s3cret-word"):
        runs(body)
        runs(body)

    told = text_of(records, runs.task_id)
    assert told == (f"It is {masking.MASK}." if goes_on else "It is s3cret")


def test_a_credential_that_a_save_parts_from_its_mark_is_masked(runs: Runs, records: Records):
    def body() -> None:
        if progress.saved is None:
            progress.stream("answer").write("pass")
            progress.save("asked")
            raise Killed
        progress.stream("answer").write("word=hunter2xyz.")

    runs(body)
    runs(body)

    assert text_of(records, runs.task_id) == f"password={masking.MASK}."


def test_other_text_in_a_stream_makes_no_save_a_new_one(runs: Runs, records: Records):
    texts = iter(["It is s3cret", "They say", "p"])

    def body() -> None:
        progress.stream("answer").write(next(texts))
        progress.save("asked")
        raise Killed

    saved_by = []
    with secret("s3cret-word"):
        for _ in range(3):
            runs(body)
            kept = records.client.hget(f"headway:task:{runs.task_id}", "saved")
            saved_by.append(json.loads(kept)["by"])

    assert saved_by[0] == saved_by[1] == saved_by[2]


def test_the_text_of_a_task_that_another_one_replaces_is_taken_back(runs: Runs, records: Records):
    def body() -> None:
        progress.stream("answer").write("mine")
        progress.save("mine")

    runs(body)
    claimed(records, runs.task_id, "another", 1_000_000)

    assert text_of(records, runs.task_id) == ""


def test_a_run_that_leaves_at_a_save_leaves_its_text(runs: Runs, records: Records):
    def body() -> None:
        progress.stream("answer").write("mine")
        records.runs.request_stop([(runs.task_id, runs.fence)])
        progress.save("mine")

    with pytest.raises(Exception, match="requeued"):
        runs(body)
    claimed(records, runs.task_id, "next")

    assert text_of(records, runs.task_id) == "mine"
