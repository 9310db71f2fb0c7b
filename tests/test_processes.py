"""The tests' own processes: what they hide would be missed everywhere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.forkserver import ForkedProcess, server_for
from tests.processes import ROOT, Process

# Notes each question for the environment that a file of Headway's asks while it is imported.
NOTE_QUESTIONS = """
import os, sys
from importlib import import_module
ask = os._Environ.__getitem__
def note(environ, name):
    frame = sys._getframe(1)
    while frame:
        module = frame.f_globals.get("__name__", "")
        if frame.f_code.co_name == "<module>" and module.partition(".")[0] in ("app", "headway"):
            print(module, "asks for", name)
            break
        if frame.f_code.co_name == "<module>" and module != "__main__":
            break  # a library's own
        frame = frame.f_back
    return ask(environ, name)
os._Environ.__getitem__ = note
for module in sys.argv[1:]:
    import_module(module)
"""
# Importing it runs it.
PROGRAMS = {"headway/__main__.py"}


IN_A_CHILD = "import os; os.fork() and sys.exit(os.wait()[1] == 0);"
CRASH = "import ctypes, sys; {by} ctypes.string_at(0)"


@pytest.fixture
def wanted(crashes_are_known: list[subprocess.Popen[bytes]]) -> Iterator[None]:
    """The test crashes a process on purpose."""
    yield
    crashes_are_known.clear()


@pytest.mark.parametrize("end", [Process.stop, Process.kill])
@pytest.mark.parametrize("by", ["", IN_A_CHILD])
def test_a_process_that_crashes_in_native_code_fails_its_test(
    tmp_path: Path, by: str, end: Callable[[Process], None], wanted: None
):
    process = Process([sys.executable, "-c", CRASH.format(by=by)], tmp_path / "log")
    process.popen.wait(20)

    with pytest.raises(AssertionError, match="Segmentation fault"):
        end(process)


def test_one_that_says_nothing_does_too(tmp_path: Path, wanted: None):
    command = ["sh", "-c", "kill -SEGV $$"]
    process = Process(command, tmp_path / "log")
    process.popen.wait(20)

    with pytest.raises(AssertionError, match=r"crashed \(-11\)"):
        process.kill()


def test_a_crash_of_any_child_is_known_and_says_where(
    crashes_are_known: list[subprocess.Popen[bytes]], wanted: None
):
    said = subprocess.run([sys.executable, "-c", CRASH.format(by="")], capture_output=True)

    assert [process.returncode for process in crashes_are_known] == [-signal.SIGSEGV]
    assert b"Segmentation fault" in said.stderr


@pytest.mark.parametrize("mask", [0o037, 0o023])  # the server itself has but one
def test_what_is_forked_has_the_mask_of_who_starts_it(tmp_path: Path, mask: int):
    program = tmp_path / "program.py"
    program.write_text("import os\nprint(oct(os.umask(0)))")
    before = os.umask(mask)
    try:
        with (tmp_path / "log").open("wb") as output:
            process = ForkedProcess(
                "threading",
                [sys.executable, str(program)],
                root=tmp_path,
                env=os.environ,
                output=output,
                fds=[],
            )
    finally:
        os.umask(before)

    assert process.wait(20) == 0
    assert (tmp_path / "log").read_text() == f"{oct(mask)}\n"


def test_what_make_exports_keeps_no_program_from_being_forked():
    say = ["make", "--silent", "--eval", "environment: ; @env --null", "environment"]
    said = subprocess.run(say, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    env = dict(line.split("=", 1) for line in said.split("\0") if line)

    assert env["PYTHON"]
    assert server_for([sys.executable, "wsgi.py"], env) == "eventlet"


def test_no_module_of_headways_reads_the_environment_when_it_is_imported():
    files = [*(ROOT / "app").rglob("*.py"), *(ROOT / "headway").rglob("*.py")]
    names = {
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for file in files
        if str(file.relative_to(ROOT)) not in PROGRAMS
    }

    said = subprocess.run(
        [sys.executable, "-c", NOTE_QUESTIONS, *sorted(names)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )

    assert (said.returncode, said.stdout) == (0, ""), said.stderr
