"""The session that is left open for the next message."""

from __future__ import annotations

import threading
from typing import Any

from app.smtp import SMTPSession

KEEP_SECONDS = 5.0  # for which a conversation is kept open for the next message


class ConnectionCache:
    """The conversation that this process has left open, so that a bulk mailing does not say
    hello for each message.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._host: SMTPSession | None = None
        self._settings: Any = None
        self._timer: threading.Timer | None = None

    def take(self, settings: Any) -> SMTPSession | None:
        """Return the open conversation, if it is with the server of these settings."""
        with self._lock:
            host = self._host
            self._host = None
            if self._timer:
                self._timer.cancel()
        if host is not None and self._settings != settings:
            host.quit()
            return None
        return host

    def put(self, host: SMTPSession, settings: Any) -> None:
        """Keep a conversation for a while."""
        with self._lock:
            former = self._host
            self._host = host
            self._settings = settings
            self._timer = threading.Timer(KEEP_SECONDS, self._let_go, [host])
            self._timer.daemon = True
            self._timer.start()
        if former is not None:
            former.quit()

    def _let_go(self, host: SMTPSession) -> None:
        with self._lock:
            if self._host is not host:
                return
            self._host = None
        host.quit()
