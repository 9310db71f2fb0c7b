"""What a run writes to its streams: kept to the byte, in few pushes, whatever Redis does."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from io import UnsupportedOperation
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery, current_task
from celery.exceptions import Ignore

from headway import masking, progress
from headway.celery.run import streams, text_stream
from headway.celery.run.runs import Run, Stopped
from headway.store.errors import RedisUnavailable
from headway.store.model import MAX_CALL_BYTES
from headway.store.output import OutputRecords
from headway.store.records import Records
from tests.bodies import read, run
from tests.processes import Valkey, wait_for
from tests.streamed import events, text_of


def test_what_a_run_writes_is_kept_to_the_byte_and_pushed_in_few_pieces(
    celery: Celery, records: Records
):
    tokens = [f"Wört {n} 🙂\r\n" for n in range(20_000)]

    def body() -> None:
        with progress.stream("answer") as out:
            for token in tokens:
                assert out.write(token) == len(token)
            print("and", 3, "words\0", file=out, flush=True)
            out.writelines(["a", "b"])

    with events(records) as seen:
        began = time.monotonic()
        task_id = run(celery, body)
        seconds = time.monotonic() - began
        pushed = seen()

    whole = "".join(tokens) + "and 3 words\0\nab"
    assert text_of(records, task_id) == whole
    assert "".join(event["text"] for event in pushed) == whole
    assert [event["offset"] for event in pushed[1:]] == [
        event["offset"] + len(event["text"].encode()) for event in pushed[:-1]
    ]
    assert [event["closed"] for event in pushed] == [False] * (len(pushed) - 1) + [True]
    of_calls = len(whole.encode()) / MAX_CALL_BYTES
    assert len(pushed) <= 30 * seconds + of_calls + 2
    state = read(records, task_id).streams["answer"]
    assert (state["length"], state["closed"]) == (len(whole.encode()), True)


def test_text_is_pushed_at_most_thirty_times_a_second(celery: Celery, records: Records):
    with events(records) as seen:

        def body() -> None:
            out = progress.stream("answer")
            end = time.monotonic() + 0.5
            while time.monotonic() < end or len(seen()) < 3:
                out.write(".")
                time.sleep(0.0005)

        began = time.monotonic()
        run(celery, body)
        seconds = time.monotonic() - began
        pushed = seen()

    assert len(pushed) <= 30 * seconds + 2


def test_text_is_seen_while_its_task_goes_on(celery: Celery, records: Records):
    def body() -> None:
        out = progress.stream("answer")
        task_id = current_task.request.id
        for text in ("first", "firstsecond"):
            out.write(text.removeprefix("first") or text)
            wait_for(lambda text=text: text in texts(task_id))
        assert read(records, task_id).streams["answer"]["closed"] is False

    def texts(task_id: str) -> list[str]:
        found = records.queries.read_streams(task_id, {})
        return [page["text"] for page in found.values()]

    task_id = run(celery, body)

    assert read(records, task_id).streams["answer"]["closed"] is True  # with the run's end


@pytest.mark.usefixtures("hasty_redis")
def test_a_task_waits_for_a_redis_that_is_away_and_loses_nothing(
    celery: Celery, records: Records, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(text_stream, "MAX_UNSENT_CHARS", 1000)
    word = "0123456789"
    count = 0
    waiting = threading.Event()

    def body() -> None:
        nonlocal count
        out = progress.stream("answer")
        out.write("begin ")
        wait_for(lambda: records.queries.read_streams(current_task.request.id, {}))
        valkey.freeze()
        waiting.set()
        for _ in range(500):
            count += 1
            out.write(word)

    def thaw() -> None:
        waiting.wait(20)
        try:
            wait_for(lambda: count == 102)  # 1001 characters wait, and a word that finds no room
        finally:
            valkey.thaw()

    with ThreadPoolExecutor(1) as pool:
        thawed = pool.submit(thaw)
        task_id = run(celery, body)
        thawed.result()

    assert text_of(records, task_id) == "begin " + word * 500


def test_a_run_whose_stream_is_full_goes_on(celery: Celery, records: Records):
    celery.conf.headway_stream_max_bytes = 10
    done: list[int] = []

    def body() -> None:
        out = progress.stream("answer")
        for _ in range(30):
            out.write("x" * text_stream.MAX_UNSENT_CHARS)
            done.append(1)

    task_id = run(celery, body)

    assert len(done) == 30
    assert text_of(records, task_id).startswith("x" * 10 + "\n[This stream ends")


def test_what_redis_has_lost_is_marked_and_what_follows_is_kept(
    celery: Celery, records: Records, valkey: Valkey
):
    def body() -> None:
        out = progress.stream("answer")
        out.write("0123456789")
        wait_for(lambda: records.queries.read_streams(current_task.request.id, {}))
        valkey.empty()
        out.write("the rest")

    task_id = run(celery, body)

    assert text_of(records, task_id) == (
        "\n[10 bytes are missing here: Redis has lost them.]\nthe rest"
    )


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_a_secret_is_masked_however_it_is_cut(
    celery: Celery, records: Records, monkeypatch: pytest.MonkeyPatch, parts: int
):
    masking.set_secrets("test", ["s3cret-word"])
    text = "a s3cret-word, http://ada:pw@host/ hwt_abc.def- and s3cr"
    size = -(-len(text) // parts)

    def body() -> None:
        out = progress.stream("answer")
        for n in range(parts):
            out.write(text[n * size : (n + 1) * size])
            progress.flush()

    try:
        task_id = run(celery, body)
    finally:
        masking.set_secrets("test", [])

    assert text_of(records, task_id) == "a ***, http://***@host/ *** and s3cr"


def test_a_cancelled_run_ends_at_its_next_word_and_what_it_wrote_stays(
    celery: Celery, records: Records, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(streams.RunStreams, "flush", lambda self: None)
    stopped: list[str] = []

    def body() -> None:
        out = progress.stream("answer")
        out.write("the last words")
        records.cancel(current_task.request.id)
        progress.set(status="and on")
        progress.flush()  # whose answer is that it is cancelled
        try:
            out.write("more")
        except Stopped:
            stopped.append(current_task.request.id)
            raise

    with pytest.raises(Ignore, match="cancelling"):
        run(celery, body)

    [task_id] = stopped
    assert text_of(records, task_id) == "the last words"
    assert read(records, task_id).phase == "cancelled"
    assert read(records, task_id).streams["answer"]["closed"] is True


def test_a_run_that_only_writes_is_stopped_too(celery: Celery, records: Records):
    def body() -> None:
        out = progress.stream("answer")
        records.cancel(current_task.request.id)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            out.write(".")

    with pytest.raises(Ignore, match="cancelling"):
        run(celery, body)


def test_a_run_ends_when_its_text_is_stored(
    celery: Celery, records: Records, monkeypatch: pytest.MonkeyPatch
):
    write = OutputRecords.write_stream
    refusals = iter(range(3))

    def away_for_a_while(self: OutputRecords, *args: Any, **about: Any) -> Any:
        if next(refusals, None) is not None:
            raise RedisUnavailable("away")
        return write(self, *args, **about)

    def body() -> None:
        monkeypatch.setattr(OutputRecords, "write_stream", away_for_a_while)
        progress.stream("answer").write("the last words")

    task_id = run(celery, body)

    assert text_of(records, task_id) == "the last words"


def test_streams_refuse_what_makes_no_sense(celery: Celery):
    def body() -> None:
        out = progress.stream("answer")
        with pytest.raises(TypeError, match="takes text, not bytes"):
            out.write(b"bytes")  # type: ignore[arg-type]
        out.close()
        with pytest.raises(ValueError, match="closed"):
            out.write("more")
        progress.stream("answer").write("more")
        for name in ("", "a b", "a/b", "ä", "x" * 65, ".", "..", None, 5):
            with pytest.raises(ValueError, match="no name of a stream"):
                progress.stream(name)
        for n in range(15):
            progress.stream(f"stream-{n}")
        with pytest.raises(ValueError, match="at most 16"):
            progress.stream("one-more")

    run(celery, body)


def test_a_program_cannot_write_to_a_stream_and_is_told_what_can(celery: Celery):
    def body() -> None:
        out = progress.stream("answer")
        with pytest.raises(UnsupportedOperation, match=r"progress\.run\(command\)"):
            subprocess.run([sys.executable, "-c", ""], stdout=out, check=True)

    run(celery, body)


def test_outside_a_task_what_is_written_is_ignored():
    with progress.stream("answer") as out:
        assert out.write("nothing") == 7
        print("nothing", file=out)
    assert out.closed


def test_a_fault_in_sending_costs_the_text_and_not_the_task(
    celery: Celery, records: Records, monkeypatch: pytest.MonkeyPatch, caplog: Any
):
    def fail(self: OutputRecords, *args: Any, **about: Any) -> Any:
        raise LookupError("no such function")

    def body() -> None:
        monkeypatch.setattr(OutputRecords, "write_stream", fail)
        out = progress.stream("answer")
        for _ in range(5):
            out.write("x" * text_stream.MAX_UNSENT_CHARS)

    task_id = run(celery, body)

    assert read(records, task_id).streams == {}
    [line] = [line for line in caplog.messages if "is cut off" in line]
    assert line == f"The stream answer of task {task_id} is cut off"


def test_a_child_process_is_told_that_it_has_no_streams():
    child = Run(None, SimpleNamespace(id="task"))

    with pytest.raises(RuntimeError, match="run's own process"):
        streams.open_stream(child, "answer")
