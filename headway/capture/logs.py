"""Passes the log records of runs on to their logs."""

from __future__ import annotations

import logging

from headway.capture.captured import captured

# Celery's is what it makes of what is printed, which is captured by itself.
OURS = ("headway", "celery.redirected")


class RunLogHandler(logging.Handler):
    """Adds a record of a captured run to its log; others are passed over."""

    def emit(self, record: logging.LogRecord) -> None:
        """Add a record, with its traceback if it has one."""
        run = captured()
        if run is None or record.name.startswith(OURS):
            return
        try:
            run.log(record.levelname, self.format(record).rstrip())
        except Exception:
            self.handleError(record)


_handler = RunLogHandler()
_loggers: list[logging.Logger] = []  # those that have it


def install() -> None:
    """Have the records of all loggers pass through the handler: of those that pass on theirs too.

    Celery's for tasks does not.
    """
    for logger in (logging.getLogger(), *_ends()):
        if _handler not in logger.handlers:
            logger.addHandler(_handler)
            _loggers.append(logger)


def remove() -> None:
    """Undo `install`."""
    for logger in _loggers:
        logger.removeHandler(_handler)
    _loggers.clear()


def _ends() -> list[logging.Logger]:
    """Return the loggers whose records go no further up."""
    known = list(logging.Logger.manager.loggerDict.values())
    return [each for each in known if isinstance(each, logging.Logger) and not each.propagate]
