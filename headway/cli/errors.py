"""Exit codes of the terminal's commands, and errors as one line each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

import click

from headway.exceptions import ConfigError
from headway.masking import mask
from headway.push.follow import UnknownTask
from headway.snapshot import Phase, visible_line
from headway.store.errors import SENTENCES, RedisUnavailable
from headway.store.model import TooLate


class ExitCode(IntEnum):
    """The exit codes; docs/terminal.md says the same."""

    DONE = 0
    FAILED = 1
    USAGE = 2  # click's own
    CANCELLED = 3
    UNKNOWN = 4
    UNAVAILABLE = 5
    INTERRUPTED = 130  # as a shell has it for Ctrl-C


EXIT_OF = {
    Phase.SUCCEEDED: ExitCode.DONE,
    Phase.FAILED: ExitCode.FAILED,
    Phase.CANCELLED: ExitCode.CANCELLED,
}


class Failure(click.ClickException):
    """An error of a command, as one line of visible characters without secrets."""

    def __init__(self, message: str, code: ExitCode) -> None:
        super().__init__(mask(visible_line(message)))
        self.exit_code = code  # type: ignore[misc]  # click has a class for each code


class Command(click.Command):
    """A command whose errors are one line each."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with translated_errors():
            return super().invoke(ctx)


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn the exceptions that a command may raise into a Failure."""
    try:
        yield
    except ConfigError as error:
        raise Failure(str(error), ExitCode.USAGE) from error
    except UnknownTask as error:
        raise Failure(
            f"There is no task {error}, or it is kept no longer.", ExitCode.UNKNOWN
        ) from error
    except RedisUnavailable as error:
        raise Failure(f"{SENTENCES[error.reason]}: {error}", ExitCode.UNAVAILABLE) from error
    except TooLate as error:
        raise Failure(
            "Redis took too long, and nothing was started.", ExitCode.UNAVAILABLE
        ) from error
    except KeyboardInterrupt:
        raise Failure("Interrupted.", ExitCode.INTERRUPTED) from None
