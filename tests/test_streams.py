"""What a run writes to its streams: kept to the byte, pushed to viewers, cut back by an attempt."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest
from celery import Celery, current_task

from headway import masking, progress
from headway.celery import streams
from headway.celery.runs import Stopped
from headway.store.model import Delivery, Outcome
from headway.store.records import Records
from tests.bodies import live_celery, read, run
from tests.by_hand import HERE, claim, subscribed
from tests.processes import Valkey, wait_for

Event = dict[str, Any]


@pytest.fixture
def celery(redis_url: str) -> Iterator[Celery]:
    app = live_celery(redis_url)
    yield app
    app.close()


@pytest.fixture
def task_id(records: Records) -> str:
    """A claimed task; the test writes in the place of its run."""
    task_id = str(uuid4())
    claim(records, task_id)
    return task_id


def text_of(records: Records, task_id: str, name: str = "answer") -> str:
    return records.queries.read_streams(task_id, {})[name]["text"]


def write(
    records: Records,
    task_id: str,
    before: int,
    text: str,
    *,
    closes: bool = False,
    max_bytes: int = 1000,
    delivery: Delivery = HERE,
) -> str:
    return records.runs.write_stream(
        task_id, delivery, "answer", before, text.encode(), closes=closes, max_bytes=max_bytes
    )


@contextmanager
def events(records: Records) -> Iterator[Callable[[], list[Event]]]:
    """Give a function that returns all `stream` events that have been published so far."""
    seen: list[Event] = []
    with subscribed(records, "flask-socketio:task:*") as pubsub:

        def so_far() -> list[Event]:
            while message := pubsub.get_message(timeout=0.05):
                kind, payload = json.loads(message["data"])
                if kind == "stream":
                    seen.append(payload)
            return seen

        yield so_far


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
    of_calls = len(whole.encode()) / streams.MAX_CALL_BYTES
    assert len(pushed) <= 30 * seconds + of_calls + 2
    state = read(records, task_id).streams["answer"]
    assert (state["length"], state["closed"]) == (len(whole.encode()), True)


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


def test_a_task_waits_for_a_redis_that_is_away_and_loses_nothing(
    celery: Celery, records: Records, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(streams, "MAX_UNSENT_CHARS", 1000)
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


def test_text_that_is_sent_again_is_stored_once(records: Records, task_id: str):
    assert write(records, task_id, 0, "one ") == "written"
    assert write(records, task_id, 0, "one ") == "written"  # its reply was lost
    assert write(records, task_id, 0, "one two") == "written"
    assert write(records, task_id, 7, "!", closes=True) == "written"

    assert text_of(records, task_id) == "one two!"


def test_a_full_stream_ends_with_a_mark_within_no_character(records: Records, task_id: str):
    assert write(records, task_id, 0, "ab", max_bytes=7) == "written"
    assert write(records, task_id, 2, "🙂🙂", max_bytes=7) == "full"
    assert write(records, task_id, 10, "more", max_bytes=7) == "full"

    whole = text_of(records, task_id)
    assert whole == "ab🙂\n[This stream ends here: its limit is 7 bytes.]\n"
    assert read(records, task_id).streams["answer"]["closed"] is True


def test_a_run_whose_stream_is_full_goes_on(celery: Celery, records: Records):
    celery.conf.headway_stream_max_bytes = 10
    done: list[int] = []

    def body() -> None:
        out = progress.stream("answer")
        for _ in range(30):
            out.write("x" * streams.MAX_UNSENT_CHARS)
            done.append(1)

    task_id = run(celery, body)

    assert len(done) == 30
    assert text_of(records, task_id).startswith("x" * 10 + "\n[This stream ends")


def test_a_new_attempt_cuts_each_stream_back_and_says_so(records: Records, task_id: str):
    write(records, task_id, 0, "of the first attempt")
    before = records.queries.read_streams(task_id, {})["answer"]
    records.maintenance.release([(task_id, HERE.token)])
    assert text_of(records, task_id) == "of the first attempt"  # until the next one begins

    with events(records) as seen:
        again = Delivery("again", 0)
        message = {"task": "t", "args": [], "kwargs": {}, "options": {"queue": "celery"}}
        claimed = records.runs.claim(
            task_id, again, "run 2", message=message, max_attempts=4, hostname="test"
        )
        assert claimed == Outcome.CLAIMED
        assert write(records, task_id, 20, "late") == "superseded"
        assert write(records, task_id, 0, "of the second", delivery=again) == "written"
        pushed = seen()

    cut, text = pushed
    assert (cut["offset"], cut["text"]) == (0, "")
    assert cut["epoch"] == text["epoch"] > before["epoch"]
    assert text_of(records, task_id) == "of the second"
    # A viewer who missed that cut and asks for what follows its bytes gets all.
    had = {"answer": (5, before["epoch"])}
    assert records.queries.read_streams(task_id, had)["answer"]["text"] == "of the second"
    had = {"answer": (5, cut["epoch"])}
    assert records.queries.read_streams(task_id, had)["answer"]["text"] == "e second"


def test_a_stream_is_read_from_whole_characters_on(records: Records, task_id: str):
    write(records, task_id, 0, "a🙂bü")

    def part(offset: int, most: int = 100) -> tuple[int, str, int]:
        page = records.queries.read_streams(task_id, {"answer": (offset, None)}, max_bytes=most)
        found = page["answer"]
        return found["offset"], found["text"], found["next"]

    assert [part(n)[:2] for n in (1, 2, 4, 5)] == [(1, "🙂bü"), (1, "🙂bü"), (1, "🙂bü"), (5, "bü")]
    assert part(99) == (8, "", 8)
    assert [part(0, most)[1] for most in (0, 1, 4, 5, 7)] == ["", "a", "a", "a🙂", "a🙂b"]


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
    masking.keep("test", ["s3cret-word"])
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
        masking.keep("test", [])

    assert text_of(records, task_id) == "a ***, http://***@host/ *** and s3cr"


def test_a_cancelled_run_ends_at_its_next_word_and_its_text_stays(celery: Celery, records: Records):
    ends: list[str] = []

    def body() -> None:
        out = progress.stream("answer")
        out.write("so far")
        records.cancel(current_task.request.id)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                out.write(".")
            except Stopped:
                ends.append(current_task.request.id)
                raise

    with pytest.raises(Exception, match="cancelling"):
        run(celery, body)

    [task_id] = ends
    assert text_of(records, task_id).startswith("so far.")
    assert read(records, task_id).phase == "cancelled"
    assert read(records, task_id).streams["answer"]["closed"] is True


def test_streams_refuse_what_makes_no_sense(celery: Celery):
    def body() -> None:
        out = progress.stream("answer")
        with pytest.raises(TypeError, match="takes text, not bytes"):
            out.write(b"bytes")  # type: ignore[arg-type]
        out.close()
        with pytest.raises(ValueError, match="closed"):
            out.write("more")
        progress.stream("answer").write("more")
        for name in ("", "a b", "a/b", "ä", "x" * 65):
            with pytest.raises(ValueError, match="no name of a stream"):
                progress.stream(name)
        for n in range(15):
            progress.stream(f"stream-{n}")
        with pytest.raises(ValueError, match="at most 16"):
            progress.stream("one-more")

    run(celery, body)


def test_outside_a_task_what_is_written_is_ignored():
    with progress.stream("answer") as out:
        assert out.write("nothing") == 7
        print("nothing", file=out)
    assert out.closed
