"""`headway watch`: what it shows, how it ends, and that it misses nothing."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from headway.cli import drawing
from headway.push import checks, follow
from headway.snapshot import Phase
from headway.store.connection import connect
from headway.store.keys import room
from headway.store.queries import Queries
from headway.store.records import Records
from headway.throttled import ThrottledLogger
from tests.by_hand import shown
from tests.processes import Valkey
from tests.terminal import TASK_ID, call, meanwhile, report, running, snapshots


@pytest.fixture
def watch(redis_url: str) -> Any:
    return partial(call, "--redis-url", redis_url, "watch", TASK_ID)


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[Valkey]:
    """A Valkey that the test may stop."""
    server = Valkey(tmp_path)
    yield server
    server.stop()


@pytest.mark.parametrize(
    ("phase", "fields", "code", "words"),
    [
        (Phase.SUCCEEDED, {"result": [1, "two"]}, 0, 'succeeded   100 %  [1,"two"]'),
        (
            Phase.FAILED,
            {"error": {"type": "ValueError", "message": "no"}},
            1,
            "failed       37 %  ValueError: no",
        ),
        (Phase.CANCELLED, {"status": "Cancelled"}, 3, "cancelled    37 %  Cancelled"),
    ],
)
def test_the_exit_code_says_how_it_ended(
    records: Records, watch: Any, phase: Phase, fields: dict[str, Any], code: int, words: str
):
    running(records)
    report(records, current=37, total=100)
    report(records, phase, **fields)

    result = watch()

    assert (result.exit_code, result.stderr) == (code, "")
    [line] = result.stdout.splitlines()
    time, _, said = line.partition("  ")
    assert re.fullmatch(r"[\d-]+T[\d:.]+Z", time)
    assert said == words


def test_each_push_is_a_line_until_the_end(records: Records, watch: Any):
    running(records)
    steps = [partial(report, records, current=n, total=4, status=f"step {n}") for n in range(1, 4)]

    with meanwhile(*steps, partial(report, records, Phase.SUCCEEDED, result=42)):
        result = watch()

    assert result.exit_code == 0
    said = [line.partition("  ")[2] for line in result.stdout.splitlines()]
    assert said == [
        "running",
        "running      25 %  step 1",
        "running      50 %  step 2",
        "running      75 %  step 3",
        "succeeded   100 %  42",
    ]


def test_what_is_no_event_is_counted_and_said_once(
    records: Records, watch: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(checks, "logger", ThrottledLogger(checks.logger._logger))
    running(records)
    channel = records.keys.channel(room("task", TASK_ID))
    junk = ("junk", '["snapshot",{}]', f'["log",{{"task_id":"{TASK_ID}","lines":[]}}]')

    with meanwhile(
        *(partial(records.client.publish, channel, text) for text in junk),
        partial(report, records, Phase.SUCCEEDED, result=42),
    ):
        assert watch().exit_code == 0

    [said] = [record.getMessage() for record in caplog.records]
    assert said.endswith(f"the last one came in the room task:{TASK_ID}")
    assert next(checks._refused) == int(said.split()[1]) + 2  # both junk, the log is none


def test_it_says_100_percent_at_the_end_only(records: Records, watch: Any):
    running(records)
    report(records, current=4, total=4, status="almost")

    with meanwhile(partial(report, records, Phase.SUCCEEDED, result=42)):
        result = watch()

    said = [line.partition("  ")[2] for line in result.stdout.splitlines()]
    assert said == ["running      99 %  almost", "succeeded   100 %  42"]


def test_with_json_each_line_is_a_snapshot(records: Records, watch: Any):
    running(records)
    before = shown(records, TASK_ID)

    with meanwhile(
        partial(report, records, current=1, total=2), partial(report, records, Phase.FAILED)
    ):
        result = watch("--json")

    seen = snapshots(result)
    assert [one["phase"] for one in seen] == ["running", "running", "failed"]
    assert (seen[0]["version"], seen[1]["current"]) == (before.version, 1)
    assert [one["version"] for one in seen] == sorted({one["version"] for one in seen})
    [stored] = records.read([TASK_ID])
    assert seen[-1] == json.loads(stored.snapshot)


def test_what_is_written_right_after_the_read_is_not_missed(
    records: Records, watch: Any, monkeypatch: pytest.MonkeyPatch
):
    running(records)
    read = Queries.read
    read_once = []

    def read_and_end(own: Queries, *args: Any) -> Any:
        found = read(own, *args)
        if not read_once:
            read_once.append(True)
            report(records, Phase.SUCCEEDED, result=42)
        return found

    monkeypatch.setattr(Queries, "read", read_and_end)
    monkeypatch.setattr(follow, "QUIET_SECONDS", 20.0)  # within which nothing else would tell

    with monkeypatch.context() as patch:
        patch.setattr(follow, "AWAY_SECONDS", 0.0)
        result = watch("--json")

    assert [one["phase"] for one in snapshots(result)] == ["running", "succeeded"]
    assert len(read_once) == 1


def test_a_restart_of_redis_is_waited_for(own_valkey: Valkey):
    with connect(own_valkey.url) as client:
        records = Records(client, ttl_days=1)
        running(records)
        report(records, current=1, total=2)
        restart = partial(own_valkey.restart, signal.SIGTERM)

        with meanwhile(restart, partial(report, records, Phase.SUCCEEDED, result=42)):
            result = call("watch", TASK_ID, HEADWAY_REDIS_URL=own_valkey.url)

    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1].endswith("succeeded   100 %  42")
    assert result.stderr == "(Redis does not answer; waiting for it)\n(Redis answers again)\n"


def test_a_redis_that_stays_away_ends_it(own_valkey: Valkey, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(follow, "AWAY_SECONDS", 0.1)
    with connect(own_valkey.url) as client:
        records = Records(client, ttl_days=1)
        running(records)

        with meanwhile(own_valkey.stop):
            result = call("--redis-url", own_valkey.url, "watch", TASK_ID)

    assert result.exit_code == 5
    assert result.stderr.splitlines()[-1].startswith("Error: Redis does not answer: ")


@pytest.mark.usefixtures("hasty_redis")
def test_a_redis_that_hangs_is_told_at_once(own_valkey: Valkey):
    own_valkey.freeze()
    try:
        result = call("--redis-url", own_valkey.url, "watch", TASK_ID)
    finally:
        own_valkey.thaw()

    assert (result.exit_code, result.stdout) == (5, "")
    assert result.stderr.startswith("Error: Redis does not answer: ")


def test_what_is_read_again_is_not_said_again(
    records: Records, watch: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(follow, "QUIET_SECONDS", 0.01)
    running(records)
    reads = []
    read = follow._read

    def read_and_end(records: Records, task_id: str) -> follow.Update:
        reads.append(True)
        if len(reads) == 4:
            report(records, Phase.SUCCEEDED)
        return read(records, task_id)

    monkeypatch.setattr(follow, "_read", read_and_end)

    result = watch("--json")

    assert [one["phase"] for one in snapshots(result)] == ["running", "succeeded"]


def test_a_task_that_is_forgotten_ends_it(
    records: Records, watch: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(follow, "QUIET_SECONDS", 0.1)
    running(records)

    with meanwhile(partial(records.forget, TASK_ID)):
        result = watch()

    assert result.exit_code == 4
    assert result.stderr == f"Error: There is no task {TASK_ID}, or it is kept no longer.\n"


@pytest.mark.parametrize("task_id", [TASK_ID, "no such id", "x" * 200])
def test_an_unknown_task_is_one_line(redis_url: str, task_id: str):
    result = call("--redis-url", redis_url, "watch", task_id)

    assert (result.exit_code, result.stdout) == (4, "")
    assert result.stderr == f"Error: There is no task {task_id}, or it is kept no longer.\n"


def test_a_terminal_shows_one_line_that_is_drawn_over(
    records: Records, watch: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(drawing, "is_terminal", lambda _: True)
    running(records, title="Report \x1b[31mfor\x07 May")

    with meanwhile(
        partial(report, records, current=1, total=2, status="half\x1b[2J\u202e way"),
        partial(report, records, Phase.SUCCEEDED, result="\x1b]0;title\x07"),
    ):
        result = watch()

    drawn = result.stdout.split(drawing.CLEAR)
    shown_lines = [
        line.removeprefix(drawing.NO_WRAP).partition(drawing.WRAP)[0] for line in drawn[1:]
    ]
    assert shown_lines == [
        "◐ Report [31mfor May  running  ▕                        ▏",
        "◐ Report [31mfor May  running  ▕████████████            ▏ 50 %  half [2J way",
        "✓ Report [31mfor May  succeeded  ]0;title",
    ]
    assert result.stdout.endswith("\n")


def test_ctrl_c_leaves_the_task_alone_and_says_so(records: Records, redis_url: str, tmp_path: Path):
    running(records)
    terminal, its_end = os.openpty()
    command = [
        Path(sys.executable).with_name("headway"),
        "--redis-url",
        redis_url,
        "watch",
        TASK_ID,
    ]
    said = ""

    with subprocess.Popen(
        command, stdin=its_end, stdout=its_end, stderr=its_end, start_new_session=True
    ) as process:
        os.close(its_end)
        while "▏" not in said:
            said += os.read(terminal, 4096).decode()
        process.send_signal(signal.SIGINT)
        code = process.wait(20)
    said += os.read(terminal, 4096).decode()
    os.close(terminal)

    assert code == 130
    assert said.splitlines()[-1] == "Error: Stopped watching; the task goes on."
    assert drawing.CLEAR in said
    assert shown(records, TASK_ID).phase is Phase.RUNNING


def test_it_ends_with_who_reads_it(records: Records, redis_url: str):
    command = [sys.executable, "-m", "headway", "watch", running(records)]
    environment = os.environ | {"HEADWAY_REDIS_URL": redis_url}

    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        assert "running" in watching.stdout.readline()
        watching.stdout.close()

        assert watching.wait(timeout=30) == 1


@pytest.mark.parametrize("title", ["Report", "A report of all that was sold in the whole year"])
@pytest.mark.parametrize("columns", [40, 60, 80])
def test_a_narrow_terminal_shows_the_percent(records: Records, title: str, columns: int):
    report(records, task_id=running(records, title=title), current=37, total=100)

    line = drawing.bar_line(shown(records, TASK_ID), columns)

    assert line.index("37 %") + len("37 %") <= columns
    assert len(drawing.bar(0.5)) == 24
