"""Runs a program whose output goes live: its lines into the log, its progress into the bar."""

from __future__ import annotations

import codecs
import os
import selectors
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from math import inf
from os import PathLike
from pathlib import PurePath

from headway.bars import Section
from headway.capture.bars import Bar
from headway.capture.lines import Line, LineSplitter
from headway.capture.measures import Measure, MeasureReader, is_field
from headway.celery.run.programs import MARK
from headway.celery.run.sections import find
from headway.exceptions import ProgramFailed
from headway.values import as_text

Argument = str | bytes | PathLike[str] | PathLike[bytes]

READ_BYTES = 64 * 1024
POLL_SECONDS = 0.2  # between looks at whether the program or its run has ended
ASK_SECONDS = 1.0  # a silent program's run asks the record this often
END_SECONDS = 2.0  # for which a program may take to end before it is killed
MAX_LAST_LINES = 100  # of the output, which the result has


def run(
    command: Sequence[Argument],
    *,
    status: str = "",
    duration: float | None = None,
    check: bool = True,
    cwd: str | PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; show what it prints in the log, and its progress as a bar.

    `status` names the bar, else the program's name does. `duration`, in seconds, is that of what
    ffmpeg makes, where it is not its input's. The result's `stdout` holds the last 100 lines of
    stdout and stderr. Outside a task the output is printed.

    Raises ProgramFailed, a CalledProcessError, for an exit code but 0, unless `check` is False;
    OSError for a program that cannot be started; TypeError for a command that is no list,
    ValueError for an empty one; Stopped, once the program has been ended.
    """
    if isinstance(command, str | bytes) or not isinstance(command, Sequence):
        raise TypeError("progress.run takes a list; of a text, shlex.split makes one.")
    if not command or not os.fsdecode(command[0]):
        raise ValueError("progress.run takes a program's name, and its arguments after it.")
    output = _Output(status or PurePath(os.fsdecode(command[0])).name, duration)
    try:
        with _started(command, cwd, env) as process:
            output.read(process)
            code = process.wait()
    finally:
        output.close()
    if check and code:
        raise ProgramFailed(code, list(command), "\n".join(output.last))
    return subprocess.CompletedProcess(list(command), code, "\n".join(output.last))


@contextmanager
def _started(
    command: Sequence[Argument],
    cwd: str | PathLike[str] | None,
    env: Mapping[str, str] | None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program in a process group of its own, which ends with the block."""
    if env is not None and MARK in os.environ:  # by which the programs of a killed run are found
        env = {**env, MARK: os.environ[MARK]}
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,  # it would wait for ever for an answer to a question
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=cwd,
        env=env,
        process_group=0,
    )
    with process:
        try:
            yield process
        except BaseException:
            _end(process)
            raise


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program and its group: politely, then by force."""
    _signal_group(process, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_SECONDS)
    _signal_group(process, signal.SIGKILL)  # what is left of it


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


class _Output:
    """Takes what a program prints."""

    def __init__(self, name: str, duration: float | None) -> None:
        self.last: deque[str] = deque(maxlen=MAX_LAST_LINES)
        self._name = name
        self._reader = MeasureReader(duration)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._splitter = LineSplitter()
        self._bar: Bar | None = None
        self._shown = 0.0
        self._asked_at = time.monotonic()
        self._ended_at = inf
        self._around = find()

    def read(self, process: subprocess.Popen[bytes]) -> None:
        """Read the output to the program's end. Raises Stopped if the run has to end."""
        with selectors.DefaultSelector() as selector:
            assert process.stdout is not None
            selector.register(process.stdout, selectors.EVENT_READ)
            while self._read_some(process, selector):
                self._check()
        while process.poll() is None:  # it has closed its output, and goes on
            with suppress(subprocess.TimeoutExpired):
                process.wait(POLL_SECONDS)
            self._check()

    def _read_some(
        self, process: subprocess.Popen[bytes], selector: selectors.BaseSelector
    ) -> bool:
        """Read what there is; return whether there may be more."""
        now = time.monotonic()
        has_ended = process.poll() is not None
        ready = selector.select(POLL_SECONDS)
        if has_ended:
            # What it has left in the background keeps the output open.
            self._ended_at = min(self._ended_at, now)
            if not ready or now - self._ended_at > END_SECONDS:
                return False
        for key, _ in ready:
            data = os.read(key.fd, READ_BYTES)
            self._take(self._decoder.decode(data))
            return bool(data)
        return True

    def close(self) -> None:
        """Take the last line, if it has no end, and end the bar."""
        self._take(self._decoder.decode(b"", final=True))
        for line in self._splitter.close():
            self._line(line)
        if self._bar is not None:
            self._bar.close()

    def _take(self, text: str) -> None:
        for line in self._splitter.feed(text):
            self._line(line)
        if drawn := self._splitter.drawn():
            self._measure(drawn, is_drawn=True)

    def _line(self, line: Line) -> None:
        has_measure = self._measure(line.text, is_drawn=line.is_drawn or not line.is_final)
        if not line.is_final or not line.text or is_field(line.text):
            return
        if line.is_drawn and has_measure:
            return
        self.last.append(line.text)
        if self._around is None:
            print(line.text, file=sys.stdout)
        else:
            self._around.run.buffer.log("INFO", as_text(line.text) or "")

    def _measure(self, text: str, *, is_drawn: bool) -> bool:
        """Show the progress that a text holds; return whether it holds any."""
        measure = self._reader.read(text, is_drawn=is_drawn)
        if measure is not None and self._around is not None:
            self._show(self._around, measure)
        return measure is not None

    def _show(self, around: Section, measure: Measure) -> None:
        if self._bar is not None and measure.current < self._shown:  # it begins something else
            self._bar.close()
            self._bar = None
        self._shown = measure.current
        if self._bar is None:
            self._bar = Bar(around, self._name, *measure)
        else:
            self._bar.show(self._name, *measure)

    def _check(self) -> None:
        """Raise Stopped if the run has to end."""
        if self._around is None:
            return
        run = self._around.run
        run.check()
        now = time.monotonic()
        if now - self._asked_at >= ASK_SECONDS:
            self._asked_at = now
            run.sender.ask()
