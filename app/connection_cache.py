"""Keeps an SMTP session open for the next message."""

from __future__ import annotations

import threading
from typing import Any

from app.smtp import SMTPSession

KEEP_SECONDS = 5.0  # how long a session stays open without a message


class ConnectionCache:
    """Caches one open SMTP session, so that a bulk mailing connects once and not per message."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._host: SMTPSession | None = None
        self._settings: Any = None
        self._timer: threading.Timer | None = None

    def take(self, settings: Any) -> SMTPSession | None:
        """Take the open session out, if its settings are these; close any other."""
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
        """Keep a session for KEEP_SECONDS; close the one that was kept before."""
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
