"""Flask-Mail with time-outs and verified TLS, and what the answers of a mail server mean."""

from __future__ import annotations

import base64
import hmac
import re
import smtplib
import socket
import ssl
import threading
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.charset import QP, Charset
from email.utils import formataddr, parseaddr
from math import inf
from typing import Any, Self

from flask import current_app
from flask_mail import Connection, Mail, Message

from app import mailbox
from headway.masking import MASK, forms

KEEP_SECONDS = 5.0  # for which a conversation is kept open for the next message
LONGEST_TEXT = 300  # characters of a subject or of a server's words
MOST_CHALLENGES = 5  # of a login, as smtplib has it
LOGIN_WANTED = (530, 538)  # at any command, RFC 4954
REFUSALS: dict[type[smtplib.SMTPResponseException], str] = {
    smtplib.SMTPConnectError: "refuses the connection",
    smtplib.SMTPHeloError: "refuses the name of this host (MAIL_LOCAL_HOSTNAME)",
    smtplib.SMTPAuthenticationError: "refuses the login",
}
REFUSES_TLS = "refuses to encrypt"
SUPPRESSED = "Not sent: MAIL_SUPPRESS_SEND is set"
UNCONFIRMED = "The mail server did not confirm the message: the server may have taken it."

# Quoted-printable: a body may have any character and lines of any length; SMTP takes 998 bytes of 7 bits.
BODY_CHARSET = Charset("utf-8")
BODY_CHARSET.body_encoding = QP


class MailAnswer(Exception):
    """A mail server's answer that is no yes: its `code`, and its `text` in one line."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)
        self.code, self.text = code, text

    def __str__(self) -> str:
        return f"The mail server said: {self.code} {self.text}".rstrip()


class MailRefused(MailAnswer):
    """5xx: the server will never take this message."""


class MailDeferred(MailAnswer):
    """4xx: the server did not take the message, and may do so later."""


class MailUnavailable(Exception):
    """No mail goes to the server now: it is away, broke off, or refuses this host or its login.

    It has not got the message, and the message is not why.
    """


class OutcomeUnknown(Exception):
    """The whole message was sent and no answer came: nobody can know whether the server took it."""

    def __init__(self, text: str = UNCONFIRMED) -> None:
        super().__init__(text)


class Conversation(smtplib.SMTP):
    """One SMTP conversation, which keeps the server's answer to the last message."""

    quit_seconds = 2.0
    messages = 0  # that the server took
    committed = False  # whether the server may have got the present one
    reply: tuple[int, bytes] | None = None
    commit: Callable[[], None] | None = None  # called just before the final dot; if it raises, no message was sent

    def auth(
        self, mechanism: str, authobject: Callable[..., str | None], *, initial_response_ok: bool = True
    ) -> tuple[int, bytes]:
        """Log in as smtplib does, with the user name and the password in UTF-8 (RFC 4616), not in ASCII alone."""
        first = authobject() if initial_response_ok else None
        challenges = 0 if first is None else 1
        code, reply = self.docmd("AUTH", mechanism if first is None else f"{mechanism} {_base64(first)}")
        while code == 334 and challenges < MOST_CHALLENGES:
            challenges += 1
            self._auth_challenge_count = challenges  # by which `auth_login` knows what is asked for
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
        """Answer a challenge of CRAM-MD5."""
        if challenge is None:
            return None
        return f"{self.user} {hmac.new(self.password.encode(), challenge, 'md5').hexdigest()}"

    def data(self, msg: Any) -> tuple[int, bytes]:
        """Send the message, in bytes with CRLF, and then its final dot apart.

        Until the dot a broken conversation is harmless; from the dot on it raises OutcomeUnknown. Raises whatever
        `commit` does.
        """
        code, text = self.docmd("DATA")
        if code != 354 or self.sock is None:
            raise smtplib.SMTPDataError(code, text)
        self.sock.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
        )  # else the dot waits 40 ms for the message's ACK
        self.send(re.sub(rb"(?m)^\.", b"..", msg.removesuffix(b"\r\n") + b"\r\n"))
        if self.commit:
            try:
                self.commit()
            except BaseException:
                self.close()  # a goodbye would become part of the message
                raise
        self.committed = True
        try:
            self.send(b".\r\n")
            code, text = self.getreply()
        except Exception as cut:  # also a time limit: whatever ends the wait, the message is out
            raise OutcomeUnknown from cut
        if code == 250:
            self.reply = code, text
            self.messages += 1
        elif not 400 <= code < 600:
            raise OutcomeUnknown
        return code, text

    def quit(self) -> tuple[int, bytes]:
        """Say goodbye. The message's fate is settled by now, so no error or long silence here matters."""
        try:
            if self.sock is not None:
                self.sock.settimeout(min(self.timeout, self.quit_seconds))
            return super().quit()
        except OSError:
            return 221, b""
        finally:
            self.close()


class TlsConversation(Conversation, smtplib.SMTP_SSL):
    """A conversation that is encrypted from its first byte."""


class Kept:
    """The conversation that this process has left open, so that a bulk mailing does not say hello for each message."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._host: Conversation | None = None
        self._settings: Any = None
        self._timer: threading.Timer | None = None

    def take(self, settings: Any) -> Conversation | None:
        """Return the open conversation, if it is with the server of these settings."""
        with self._lock:
            host, self._host = self._host, None
            if self._timer:
                self._timer.cancel()
        if host is not None and self._settings != settings:
            host.quit()
            return None
        return host

    def put(self, host: Conversation, settings: Any) -> None:
        """Keep a conversation for a while."""
        with self._lock:
            former, self._host, self._settings = self._host, host, settings
            self._timer = threading.Timer(KEEP_SECONDS, self._let_go, [host])
            self._timer.daemon = True
            self._timer.start()
        if former is not None:
            former.quit()

    def _let_go(self, host: Conversation) -> None:
        with self._lock:
            if self._host is not host:
                return
            self._host = None
        host.quit()


KEPT = Kept()


class TimedConnection(Connection):
    """A connection for messages to one recipient each, since a refusal of one among several would be hidden.

    The conversation goes on where the last message's left off, if that was just now and the server took it.
    """

    host: Conversation | None

    def __init__(self, mail: Mail, seconds: float) -> None:
        """`seconds`: the longest wait for the server at each step."""
        super().__init__(mail)
        self._seconds = seconds
        self._settings = mail.server, mail.port, mail.use_tls, mail.use_ssl, mail.username, mail.password, seconds
        self._goes_on = False

    @property
    def reply(self) -> str:
        """The server's answer to the last message that it took: "250 2.0.0 Ok: queued as 4B1F"."""
        if self.host is None or self.host.reply is None:
            return SUPPRESSED
        code, text = self.host.reply
        return f"{code} {self._words(text)}"

    def __enter__(self) -> Self:
        """Connect. Raises MailRefused, MailDeferred, MailUnavailable."""
        self.host = None if self.mail.suppress else KEPT.take(self._settings)
        self._goes_on = self.host is not None
        if not self._goes_on:
            with self._meaning():
                super().__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        """Leave the conversation open for the next message; say goodbye after a fault, and after as many as allowed."""
        if self.host is None:
            return
        if kind is None and 0 < self.host.messages < (self.mail.max_emails or inf):
            KEPT.put(self.host, self._settings)
        else:
            self.host.quit()

    def send(
        self,
        message: Message,
        envelope_from: str | tuple[str, str] | None = None,
        commit: Callable[[], None] | None = None,
    ) -> None:
        """Send a message to its one recipient; returning means that the server took it, as `reply` says.

        `commit` is called when nothing but the final dot is missing; if it raises, the message is not sent. Raises
        MailRefused, MailDeferred, MailUnavailable, OutcomeUnknown; ValueError for another number of recipients.
        """
        if len(message.send_to) != 1:
            raise ValueError("A message goes to one recipient.")
        if not message.sender:
            raise ValueError("A message needs a sender: set MAIL_DEFAULT_SENDER.")
        message.sender = _sender(message.sender)
        try:
            self._send(message, envelope_from, commit)
        except (MailDeferred, MailUnavailable):
            if self.host is None or not self._goes_on or self.host.committed:
                raise
            self.host.quit()  # the server may have had enough of this conversation, or ended it
            self._goes_on = False
            with self._meaning():
                self.host = self.configure_host()
            self._send(message, envelope_from, commit)

    def _send(
        self, message: Message, envelope_from: str | tuple[str, str] | None, commit: Callable[[], None] | None
    ) -> None:
        if self.host is not None:
            self.host.commit, self.host.committed = commit, False
        self.num_emails = -1  # so that Flask-Mail, which counts too, does not close and open before `reply` is read
        with self._meaning():
            super().send(message, envelope_from)

    def configure_host(self) -> Conversation:
        """Connect, encrypt and log in. Never prints the conversation, which holds the password."""
        server, port = str(self.mail.server), int(self.mail.port)
        name = current_app.config.get("MAIL_LOCAL_HOSTNAME") or None
        host: Conversation
        with self._before_any_message():
            if self.mail.use_ssl:
                context = ssl.create_default_context()
                host = TlsConversation(server, port, name, timeout=self._seconds, context=context)
            else:
                host = Conversation(server, port, name, timeout=self._seconds)
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

    @contextmanager
    def _before_any_message(self) -> Iterator[None]:
        """Turn a no that comes before any message, whatever its code, into MailUnavailable."""
        try:
            yield
        except smtplib.SMTPResponseException as error:
            refuses = REFUSALS.get(type(error), REFUSES_TLS)
            words = self._words(error.smtp_error)
            text = f"The mail server {refuses}: {error.smtp_code} {words}".rstrip()
            raise MailUnavailable(text) from None

    @contextmanager
    def _meaning(self) -> Iterator[None]:
        """Turn smtplib's exceptions into this module's."""
        try:
            yield
        except smtplib.SMTPRecipientsRefused as error:
            ((code, text),) = error.recipients.values()
            raise self._no(code, text) from None
        except smtplib.SMTPResponseException as error:
            raise self._no(error.smtp_code, error.smtp_error) from None
        except OSError as error:  # smtplib's other exceptions too
            raise MailUnavailable(self._obstacle(error)) from error

    def _no(self, code: int, text: bytes | str) -> Exception:
        words = self._words(text)
        if code in LOGIN_WANTED:
            return MailUnavailable(f"The mail server wants a login or TLS: {code} {words}")
        if 500 <= code < 600:
            return MailRefused(code, words)
        if 400 <= code < 500:
            return MailDeferred(code, words)
        return MailUnavailable(f"The mail server's answer makes no sense: {words}")

    def _obstacle(self, error: OSError) -> str:
        cause: BaseException = error
        if isinstance(error, smtplib.SMTPServerDisconnected) and isinstance(error.__context__, OSError):
            cause = error.__context__  # behind which smtplib hides a time-out
        if isinstance(cause, TimeoutError):
            return f"The mail server did not answer within {self._seconds:g} s."
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"The mail server's certificate is not trusted: {self._words(cause.verify_message)}."
        if isinstance(cause, ssl.SSLError):
            return f"The mail server does not speak TLS as it should: {self._words(cause.reason or str(cause))}."
        if isinstance(cause, smtplib.SMTPServerDisconnected | ConnectionResetError | BrokenPipeError):
            return "The mail server closed the connection."
        if type(cause) in (smtplib.SMTPNotSupportedError, smtplib.SMTPException):
            return f"The mail server cannot do what the settings ask for: {self._words(str(cause))}"
        return f"The mail server cannot be reached: {self._words(getattr(cause, 'strerror', None) or str(cause))}."

    def _words(self, text: bytes | str) -> str:
        return server_words(text, self.mail.username or "", self.mail.password or "")


class TimedMail(Mail):
    """Flask-Mail's `Mail`: `with mail.connect() as connection: connection.send(message)`, then `connection.reply`."""

    def connect(self) -> TimedConnection:
        return TimedConnection(current_app.extensions["mail"], current_app.config["MAIL_TIMEOUT_SECONDS"])


def server_words(text: bytes | str, username: str, password: str) -> str:
    """Return a server's words as one line; some servers repeat what they did not understand, secrets and all."""
    words = text.decode(errors="replace") if isinstance(text, bytes) else text
    for form in forms(password, username):
        words = words.replace(form, MASK)
    return one_line(words)


def letter(task_id: str, to: str, subject: str, body: str) -> Message:
    """Return a task's message. It has the task's Message-ID, so that a copy can be told for one; see `message_id`."""
    message = Message(subject=one_line(subject), recipients=[to], body=body)
    message.charset = BODY_CHARSET  # type: ignore[assignment]  # passed on to MIMEText and Header, which take it
    message.msgId = message_id(task_id)
    return message


def message_id(task_id: str) -> str:
    """Return `<task_id@domain>`, with the domain of MAIL_DEFAULT_SENDER."""
    _, address = parseaddr(current_app.config["MAIL_DEFAULT_SENDER"])
    domain = address.partition("@")[2]
    return f"<{task_id}@{domain if re.fullmatch(r'[A-Za-z0-9.-]+', domain) else 'headway.invalid'}>"


def _sender(sender: str | tuple[str, str]) -> str:
    try:
        return mailbox.normalize(sender if isinstance(sender, str) else formataddr(sender))
    except mailbox.BadMailbox as error:
        raise ValueError(f"A message's sender {error}.") from None


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def one_line(text: str) -> str:
    """Return `text` as one line without control characters, of at most LONGEST_TEXT characters.

    The standard library's generator ends a header at characters that Flask-Mail lets pass, such as a vertical tab.
    """
    visible = (" " if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") else char for char in text)
    line = " ".join("".join(visible).split())
    return line if len(line) <= LONGEST_TEXT else line[: LONGEST_TEXT - 1] + "…"
