"""Checks for `make doctor` that the mail server accepts emails from this machine.

Each check is one step of the SMTP session that precedes an email; no email is sent.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from app.mail_errors import server_words
from app.smtp import SMTPSession, open_session
from headway.checks import Finding, Mark, look_up

CONNECT_SECONDS = 5.0
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})  # names of this machine
PORTS = "587 with MAIL_USE_TLS, 465 with MAIL_USE_SSL, else mostly 25"
LATER = "the server says that this may pass: try again later"
OTHER_NAME = (62, 64)  # OpenSSL's codes for a certificate of another host name or address


class MailServer:
    """The mail server being checked, in one SMTP session with the time-outs of a real one."""

    session: SMTPSession | None = None  # set once the server has sent its greeting

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.host = str(settings["MAIL_SERVER"])
        self.port = int(settings["MAIL_PORT"])
        self.seconds = float(settings["MAIL_TIMEOUT_SECONDS"])
        self.local_hostname: str | None = settings["MAIL_LOCAL_HOSTNAME"] or None
        self.use_tls = bool(settings["MAIL_USE_TLS"])
        self.use_ssl = bool(settings["MAIL_USE_SSL"])
        self.username = str(settings["MAIL_USERNAME"])
        self.password = str(settings["MAIL_PASSWORD"])

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def open(self) -> SMTPSession:
        """Connect, and return the session after the server's greeting. Raises OSError."""
        self.session = open_session(
            self.host, self.port, self.local_hostname, self.seconds, use_ssl=self.use_ssl
        )
        return self.session

    def close(self) -> None:
        """Close the session."""
        if self.session is not None:
            self.session.quit()

    def said(self, error: smtplib.SMTPResponseException) -> str:
        """Return the server's reply as one line, without the password."""
        words = server_words(error.smtp_error, self.username, self.password)
        return f"{error.smtp_code} {words}".rstrip()


def check_connection(server: MailServer) -> Finding:
    """Check that the name has an address and that something listens at the port."""
    seconds = min(CONNECT_SECONDS, server.seconds)
    try:
        look_up(server.host, seconds)
    except TimeoutError as error:
        return Finding(Mark.BAD, "connection", str(error))
    try:
        socket.create_connection((server.host, server.port), seconds).close()
    except (socket.gaierror, UnicodeError):
        text = f"{server.host} has no address: check the spelling of MAIL_SERVER and your DNS"
    except TimeoutError:
        text = (
            f"{server.address} does not answer within {seconds:g} s: check MAIL_SERVER and "
            f"MAIL_PORT ({PORTS}), and whether a firewall blocks that port"
        )
    except OSError as error:
        text = (
            f"{server.address} cannot be reached ({error.strerror or error}): check "
            f"MAIL_SERVER and MAIL_PORT ({PORTS})"
        )
    else:
        return Finding(Mark.GOOD, "connection", f"{server.address} answers")
    return Finding(Mark.BAD, "connection", text)


def check_greeting(server: MailServer) -> Finding:
    """Check that a mail server listens there and accepts this machine's address."""
    subject = "greeting"
    try:
        server.open()
    except smtplib.SMTPConnectError as error:
        if error.smtp_code == -1:
            text = f"what listens at {server.address} is no mail server: check MAIL_PORT ({PORTS})"
        elif 400 <= error.smtp_code < 500:
            text = f"refused ({server.said(error)}): {LATER}"
        else:
            text = (
                f"refused ({server.said(error)}): MAIL_SERVER takes no mail from this machine's "
                "address; ask its operator"
            )
        return Finding(Mark.BAD, subject, text)
    except ssl.SSLError as error:
        return _tls_fails(server, error)
    except OSError as error:  # smtplib's exceptions are OSErrors too
        other = "" if server.use_ssl else "; one that wants TLS at once (465) needs MAIL_USE_SSL"
        text = f"none: {_breaks_off(server, error)}. Check MAIL_PORT ({PORTS}){other}"
        return Finding(Mark.BAD, subject, text)
    return Finding(Mark.GOOD, subject, "it is a mail server, and takes this machine's connection")


def check_ehlo(server: MailServer) -> Finding:
    """Check that the server accepts the name that this machine gives in EHLO."""
    session = _session_of(server)
    try:
        session.ehlo_or_helo_if_needed()
    except smtplib.SMTPHeloError as error:
        text = (
            f"refused ({server.said(error)}): set MAIL_LOCAL_HOSTNAME to this machine's full name, "
            f"which is now given as {session.local_hostname}"
        )
        return Finding(Mark.BAD, "EHLO", text)
    return Finding(Mark.GOOD, "EHLO", f"the name {session.local_hostname} is accepted")


def check_tls(server: MailServer) -> Finding:
    """Check that nobody on the way can read emails and the password."""
    session = _session_of(server)
    subject = "TLS"
    if server.use_tls:
        try:
            session.starttls(context=ssl.create_default_context())
        except smtplib.SMTPNotSupportedError:
            text = f"MAIL_USE_TLS needs STARTTLS, which is not offered: check MAIL_PORT ({PORTS})"
            return Finding(Mark.BAD, subject, text)
        except smtplib.SMTPResponseException as error:
            text = f"STARTTLS, which MAIL_USE_TLS asks for, is refused ({server.said(error)})"
            return Finding(Mark.BAD, subject, f"{text}: ask the operator of MAIL_SERVER")
        except ssl.SSLError as error:
            return _tls_fails(server, error)
    if server.use_tls or server.use_ssl:
        return Finding(Mark.GOOD, subject, "on, and the certificate is verified")
    if server.host in LOCAL:
        return Finding(Mark.GOOD, subject, "not needed on this machine")
    way = "MAIL_USE_TLS" if session.has_extn("starttls") else "MAIL_USE_TLS or MAIL_USE_SSL"
    text = f"off: emails and the password can be read on the way; set {way}"
    return Finding(Mark.WARNING, subject, text)


def check_login(server: MailServer) -> Finding:
    """Check that the server accepts the user name and the password."""
    session = _session_of(server)
    subject = "login"
    if not server.username and not server.password:
        return Finding(Mark.GOOD, subject, "not asked for: MAIL_USERNAME is not set")
    if not server.username or not server.password:
        text = "MAIL_USERNAME and MAIL_PASSWORD go together: one alone means no login"
        return Finding(Mark.WARNING, subject, text)
    try:
        session.login(server.username, server.password)
    except smtplib.SMTPAuthenticationError as error:
        refused = f"refused ({server.said(error)})"
        wrong = "check MAIL_USERNAME and MAIL_PASSWORD (many providers want an app password)"
        text = f"{refused}: {LATER if 400 <= error.smtp_code < 500 else wrong}"
    except smtplib.SMTPResponseException as error:  # of the EHLO after STARTTLS
        text = f"the server breaks off before it ({server.said(error)}): ask its operator"
    except smtplib.SMTPServerDisconnected:
        raise
    except smtplib.SMTPException:
        encrypted = server.use_tls or server.use_ssl
        text = "none that takes a password is offered: unset MAIL_USERNAME and MAIL_PASSWORD" + (
            "" if encrypted else ", or set MAIL_USE_TLS, without which many offer none"
        )
    else:
        return Finding(Mark.GOOD, subject, "accepted")
    return Finding(Mark.BAD, subject, text)


CHECKS: Mapping[str, Callable[[MailServer], Finding]] = {
    "connection": check_connection,
    "greeting": check_greeting,
    "EHLO": check_ehlo,
    "TLS": check_tls,
    "login": check_login,
}


def findings(settings: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield the finding of each check, up to the first that fails: later ones build on it."""
    server = MailServer(settings)
    try:
        for subject, check in CHECKS.items():
            finding = _found(subject, check, server)
            yield finding
            if finding.mark is Mark.BAD:
                return
    finally:
        server.close()


def _found(subject: str, check: Callable[[MailServer], Finding], server: MailServer) -> Finding:
    try:
        return check(server)
    except OSError as error:  # smtplib's exceptions are OSErrors too
        text = f"{_breaks_off(server, error)}: see the mail server's log, and MAIL_TIMEOUT_SECONDS"
        return Finding(Mark.BAD, subject, text)


def _session_of(server: MailServer) -> SMTPSession:
    assert server.session is not None, "check_greeting comes first"
    return server.session


def _tls_fails(server: MailServer, error: ssl.SSLError) -> Finding:
    if not isinstance(error, ssl.SSLCertVerificationError):
        why = error.reason or type(error).__name__
        if server.use_ssl:
            text = (
                f"{server.address} does not speak TLS at once ({why}), as MAIL_USE_SSL asks for: "
                "set MAIL_USE_TLS instead, or MAIL_PORT=465"
            )
        else:
            text = f"STARTTLS fails ({why}): ask the operator of MAIL_SERVER"
    elif error.verify_code in OTHER_NAME:
        text = f"the certificate is not for {server.host}: set MAIL_SERVER to a name that is in it"
    else:
        text = (
            f"the certificate is not trusted ({error.verify_message}): MAIL_SERVER needs one of an "
            "authority that this machine knows; SSL_CERT_FILE names a file with more of them"
        )
    return Finding(Mark.BAD, "TLS", text)


def _breaks_off(server: MailServer, error: OSError) -> str:
    """Return how the server failed to answer, from smtplib's exception."""
    if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
        return f"the mail server did not answer within {server.seconds:g} s"
    return "the mail server closed the connection"
