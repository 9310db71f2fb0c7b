"""The exceptions of sending an email, by what they mean for it."""

from __future__ import annotations

import smtplib
import ssl
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

import headway
from app.messages import one_line
from headway import RedisUnavailable
from headway.secrets import without_secret
from headway.texts import Sentence

LOGIN_WANTED = (530, 538)  # replies to any command, RFC 4954
REFUSALS: dict[type[smtplib.SMTPResponseException], str] = {
    smtplib.SMTPConnectError: Sentence("The mail server refuses the connection: {reply}"),
    smtplib.SMTPHeloError: Sentence(
        "The mail server refuses the name of this host (MAIL_LOCAL_HOSTNAME): {reply}"
    ),
    smtplib.SMTPAuthenticationError: Sentence("The mail server refuses the login: {reply}"),
}
REFUSES_TLS = Sentence("The mail server refuses to encrypt: {reply}")
LOST = Sentence("The worker was lost while it sent this email: the mail server may have taken it.")
UNCONFIRMED = Sentence("The mail server did not confirm the message: the server may have taken it.")


class SMTPReply(Exception):
    """A mail server's negative reply: its `code`, and its `text` in one line."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text

    def __str__(self) -> str:
        return Sentence("The mail server said: {reply}", reply=f"{self.code} {self.text}".rstrip())


class MailRefused(SMTPReply):
    """5xx: the server will never accept this message."""


class MailDeferred(SMTPReply):
    """4xx: the server did not accept the message now, and may do so later."""


class MailUnavailable(Exception):
    """The server accepts no mail now: it is away, broke off, or refuses this host or its login.

    It has not received the message, and the message is not the reason.
    """


class OutcomeUnknown(headway.OutcomeUnknown):
    """The whole message was sent without a reply: the server may or may not have accepted it."""

    def __init__(self, text: str = UNCONFIRMED) -> None:
        super().__init__(text)


class SomeNotSent(Exception):
    """Some recipients of a mailing have not got it yet; the message says why."""


def server_words(text: bytes | str, username: str, password: str) -> str:
    """Return a server's text as one line of visible characters, with the login masked.

    Some servers repeat the commands that they did not understand, secrets included.
    """
    words = text.decode(errors="replace") if isinstance(text, bytes) else text
    # Without marks that are not seen themselves, and have what follows read in another order.
    visible = "".join(char for char in words if unicodedata.category(char) != "Cf")
    return one_line(without_secret(visible, password, username))


class ErrorTranslator:
    """Translates smtplib's exceptions into this module's, with the login masked."""

    def __init__(self, username: str, password: str, seconds: float) -> None:
        """Set up; `seconds` is the longest wait for the server at each step."""
        self._username = username
        self._password = password
        self._seconds = seconds

    def words(self, text: bytes | str) -> str:
        """Return a server's text as one line, with the login masked."""
        return server_words(text, self._username, self._password)

    @contextmanager
    def connecting(self) -> Iterator[None]:
        """Turn any negative reply before the first message into MailUnavailable."""
        try:
            yield
        except smtplib.SMTPResponseException as error:
            reply = f"{error.smtp_code} {self.words(error.smtp_error)}".rstrip()
            text = REFUSALS.get(type(error), REFUSES_TLS)
            raise MailUnavailable(Sentence(text, reply=reply)) from None

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Turn smtplib's exceptions into this module's."""
        try:
            yield
        except smtplib.SMTPRecipientsRefused as error:
            ((code, text),) = error.recipients.values()
            raise self._translate_reply(code, text) from None
        except smtplib.SMTPResponseException as error:
            raise self._translate_reply(error.smtp_code, error.smtp_error) from None
        except RedisUnavailable as error:  # from `commit`
            away = Sentence("Redis did not answer, so the message was not sent.")
            raise MailUnavailable(away) from error
        except OSError as error:  # smtplib's other exceptions are OSErrors too
            raise MailUnavailable(self.describe_error(error)) from error

    def _translate_reply(self, code: int, text: bytes | str) -> Exception:
        words = self.words(text)
        if code in LOGIN_WANTED:
            wants = Sentence(
                "The mail server wants a login or TLS: {reply}", reply=f"{code} {words}"
            )
            return MailUnavailable(wants)
        if 500 <= code < 600:
            return MailRefused(code, words)
        if 400 <= code < 500:
            return MailDeferred(code, words)
        odd = Sentence("The mail server's answer makes no sense: {reply}", reply=words)
        return MailUnavailable(odd)

    def describe_error(self, error: OSError) -> str:
        cause: BaseException = error
        if isinstance(error, smtplib.SMTPServerDisconnected) and isinstance(
            error.__context__, OSError
        ):
            cause = error.__context__  # smtplib hides a time-out there
        if isinstance(cause, TimeoutError):
            seconds = f"{self._seconds:g}"
            return Sentence("The mail server did not answer within {seconds} s.", seconds=seconds)
        if isinstance(cause, ssl.SSLCertVerificationError):
            why = self.words(cause.verify_message)
            return Sentence("The mail server's certificate is not trusted: {why}.", why=why)
        if isinstance(cause, ssl.SSLError):
            why = self.words(cause.reason or str(cause))
            return Sentence("The mail server does not speak TLS as it should: {why}.", why=why)
        if isinstance(
            cause, smtplib.SMTPServerDisconnected | ConnectionResetError | BrokenPipeError
        ):
            return Sentence("The mail server closed the connection.")
        why = self.words(getattr(cause, "strerror", None) or str(cause))
        if type(cause) in (smtplib.SMTPNotSupportedError, smtplib.SMTPException):
            return Sentence("The mail server cannot do what the settings ask for: {why}", why=why)
        return Sentence("The mail server cannot be reached: {why}.", why=why)
