"""A save that Redis does not take at once: it is stored with what belongs to it, or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from celery.exceptions import Ignore

from headway import progress
from headway.store.errors import RedisUnavailable
from headway.store.model import Outcome, StateWrite
from headway.store.output import OutputRecords
from headway.store.records import Records
from headway.store.runs import RunRecords
from tests.test_checkpoints import Killed, Runs, runs
from tests.test_saved_streams import text_of

__all__ = ["runs"]


class Away:
    """A Redis that does not take some saves at once, and may be late with them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.refusals = 0  # of the saves that come next
        self.refused: list[StateWrite] = []
        begin = RunRecords.begin_write

        def begin_write(
            runs: RunRecords, write: StateWrite, *more: Any, **about: Any
        ) -> Callable[[], Outcome]:
            if write.saved and self.refusals:
                self.refusals -= 1
                self.refused.append(write)
                raise RedisUnavailable("away")
            return begin(runs, write, *more, **about)

        monkeypatch.setattr(RunRecords, "begin_write", begin_write)


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Away:
    return Away(monkeypatch)


@pytest.fixture
def no_text_once(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Text that Redis refuses: each of the names in the list once."""
    names: list[str] = []
    write = OutputRecords.write_stream

    def refuse(
        output: OutputRecords, task_id: str, delivery: Any, name: str, *more: Any, **about: Any
    ) -> Any:
        if name in names:
            names.remove(name)
            raise RedisUnavailable("away")
        return write(output, task_id, delivery, name, *more, **about)

    monkeypatch.setattr(OutputRecords, "write_stream", refuse)
    return names


@pytest.mark.parametrize("refused", ["save", "text", "neither"])
def test_a_task_with_a_stream_writes_on_when_its_save_is_stored(
    runs: Runs,
    records: Records,
    away: Away,
    no_text_once: list[str],
    refused: str,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("headway.celery.run.streams.RunStreams.flush", lambda self: None)
    seen: list[Any] = []

    def body() -> None:
        seen.append(progress.saved)
        out = progress.stream("answer")
        if progress.saved is None:
            out.write("kept, ")
            away.refusals = 2 if refused == "save" else 0
            no_text_once.extend(["answer"] if refused == "text" else [])
            progress.save(1)
            out.write("lost")
            raise Killed
        out.write("and on")

    runs(body)
    assert text_of(records, runs.task_id) == "kept, lost"
    runs(body)

    assert seen == [None, 1]
    assert text_of(records, runs.task_id) == "kept, and on"


def test_what_a_task_without_streams_saved_is_stored_before_its_end(
    runs: Runs, records: Records, away: Away
):
    seen: list[Any] = []

    def body() -> None:
        seen.append(progress.saved)
        away.refusals = 3
        progress.save(1)
        raise Killed

    runs(body)
    runs(body)

    assert seen == [None, 1]


def test_a_stream_begins_when_what_was_saved_before_is_stored(
    runs: Runs, records: Records, away: Away
):
    def body() -> None:
        if progress.saved is None:
            away.refusals = 3
            progress.save(1)
            progress.stream("answer").write("lost")
            raise Killed
        progress.stream("answer").write("kept")

    runs(body)
    runs(body)

    assert text_of(records, runs.task_id) == "kept"


def test_a_task_asks_when_what_it_saved_is_stored(runs: Runs, records: Records, away: Away):
    def body() -> None:
        away.refusals = 3
        progress.save(1)
        progress.ask("Go on?")

    with pytest.raises(Ignore, match="waiting"):
        runs(body)

    saved = records.client.hget(f"headway:task:{runs.task_id}", "saved")
    assert json.loads(saved)["value"] == 1


def test_a_save_that_comes_after_the_next_one_is_none(runs: Runs, records: Records, away: Away):
    seen: list[Any] = []

    def body() -> None:
        seen.append(progress.saved)
        if progress.saved is None:
            away.refusals = 1
            progress.save(1)
            progress.save(2)
            progress.flush()
            assert records.runs.write(away.refused[0]) == "written"
            raise Killed

    runs(body)
    runs(body)

    assert seen == [None, 2]


def test_a_save_that_comes_after_more_text_is_none(
    runs: Runs, records: Records, away: Away, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("headway.celery.run.progress_sender.FLUSH_SECONDS", 0.0)  # each item saves
    killed: list[int] = []

    def body() -> None:
        out = progress.stream("answer")
        for item in progress.track(range(4), resume=True):
            out.write(f"<{item}")
            progress.flush()
            if not killed and item == 2:
                away.refusals = 1
            elif not killed and item == 3:
                killed.append(item)
                records.runs.write(away.refused[0])
                raise Killed
            out.write(">")

    runs(body)
    runs(body)

    assert text_of(records, runs.task_id) == "<0><1><2><3>"
