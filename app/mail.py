"""Flask-Mail with time-outs and verified TLS, and what the answers of a mail server mean."""

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
from app.smtp import SMTPSession, TLSSession

SUPPRESSED = "Not sent: MAIL_SUPPRESS_SEND is set"
CACHE = ConnectionCache()


class TimedConnection(Connection):
    """A connection for messages to one recipient each, since a refusal of one among several would
    be hidden.

    The conversation goes on where the last message's left off, if that was just now and the server
    took it.
    """

    host: SMTPSession | None

    def __init__(self, mail: Mail, seconds: float) -> None:
        """`seconds`: the longest wait for the server at each step."""
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
        self._goes_on = False

    @property
    def reply(self) -> str:
        """The server's answer to the last message that it took: "250 2.0.0 Ok: queued as 4B1F"."""
        if self.host is None or self.host.reply is None:
            return SUPPRESSED
        code, text = self.host.reply
        return f"{code} {self._errors.words(text)}"

    def __enter__(self) -> Self:
        """Connect. Raises MailRefused, MailDeferred, MailUnavailable."""
        self.host = None if self.mail.suppress else CACHE.take(self._settings)
        self._goes_on = self.host is not None
        if not self._goes_on:
            with self._errors.sending():
                super().__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        """Leave the conversation open for the next message.

        Say goodbye after a fault, and after as many as allowed.
        """
        if self.host is None:
            return
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
        """Send a message to its one recipient.

        Returning means that the server took it, as `reply` says.

        `commit` is called when nothing but the final dot is missing; if it raises, the message is
        not sent. Raises MailRefused, MailDeferred, MailUnavailable, OutcomeUnknown; ValueError for
        another number of recipients.
        """
        if len(message.send_to) != 1:
            raise ValueError("A message goes to one recipient.")
        if not message.sender:
            raise ValueError("A message needs a sender: set MAIL_DEFAULT_SENDER.")
        message.sender = normalized_sender(message.sender)
        try:
            self._send(message, envelope_from, commit)
        except (MailDeferred, MailUnavailable):
            if self.host is None or not self._goes_on or self.host.committed:
                raise
            self.host.quit()  # the server may have had enough of this conversation, or ended it
            self._goes_on = False
            with self._errors.sending():
                self.host = self.configure_host()
            self._send(message, envelope_from, commit)

    def _send(
        self,
        message: Message,
        envelope_from: str | tuple[str, str] | None,
        commit: Callable[[], None] | None,
    ) -> None:
        if self.host is not None:
            self.host.commit = commit
            self.host.committed = False
        # so that Flask-Mail, which counts too, does not close and open before `reply` is read
        self.num_emails = -1
        with self._errors.sending():
            super().send(message, envelope_from)

    def configure_host(self) -> SMTPSession:
        """Connect, encrypt and log in. Never prints the conversation, which holds the password."""
        server = str(self.mail.server)
        port = int(self.mail.port)
        name = current_app.config.get("MAIL_LOCAL_HOSTNAME") or None
        host: SMTPSession
        with self._errors.connecting():
            if self.mail.use_ssl:
                context = ssl.create_default_context()
                host = TLSSession(server, port, name, timeout=self._seconds, context=context)
            else:
                host = SMTPSession(server, port, name, timeout=self._seconds)
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
    """Flask-Mail's `Mail`: `with mail.connect() as connection: connection.send(message)`, then
    `connection.reply`.
    """

    def connect(self) -> TimedConnection:
        return TimedConnection(
            current_app.extensions["mail"], current_app.config["MAIL_TIMEOUT_SECONDS"]
        )
