"""Bounds the bodies of requests, and refuses those that a server finds malformed as it reads."""

from __future__ import annotations

from typing import Any

from flask import current_app, request

from headway.settings import MAX_BODY_BYTES


class CheckedInput:
    """A request's `wsgi.input`, whose errors of any kind are an OSError.

    gunicorn, for one, raises errors of its own for a malformed chunk. Werkzeug knows an OSError
    alone, and answers 400.
    """

    def __init__(self, of_server: Any) -> None:
        self._of_server = of_server

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes. Raises OSError."""
        try:
            read: bytes = self._of_server.read(size)
        except Exception as error:
            raise OSError(f"The body cannot be read: {type(error).__name__}") from error
        return read


def bound_body() -> None:
    """Bound the request's body, also where the app lets its own be larger, or of any size."""
    of_app = request.max_content_length
    most = int(current_app.config[MAX_BODY_BYTES.name])
    request.max_content_length = most if of_app is None else min(most, of_app)


def check_body() -> None:
    """Have the request's body refused where it is malformed. Call it before the body is read.

    The servers whose input has `readinto`, by which Werkzeug reads then, raise an OSError.
    """
    environ = request.environ
    if not hasattr(environ["wsgi.input"], "readinto"):
        environ["wsgi.input"] = CheckedInput(environ["wsgi.input"])
