"""The bench's own parts: what it counts, what it calls met, what it writes into the document."""

from __future__ import annotations

import json
import statistics
from itertools import pairwise
from pathlib import Path

import pytest

from bench import docs, model, schedule
from bench.rows import tokens
from bench.swarm import HEADWAY, Crowd, Swarm, Viewer
from bench.table import Comparison, Row, for_terminal
from tests.processes import free_port

COSTS = {
    "task_us": 200.0,
    "web_one_viewer_us": 90.0,
    "web_crowd_us": 30.1,
    "crowd": 500,
    "redis_unwatched_us": 60.0,
    "redis_watched_us": 70.0,
    "socket_kb": 30.0,
}


class Wire:
    """A socket that gives what a server has said, in pieces, and keeps what it is told."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = pieces
        self.sent = b""

    def recv(self, _: int) -> bytes:
        return self.pieces.pop(0)

    def send(self, data: bytes) -> None:
        self.sent += data


def frame(text: str) -> bytes:
    data = text.encode()
    return (
        b"\x81"
        + (bytes([len(data)]) if len(data) < 126 else b"\x7e" + len(data).to_bytes(2, "big"))
        + data
    )


@pytest.mark.parametrize("size", [1, 3, 7, 64, 4096])
def test_a_viewer_reads_what_comes_however_it_is_cut(size: int):
    pushed = [f'42["snapshot",{{"status":"{"x" * n} @{n}"}}]' for n in (5, 50, 500)]
    said = b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + b"".join(
        map(frame, ['0{"sid":"a"}', '40{"sid":"b"}', '430[{"snapshots":[]}]', "2", *pushed, "2"])
    )
    crowd = Crowd(HEADWAY, 1)
    viewer = Viewer(crowd, ["room"])
    wire = Wire([said[at : at + size] for at in range(0, len(said), size)])
    viewer.socket = wire  # type: ignore[assignment]  # all that is asked of it

    while wire.pieces:
        assert viewer.take()

    assert (viewer.ready, crowd.events, viewer.last) == (True, 3, 500)
    assert wire.sent.count(b"\x81\x81\0\0\0\x003") == 2


def test_a_server_that_is_not_there_is_said():
    crowd = Crowd(HEADWAY, free_port())

    with pytest.raises(Exception, match="0 of 3 viewers"):
        Swarm().add(crowd, [["room"]] * 3, seconds=0.2)


@pytest.mark.parametrize(
    ("figure", "bar", "at_least", "verdict"),
    [
        (35.0, 0.35, False, "met"),
        (36.0, 0.35, False, "NOT MET"),
        (300.0, 3.0, True, "met"),
        (299.0, 3.0, True, "NOT MET"),
        (299.0, None, False, ""),
    ],
)
def test_a_bar_is_for_the_ratio(figure: float, bar: float | None, at_least: bool, verdict: str):
    assert Comparison("it", figure, "µs", "peer", 100.0, bar, at_least).verdict == verdict


def test_a_busy_client_and_a_row_that_did_not_run_are_seen_in_the_table():
    table = for_terminal([Row("busy", client=0.9), Row("broken", failure="no Node")])

    assert "CLIENT AT 90% OF A CORE" in table
    assert "COULD NOT RUN" in table
    assert "no Node" in table


def test_the_model_is_fitted_to_what_the_rows_cost():
    costs = model.Costs.of([Row("some", costs=COSTS)])

    assert costs is not None
    assert costs.web_report + costs.web_viewer == pytest.approx(90.0)
    assert costs.web_report / 500 + costs.web_viewer == pytest.approx(30.1)
    assert costs.redis_full() == pytest.approx(10_000)
    assert model.Costs.of([Row("none")]) is None


def test_a_saved_run_fills_the_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    document = tmp_path / "performance.md"
    document.write_text(docs.DOCUMENT.read_text())
    monkeypatch.setattr(docs, "DOCUMENT", document)
    row = Row("a row", [Comparison("it", 1.0, "µs", "peer", 2.0, 0.6)], ["a note"], COSTS)
    found = json.loads(
        json.dumps(
            {"at": "now", "quick": False, "machine": {"cores": "2"}, "rows": [row.as_dict()]}
        )
    )

    for _ in range(2):  # the second time it replaces what the first has written
        docs.write(found)

    text = document.read_text()
    assert text.count("| it | 1.00 µs | peer | 2.00 µs | 0.500 × | ≤ 0.6 × | met |") == 1
    assert text.count("- a row: a note") == 1
    assert "about 10,000 reports a second" in text


@pytest.mark.parametrize("rate", [100.0, 1000.0])
def test_reports_at_random_times_come_at_the_rate_and_in_order(rate: float):
    rooms = [f"room-{n}" for n in range(20)]

    found = schedule.at_random(rooms, rate, seconds=60.0)

    times = [at for at, _ in found]
    gaps = [later - at for at, later in pairwise(times)]
    assert times == sorted(times)
    assert len(found) == pytest.approx(rate * 60, rel=0.05)
    assert {room for _, room in found} == set(rooms)
    # Of a Poisson process the gaps spread as wide as their mean; evenly paced ones not at all.
    assert statistics.stdev(gaps) == pytest.approx(statistics.mean(gaps), rel=0.1)
    assert found == schedule.at_random(rooms, rate, seconds=60.0)


def test_evenly_paced_reports_reach_each_room():
    assert schedule.evenly(["a", "b"], 2.0, seconds=2.0) == [
        (0.0, "a"),
        (0.5, "b"),
        (1.0, "a"),
        (1.5, "b"),
    ]
    assert schedule.evenly(["a", "b"], 1.0, seconds=0.0) == [(0.0, "a"), (1.0, "b")]


def test_a_word_is_drawn_when_it_or_a_later_one_is():
    drawn = [[1.0, 101.1], [3.0, 103.2]]  # by a clock that is 100 s ahead

    found = tokens.drawn_after([1.0, 2.0, 3.0], drawn, 100.0)

    assert found == pytest.approx([0.1, 1.2, 0.2])
