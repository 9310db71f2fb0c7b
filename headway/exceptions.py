"""The exceptions that Headway raises for its callers to catch."""

from __future__ import annotations

import signal
from contextlib import suppress
from pathlib import PurePath
from subprocess import CalledProcessError


class HeadwayError(Exception):
    """Anything that Headway refuses or cannot do."""


class ConfigError(HeadwayError, ValueError):
    """A setting that cannot be used; the message names it and says what to do."""


class OutcomeUnknown(HeadwayError):
    """A side effect may or may not have taken place, and nobody can know; see `progress.once`."""


class UploadExpired(HeadwayError):
    """The file that a task has as an argument has expired; see `headway.Upload`."""


class Unanswered(HeadwayError):
    """Nobody answered a task's question in time, and it has no default; see `progress.ask`."""


MAX_ERROR_LINES = 5


class ProgramFailed(HeadwayError, CalledProcessError):
    """A program that `progress.run` ran to an exit code but 0; `output` is the end of what it said.

    The message does not hold the command's arguments, among which there may be secrets.
    """

    def __str__(self) -> str:
        """Return the program's name, how it ended and its last lines."""
        name = PurePath(str(self.cmd[0])).name
        end = f"ended with {self.returncode}"
        with suppress(ValueError):
            end = f"was ended by {signal.Signals(-self.returncode).name}"
        last = (self.output or "").splitlines()[-MAX_ERROR_LINES:]
        return "\n".join([f"{name} {end}" + (":" if last else ""), *last])
