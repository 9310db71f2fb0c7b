"""A program that a task runs by `progress.run`: its lines, its progress, its end."""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from celery import Celery, current_task
from celery.exceptions import Ignore

from headway import ProgramFailed, progress
from headway.celery.run import runs
from headway.store.records import Records
from tests.bodies import log_of, pushes, read, run
from tests.processes import wait_for


def python(code: str) -> list[str]:
    return [sys.executable, "-u", "-S", "-c", code]


def shell(script: str) -> list[str]:
    return ["sh", "-c", script]


def test_its_lines_are_logged_and_its_progress_is_the_bar(celery: Celery, records: Records):
    script = r"echo begins; printf '10%%\r45%%\r'; echo wrong >&2; printf '\377\n'; printf last"

    def body() -> None:
        done = progress.run(shell(script), status="Packing")
        assert (done.returncode, done.stdout) == (0, "begins\nwrong\n�\nlast")

    with pushes(records) as seen:
        task_id = run(celery, body)
        end = seen()[-1]

    assert (end.current, end.total, end.status) == (45, 100, "Packing")
    texts = [text for _, text in log_of(records, task_id)]
    assert texts == ["begins", "wrong", "�", "last"]


def test_a_second_bar_of_a_program_is_a_bar_of_its_own(celery: Celery, records: Records):
    def body() -> None:
        progress.run(shell("printf '50%%\r100%%\r'; printf '5%%\r7%%\r'"))

    assert read(records, run(celery, body)).current == 7


def test_a_full_pipe_holds_nothing_up_and_what_is_kept_is_bounded(celery: Celery, records: Records):
    code = (
        "import sys\nfor n in range(20000): print(n); print(n, file=sys.stderr)\nprint('x' * 10**6)"
    )

    def body() -> None:
        done = progress.run([sys.executable, "-S", "-c", code])
        assert len(done.stdout.splitlines()) == 100
        assert len(done.stdout) < 500_000

    run(celery, body)


def test_a_failure_says_the_last_lines_and_no_argument(celery: Celery):
    def body() -> None:
        with pytest.raises(subprocess.CalledProcessError) as failure:
            progress.run(shell("for n in 1 2 3 4 5 6 7; do echo line $n; done; exit 3"))
        error = pickle.loads(pickle.dumps(failure.value))
        assert str(error) == "sh ended with 3:\nline 3\nline 4\nline 5\nline 6\nline 7"
        assert (error.returncode, error.cmd[0]) == (3, "sh")
        assert str(ProgramFailed(-9, ["ffmpeg"])) == "ffmpeg was ended by SIGKILL"
        assert progress.run(shell("exit 3"), check=False).returncode == 3
        with pytest.raises(FileNotFoundError):
            progress.run(["no-such-program"])
        for empty in ([], [""], ()):
            with pytest.raises(ValueError, match="takes a program's name"):
                progress.run(empty)
        for text in ("ls -l", b"ls", Path("ls"), None, 5, {"ls"}, iter(["ls"])):
            with pytest.raises(TypeError, match=r"shlex\.split"):
                progress.run(text)

    run(celery, body)


def test_it_asks_nothing_and_gets_its_own_folder_and_environment(celery: Celery, tmp_path: Path):
    def body() -> None:
        done = progress.run(shell("cat; pwd; echo $A"), cwd=tmp_path, env={"A": "b"})
        assert done.stdout.splitlines() == [str(tmp_path), "b"]

    run(celery, body)


def test_one_that_leaves_a_program_in_the_background_holds_nothing_up(celery: Celery):
    def body() -> None:
        began = time.monotonic()
        left = progress.run(shell("sleep 60 & echo $!")).stdout
        os.kill(int(left), 9)
        assert time.monotonic() - began < 30

    run(celery, body)


def test_outside_a_task_it_runs_and_prints(capsys: pytest.CaptureFixture[str]):
    progress.run(shell("echo hello; echo 45%"))

    assert capsys.readouterr().out == "hello\n45%\n"


def is_alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.mark.parametrize("way", ["silent", "deaf", "closed"])
def test_a_cancel_ends_it_and_its_children(
    celery: Celery, records: Records, tmp_path: Path, way: str
):
    scripts = {
        "silent": "sleep 60 & echo $! > pid; wait",
        "deaf": "trap '' TERM; sleep 60 & echo $! > pid; while :; do sleep 0.1; done",
        "closed": "exec >&- 2>&-; sleep 60 & echo $! > pid; wait",
    }
    pid = tmp_path / "pid"

    def cancel(task_id: str) -> None:
        wait_for(lambda: pid.exists() and pid.read_text(), 20)
        records.cancel(task_id)

    def body() -> None:
        thread = threading.Thread(target=cancel, args=(current_task.request.id,))
        runs.detached(thread.start)
        progress.run(shell(scripts[way]), cwd=tmp_path)

    with pytest.raises(Ignore):
        run(celery, body)

    wait_for(lambda: not is_alive(int(pid.read_text())), 20)
