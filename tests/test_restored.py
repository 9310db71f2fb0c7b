"""A Redis that was restored from a backup waits for its operator.

One that merely stopped goes on by itself.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from headway.snapshot import Phase
from headway.store.connection import connect
from headway.store.model import Delivery
from headway.store.records import Records
from headway.store.restored import MAX_STATES, NOT_SEEN, Memory, Seen
from tests.by_make import by_make
from tests.by_records import FIRST, MESSAGE, claim, read, start, write
from tests.processes import Valkey, running, wait_for, web, worker
from tests.terminal import call

TOO_MANY = 31  # sweeps that a Redis does not lose by merely stopping


def sweep(records: Records, seen: Seen = NOT_SEEN):
    records.client.set("headway:last_sweep", records.clock.now() - 500_000)
    records.client.delete("headway:grace", "headway:leader")
    return records.maintenance.sweep("leader", seen=seen)


def go_back(records: Records, sweeps: int) -> Seen:
    """Be as restored from a state so many sweeps ago; returns what a worker remembers."""
    seen = sweep(records).seen
    records.client.set("headway:generation", seen.sweeps)
    return Seen(seen.epoch, seen.sweeps + sweeps)


def test_each_sweep_counts_and_extra_ones_in_a_row_do_not(records: Records):
    first = sweep(records).seen
    assert sweep(records).seen == Seen(first.epoch, first.sweeps + 1)
    assert records.maintenance.sweep("leader").seen.sweeps == first.sweeps + 1


def test_a_redis_that_lost_its_last_seconds_goes_on(records: Records):
    seen = go_back(records, TOO_MANY - 2)

    assert not sweep(records, seen).paused
    assert records.maintenance.paused() is None


def test_other_data_is_not_compared(records: Records):
    seen = go_back(records, 1000)
    for other in (NOT_SEEN, Seen("another", 10_000)):
        assert not sweep(records, other).paused
    records.client.flushall()  # emptied, not restored

    assert not sweep(records, seen).paused


def test_what_was_restored_waits_until_it_is_resumed(records: Records):
    scheduled = start(records, when="+60000000")
    lost = start(records)
    claim(records, lost, FIRST)
    seen = go_back(records, 1000)
    records.client.zadd("headway:outbox", {scheduled: 1})
    records.client.zadd("headway:leases", {lost: 1})

    swept = sweep(records, seen)

    assert swept.paused
    assert (swept.due, swept.exhausted) == ([], [])
    assert (read(records, scheduled).phase, read(records, lost).phase) == ("scheduled", "running")
    assert records.queries.overview()["paused"]
    assert {json.loads(snapshot)["task_id"] for snapshot in records.maintenance.unended()} == {
        scheduled,
        lost,
    }
    assert sweep(records).paused  # also to a worker that remembers nothing

    assert records.maintenance.resume()
    assert not records.maintenance.resume()
    swept = sweep(records, seen)  # the same memory does not pause it again
    assert not swept.paused
    assert [task_id for task_id, _ in swept.due] in ([scheduled, lost], [lost, scheduled])
    assert not records.queries.overview()["paused"]


@pytest.mark.parametrize("known", [True, False])
def test_a_message_that_is_taken_while_paused_is_kept_and_sent_later(records: Records, known: bool):
    task_id = start(records) if known else "without-a-record"
    sweep(records, go_back(records, TOO_MANY))

    assert claim(records, task_id, FIRST) == "paused"
    assert read(records, task_id).phase == "queued"
    assert sweep(records).due == []

    records.maintenance.resume()
    assert [found for found, _ in sweep(records).due] == [task_id]
    assert claim(records, task_id, Delivery("second")) == "claimed"


def test_a_task_that_is_cancelled_while_paused_never_runs(records: Records):
    task_id = start(records)
    sweep(records, go_back(records, TOO_MANY))
    claim(records, task_id, FIRST)

    assert records.cancel(task_id).outcome == "cancelled"

    records.maintenance.resume()
    assert sweep(records).due == []
    assert claim(records, task_id, Delivery("second")) == "final"


def test_a_run_that_a_worker_has_held_all_along_ends_while_paused(records: Records):
    task_id = start(records)
    assert claim(records, task_id, FIRST) == "claimed"
    sweep(records, go_back(records, TOO_MANY))

    assert claim(records, task_id, FIRST) == "claimed"  # its reply was lost
    assert claim(records, task_id, Delivery("second")) == "running"
    assert write(records, task_id, FIRST, Phase.SUCCEEDED)


def test_a_claim_waits_for_the_first_sweep_after_an_outage(records: Records):
    def claim_patiently() -> str:
        names = {"message": MESSAGE, "max_attempts": 4, "hostname": "here"}
        return records.runs.claim(task_id, FIRST, "run", **names, patient=True)

    task_id = start(records)
    records.client.set("headway:last_sweep", records.clock.now() - 6_000_000)
    assert claim_patiently() == "early"
    sweep(records)

    assert claim_patiently() == "claimed"


# The memory


def test_a_memory_outlives_its_process_and_keeps_the_newest(tmp_path: Path):
    first = Memory(tmp_path / "data")
    second = Memory(tmp_path / "data")
    first.note(Seen("a", 5))
    first.save()
    second.note(Seen("a", 3))
    second.save()
    assert recalled(tmp_path / "data", "a") == Seen("a", 5)

    second.note(Seen("b", 1))  # other data
    second.save()
    assert recalled(str(tmp_path / "data"), "b") == Seen("b", 1)


def test_projects_that_share_a_folder_leave_each_others_memory(tmp_path: Path):
    for epoch in ("one", "two"):
        memory = Memory(tmp_path)
        memory.note(Seen(epoch, 7))
        memory.save()

    assert recalled(tmp_path, "one") == Seen("one", 7)
    assert recalled(tmp_path, "two") == Seen("two", 7)
    assert recalled(tmp_path, "three") == NOT_SEEN


def test_a_shared_file_keeps_the_latest_hundred(tmp_path: Path):
    for number in range(MAX_STATES + 5):
        memory = Memory(tmp_path)
        memory.note(Seen(f"data {number}", 7))
        memory.save()

    kept = [
        number for number in range(MAX_STATES + 5) if recalled(tmp_path, f"data {number}").epoch
    ]
    assert kept == list(range(5, MAX_STATES + 5))


def test_what_an_earlier_version_has_saved_is_read(tmp_path: Path):
    (tmp_path / "redis-seen.json").write_text('{"epoch": "a", "generation": 5}')

    assert recalled(tmp_path, "a") == Seen("a", 5)


def recalled(folder: Path | str, epoch: str) -> Seen:
    """Return what a new process knows of this data."""
    memory = Memory(folder)
    memory.recall(epoch)
    return memory.seen


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"epoch": 1}', '{"epoch": "a", "generation": "x"}', '{"a": "x"}', "null"],
)
def test_a_file_that_makes_no_sense_is_no_memory(tmp_path: Path, text: str):
    (tmp_path / "redis-seen.json").write_text(text)

    assert recalled(tmp_path, "a") == NOT_SEEN


def test_without_a_folder_or_with_one_that_cannot_be_written_it_is_in_memory(tmp_path: Path):
    (tmp_path / "file").write_text("")
    for memory in (Memory(None), Memory(tmp_path / "file" / "data")):
        memory.note(Seen("a", 5))
        memory.save()
        assert memory.seen == Seen("a", 5)


# The commands


def test_make_paused_and_make_resume(records: Records, env: dict[str, str]):
    assert by_make("paused", env).stdout == "Nothing is paused.\n"
    task_id = start(records)
    sweep(records, go_back(records, TOO_MANY))

    listed = by_make("paused", env)

    assert listed.returncode == 0, listed.stderr
    assert task_id in listed.stdout
    assert "`resume` lets this task go on." in listed.stdout
    assert by_make("resume", env).stdout == "Resumed: what waited goes on.\n"
    assert by_make("resume", env).stdout == "Nothing is paused.\n"


def test_headway_paused_and_headway_resume(records: Records, redis_url: str):
    start(records, title="Stocktake")
    start(records, title="Export")
    sweep(records, go_back(records, TOO_MANY))

    listed = call("--redis-url", redis_url, "paused")
    assert (listed.exit_code, listed.stderr) == (0, "")
    assert "`resume` lets these 2 tasks go on." in listed.stdout
    assert "Stocktake" in listed.stdout
    assert call("--redis-url", redis_url, "resume").stdout == "Resumed: what waited goes on.\n"
    assert call("--redis-url", redis_url, "paused").stdout == "Nothing is paused.\n"
    assert call("--redis-url", redis_url, "resume").stdout == "Nothing is paused.\n"


def test_a_redis_that_is_away_is_said_in_one_line(env: dict[str, str]):
    away = by_make("resume", env | {"REDIS_URL": "redis://127.0.0.1:1/0"})

    assert away.returncode != 0
    assert away.stderr.count("\n") == 1


# The whole


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Valkey]:
    (tmp_path / "valkey").mkdir()
    server = Valkey(tmp_path / "valkey")
    yield server
    server.stop()


@contextmanager
def worker_of(tmp_path: Path, env: dict[str, str]) -> Iterator:
    with running(worker(tmp_path, env)) as process:
        yield process


def test_emails_that_went_out_after_the_backup_do_not_go_out_again(own: Valkey, tmp_path: Path):
    env = {
        "REDIS_URL": own.url,
        "DATA_DIR": str(tmp_path / "data"),
        "SECRET_KEY": "a secret for the tests",
        "LONG_TASK_STEPS": "1",
        "LONG_TASK_STEP_SECONDS": "0",
    }
    process, address = web(tmp_path, env)
    with running(process):
        http = requests.Session()
        http.get(address, timeout=10)
        task_id = http.post(f"{address}/longtask", timeout=10).json()["task_id"]

        def phase() -> str:
            return str(http.get(f"{address}/status/{task_id}", timeout=10).json()["phase"])

        client = connect(own.url)
        client.set("headway:epoch", "data", nx=True)
        backup = {
            key: client.dump(key)
            for key in client.scan_iter("*")
            if not key.startswith("headway:leader")
        }
        with worker_of(tmp_path, env):
            wait_for(lambda: phase() == "succeeded", 30)
            client.set("headway:generation", 1000)  # it worked for some minutes
            saved = tmp_path / "data" / "redis-seen.json"
            wait_for(
                lambda: saved.exists() and max(json.loads(saved.read_text()).values()) >= 1000, 30
            )
        client.flushall()
        for key, value in backup.items():
            client.restore(key, 0, value)
        assert phase() == "queued"

        with worker_of(tmp_path, env) as second:
            wait_for(lambda: "restored from a backup" in second.output(), 30)
            wait_for(lambda: client.zscore("headway:outbox", task_id) is not None, 30)
            assert phase() == "queued"
            # A page shows the server as it was at the last heartbeat.
            wait_for(lambda: "paused: see make paused" in http.get(address, timeout=10).text)
            Records(client, 7).maintenance.resume()
            wait_for(lambda: phase() == "succeeded", 30)
        client.close()


def test_a_redis_that_is_killed_and_started_again_goes_on_by_itself(own: Valkey):
    records = Records(connect(own.url), 7)
    seen = sweep(records).seen
    own.restart(signal.SIGKILL)

    assert not sweep(records, seen).paused
    records.client.close()
