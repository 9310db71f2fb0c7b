"""Flask-Mail with time-outs, verified TLS and the mail server's reply."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from math import inf
from typing import Any, Self

from flask import current_app
from flask_mail import Connection, Mail, Message

from app.connection_cache import ConnectionCache
from app.mail_errors import ErrorTranslator, MailDeferred, MailUnavailable
from app.messages import normalized_sender
from app.smtp import SMTPSession, open_session

CACHE = ConnectionCache()


class TimedConnection(Connection):
    """A connection for messages to one recipient each.

    With several recipients, the refusal of one would be hidden. The SMTP session of the last
    message is reused, if that was sent just now and the server accepted it.
    """

    host: SMTPSession

    def __init__(self, mail: Mail, seconds: float) -> None:
        """Set up; `seconds` is the longest wait for the server at each step."""
        super().__init__(mail)
        self._seconds = seconds
        self._errors = ErrorTranslator(mail.username or "", mail.password or "", seconds)
        self._settings = (
            mail.server,
            mail.port,
            mail.use_tls,
            mail.use_ssl,
            mail.username,
            mail.password,
            seconds,
        )
        self._is_reused = False

    @property
    def reply(self) -> str:
        """The server's reply to the last message it accepted: "250 2.0.0 Ok: queued as 4B1F"."""
        code, text = self.host.reply
        return f"{code} {self._errors.words(text)}"

    def __enter__(self) -> Self:
        """Connect, or reuse a session. Raises MailRefused, MailDeferred, MailUnavailable."""
        cached = CACHE.take(self._settings)
        self._is_reused = cached is not None
        self.host = cached or self._open()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        """Keep the session for the next message; close it after an error or MAIL_MAX_EMAILS."""
        if kind is None and 0 < self.host.messages < (self.mail.max_emails or inf):
            CACHE.put(self.host, self._settings)
        else:
            self.host.quit()

    def send(
        self,
        message: Message,
        envelope_from: str | tuple[str, str] | None = None,
        commit: Callable[[], None] | None = None,
    ) -> None:
        """Send a message to its one recipient; when it returns, the server has accepted it.

        `reply` then holds the server's reply. `commit` is called when only the final dot is
        missing; if it raises, the message is not sent. Raises MailRefused, MailDeferred,
        MailUnavailable, OutcomeUnknown; ValueError for another number of recipients, or without a
        sender.
        """
        if len(message.send_to) != 1:
            raise ValueError("A message goes to one recipient.")
        if not message.sender:
            raise ValueError("A message needs a sender: set MAIL_DEFAULT_SENDER.")
        message.sender = normalized_sender(message.sender)
        try:
            self._send(message, envelope_from, commit)
        except (MailDeferred, MailUnavailable):
            if not self._is_reused or self.host.committed:
                raise
            self.host.quit()  # the server may have ended this session, or accept no more in it
            self._is_reused = False
            self.host = self._open()
            self._send(message, envelope_from, commit)

    def _send(
        self,
        message: Message,
        envelope_from: str | tuple[str, str] | None,
        commit: Callable[[], None] | None,
    ) -> None:
        self.host.commit = commit
        self.host.committed = False
        # So that Flask-Mail, which counts too, does not reconnect before `reply` is read.
        self.num_emails = -1
        with self._errors.sending():
            super().send(message, envelope_from)

    def _open(self) -> SMTPSession:
        """Connect, encrypt and log in; unlike Flask-Mail's, it never prints the session.

        The session contains the password.
        """
        name = current_app.config.get("MAIL_LOCAL_HOSTNAME") or None
        with self._errors.sending(), self._errors.connecting():
            host = open_session(
                self.mail.server, self.mail.port, name, self._seconds, use_ssl=self.mail.use_ssl
            )
            try:
                if self.mail.use_tls:
                    host.starttls(context=ssl.create_default_context())
                host.ehlo_or_helo_if_needed()
                if self.mail.username and self.mail.password:
                    host.login(self.mail.username, self.mail.password)
            except BaseException:
                host.close()
                raise
        return host


class TimedMail(Mail):
    """Flask-Mail's `Mail` with our connections.

    Use: `with mail.connect() as connection: connection.send(message)`, then `connection.reply`.
    """

    def connect(self) -> TimedConnection:
        return TimedConnection(
            current_app.extensions["mail"], current_app.config["MAIL_TIMEOUT_SECONDS"]
        )
