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
    smtplib.SMTPConnectError: "refuses the connection",
    smtplib.SMTPHeloError: "refuses the name of this host (MAIL_LOCAL_HOSTNAME)",
    smtplib.SMTPAuthenticationError: "refuses the login",
}
REFUSES_TLS = "refuses to encrypt"
LOST = "The worker was lost while it sent this email: the mail server may have taken it."
UNCONFIRMED = "The mail server did not confirm the message: the server may have taken it."


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
            refuses = REFUSALS.get(type(error), REFUSES_TLS)
            words = self.words(error.smtp_error)
            text = f"The mail server {refuses}: {error.smtp_code} {words}".rstrip()
            raise MailUnavailable(text) from None

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
            raise MailUnavailable("Redis did not answer, so the message was not sent.") from error
        except OSError as error:  # smtplib's other exceptions are OSErrors too
            raise MailUnavailable(self.describe_error(error)) from error

    def _translate_reply(self, code: int, text: bytes | str) -> Exception:
        words = self.words(text)
        if code in LOGIN_WANTED:
            return MailUnavailable(f"The mail server wants a login or TLS: {code} {words}")
        if 500 <= code < 600:
            return MailRefused(code, words)
        if 400 <= code < 500:
            return MailDeferred(code, words)
        return MailUnavailable(f"The mail server's answer makes no sense: {words}")

    def describe_error(self, error: OSError) -> str:
        cause: BaseException = error
        if isinstance(error, smtplib.SMTPServerDisconnected) and isinstance(
            error.__context__, OSError
        ):
            cause = error.__context__  # smtplib hides a time-out there
        if isinstance(cause, TimeoutError):
            return f"The mail server did not answer within {self._seconds:g} s."
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                f"The mail server's certificate is not trusted: {self.words(cause.verify_message)}."
            )
        if isinstance(cause, ssl.SSLError):
            return (
                "The mail server does not speak TLS as it should: "
                f"{self.words(cause.reason or str(cause))}."
            )
        if isinstance(
            cause, smtplib.SMTPServerDisconnected | ConnectionResetError | BrokenPipeError
        ):
            return "The mail server closed the connection."
        if type(cause) in (smtplib.SMTPNotSupportedError, smtplib.SMTPException):
            return f"The mail server cannot do what the settings ask for: {self.words(str(cause))}"
        return (
            "The mail server cannot be reached: "
            f"{self.words(getattr(cause, 'strerror', None) or str(cause))}."
        )
