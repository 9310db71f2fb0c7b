"""SMTP sessions that know whether the server may have accepted a message."""

from __future__ import annotations

import base64
import hmac
import re
import smtplib
import socket
import ssl
from collections.abc import Callable
from typing import Any

from app.mail_errors import OutcomeUnknown
from app.smtp_replies import ReplyReader

MAX_CHALLENGES = 5  # of a login, as smtplib has it


class SMTPSession(smtplib.SMTP):
    """One SMTP session, which keeps the server's reply to the last message."""

    file: ReplyReader | None
    quit_seconds = 2.0
    messages = 0  # that the server has accepted
    committed = False  # whether the server may have received the current one
    reply: tuple[int, bytes]
    # Called just before the final dot; if it raises, no message is sent.
    commit: Callable[[], None] | None = None

    def getreply(self) -> tuple[int, bytes]:
        """Read a reply as smtplib does, but within the time limit and a bound of its size."""
        if self.file is None and self.sock is not None:
            # Also after STARTTLS: what came before the encryption is nobody's reply.
            self.file = ReplyReader(self.sock)
        if self.file is not None:
            self.file.begin()
        return super().getreply()

    def auth(
        self,
        mechanism: str,
        authobject: Callable[..., str | None],
        *,
        initial_response_ok: bool = True,
    ) -> tuple[int, bytes]:
        """Log in as smtplib does, but in UTF-8 (RFC 4616): smtplib takes ASCII alone."""
        first = authobject() if initial_response_ok else None
        challenges = 0 if first is None else 1
        code, reply = self.docmd(
            "AUTH", mechanism if first is None else f"{mechanism} {_base64(first)}"
        )
        while code == 334 and challenges < MAX_CHALLENGES:
            challenges += 1
            self._auth_challenge_count = challenges  # tells `auth_login` what the server asks for
            try:
                challenge = base64.decodebytes(reply)
            except ValueError:
                raise smtplib.SMTPAuthenticationError(code, reply) from None
            code, reply = self.docmd(_base64(authobject(challenge) or ""))
        if code in (235, 503):
            return code, reply
        raise smtplib.SMTPAuthenticationError(code, reply)

    def auth_cram_md5(  # type: ignore[override]  # as smtplib calls it, in one signature
        self, challenge: bytes | None = None
    ) -> str | None:
        """Return the response to a CRAM-MD5 challenge."""
        if challenge is None:
            return None
        return f"{self.user} {hmac.new(self.password.encode(), challenge, 'md5').hexdigest()}"

    def data(self, msg: Any) -> tuple[int, bytes]:
        """Send the message, bytes with CRLF line ends, and its final dot separately.

        Until the dot a broken session is harmless; from the dot on it raises OutcomeUnknown. Raises
        also what `commit` raises.
        """
        code, text = self.docmd("DATA")
        if code != 354 or self.sock is None:
            raise smtplib.SMTPDataError(code, text)
        # Otherwise the dot waits 40 ms for the message's ACK.
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.send(re.sub(rb"(?m)^\.", b"..", msg.removesuffix(b"\r\n") + b"\r\n"))
        if self.commit:
            try:
                self.commit()
            except BaseException:
                self.close()  # a QUIT would become part of the message
                raise
        self.committed = True
        try:
            self.send(b".\r\n")
            code, text = self.getreply()
        except Exception as cut:  # also a task's time limit: the message is out in any case
            raise OutcomeUnknown from cut
        if code == 250:
            self.reply = code, text
            self.messages += 1
        elif not 400 <= code < 600:
            raise OutcomeUnknown
        return code, text

    def quit(self) -> tuple[int, bytes]:
        """Send QUIT and close; the message's outcome is settled, so errors are ignored."""
        try:
            if self.sock is not None:
                self.sock.settimeout(min(self.timeout, self.quit_seconds))
            return super().quit()
        except OSError:
            return 221, b""
        finally:
            self.close()


class TLSSession(SMTPSession, smtplib.SMTP_SSL):
    """An SMTP session that is encrypted from its first byte."""


def open_session(
    host: str, port: int, local_hostname: str | None, seconds: float, *, use_ssl: bool
) -> SMTPSession:
    """Connect, and return the session after the server's greeting. Raises OSError."""
    if not use_ssl:
        return SMTPSession(host, port, local_hostname, timeout=seconds)
    context = ssl.create_default_context()
    return TLSSession(host, port, local_hostname, timeout=seconds, context=context)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
