"""A mail server that means harm: each email ends with a clear text, and no secret is told."""

from __future__ import annotations

import socket
import socketserver
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from app.mail_errors import MailDeferred, MailRefused, MailUnavailable, OutcomeUnknown
from tests.mail_sending import send

PASSWORD = "märked-password-9"
FAILURES = (MailDeferred, MailRefused, MailUnavailable, OutcomeUnknown)
SECONDS = 2.0  # the time limit of each step
MAX_GROWTH = 3_000_000  # bytes that Python holds, while a server sends without end
GREETING = b"220 test\r\n"
HELLO = b"250-test\r\n250 AUTH PLAIN LOGIN\r\n"
# What a server says to the first commands, one after the other; then what goes on without end.
Script = tuple[list[bytes], bytes]
ATTACKS: dict[str, Script] = {
    "a banner without an end": ([], b"220-Welcome, and welcome, and welcome\r\n"),
    "a banner in one line": ([], b"220 " + b"x" * 1000),
    "a banner of NULs": ([], b"\0" * 1000),
    "lines of megabytes": ([], b"220-" + b"x" * 1_000_000 + b"\r\n"),
    "extensions without an end": ([GREETING], b"250-X-YES yes\r\n"),
    "a login's answer without an end": ([GREETING, HELLO], b"334-" + b"QUJD" * 100 + b"\r\n"),
    "a refusal without an end": ([GREETING, HELLO, b"235 yes\r\n"], b"550-no\r\n"),
    "an answer to DATA without an end": (
        [GREETING, HELLO, b"235 yes\r\n", b"250 yes\r\n", b"250 yes\r\n"],
        b"354-go\r\n",
    ),
    "an answer to the message without an end": (
        [GREETING, HELLO, b"235 y\r\n", b"250 y\r\n", b"250 y\r\n", b"354 go\r\n"],
        b"250-queued\r\n",
    ),
}
UGLY = {
    "ANSI and NULs": b"550 \x1b[2J\x1b]0;owned\x07 \0\0 no\r\n",
    "bidi marks": "550 \u202egnp.exe\u2066\r\n".encode(),
    "no UTF-8": b"550 \xff\xfe\xfd\r\n",
    "a line break of its own": b"550 no\rX-Injected: yes\x85\xe2\x80\xa8more\r\n",
    "markup": b"550 <script>alert(1)</script>{{7*7}}\r\n",
    "a long line": b"550 " + b"x" * 8000 + b"\r\n",
    "no code": b"hello\r\n",
    "a code of letters": b"abc no\r\n",
    "a code below all": b"099 no\r\n",
    "a code above all": b"999 no\r\n",
    "a negative code": b"-12 no\r\n",
    "yes for a no": b"354 no\r\n",
    "an empty line": b"\r\n",
    "the password": f"550 you said {PASSWORD}\r\n".encode(),
    "HTTP": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "nothing, and gone": b"",
}


@contextmanager
def mail_server(converse: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that has such a conversation with each client; the value is its port."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                converse(self.request)

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield int(server.server_address[1])
        server.shutdown()
        thread.join()


def by_script(replies: list[bytes], then: Callable[[socket.socket], None]):
    """Return a conversation of these replies, each to a command, but for the first."""

    def converse(client: socket.socket) -> None:
        for number, reply in enumerate(replies):
            if number:
                client.recv(65536)
            client.sendall(reply)
        if replies:
            client.recv(65536)
        then(client)

    return converse


def failure(port: int) -> str:
    """Return why an email to this server failed."""
    with pytest.raises(FAILURES) as caught:
        send(
            port,
            MAIL_TIMEOUT_SECONDS=SECONDS,
            MAIL_USERNAME="ops",
            MAIL_PASSWORD=PASSWORD,
        )
    return str(caught.value)


def check(text: str) -> None:
    """Fail where a text is not one clear line without a secret."""
    assert text.isprintable()
    assert 10 < len(text) < 1000
    assert PASSWORD not in text
    assert not set(text) & set("\u202e\u2066\u2028")


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_never_ends_is_cut_and_not_kept(attack: str):
    replies, endless = ATTACKS[attack]

    def flood(client: socket.socket) -> None:
        while True:
            client.sendall(endless)

    tracemalloc.start()
    with mail_server(by_script(replies, flood)) as port:
        text = failure(port)
    grown = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    check(text)
    assert grown < MAX_GROWTH + len(endless)


def test_what_trickles_is_cut_at_the_time_limit_of_its_step():
    sent = []
    left = threading.Event()

    def trickle(client: socket.socket) -> None:
        try:
            while len(sent) < 600:  # a minute
                client.sendall(b"2")
                sent.append(1)
                left.wait(0.1)
        finally:
            left.set()

    with mail_server(trickle) as port:
        text = failure(port)

    assert text == f"The mail server did not answer within {SECONDS:g} s."
    assert len(sent) < 600


@pytest.mark.parametrize("step", ["greeting", "hello", "login", "sender", "data", "message"])
@pytest.mark.parametrize("said", UGLY)
def test_whatever_is_said_at_any_step_is_one_clear_line(step: str, said: str):
    good = {
        "greeting": GREETING,
        "hello": HELLO,
        "login": b"235 yes\r\n",
        "sender": b"250 yes\r\n",
        "recipient": b"250 yes\r\n",
        "data": b"354 go\r\n",
        "message": b"250 yes\r\n",
    }
    before = list(good.values())[: list(good).index(step)]

    with mail_server(by_script(before, lambda client: client.sendall(UGLY[said]))) as port:
        text = failure(port)

    check(text)


def test_what_comes_before_the_encryption_is_no_reply_after_it():
    """STARTTLS injection: replies to the commands that follow, sent in plain text before TLS."""
    asked = []

    def inject(client: socket.socket) -> None:
        client.sendall(GREETING)
        client.recv(1000)
        client.sendall(b"250-test\r\n250 STARTTLS\r\n")
        client.recv(1000)
        client.sendall(b"220 go\r\n" + HELLO + b"235 yes\r\n" + b"250 yes\r\n" * 5)
        asked.append(client.recv(1000))

    with mail_server(inject) as port, pytest.raises(MailUnavailable) as caught:
        send(port, MAIL_TIMEOUT_SECONDS=SECONDS, MAIL_USE_TLS=True)

    check(str(caught.value))
    assert asked[0][:1] == b"\x16"  # a handshake of TLS, and nothing of the email


@pytest.mark.parametrize(
    "hello",
    [
        HELLO,
        b"250-test\r\n250-XXXXXXXX\r\n250 AUTH PLAIN LOGIN\r\n",
        b"250-test\r\n250 AUTH STARTTLS PLAIN\r\n",
        b"250-test\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n",  # and it refuses to
        b"502 no\r\n",
    ],
)
def test_where_encryption_is_taken_away_neither_login_nor_email_is_sent(hello: bytes):
    """STARTTLS stripping: somebody on the way hides that the server encrypts."""
    asked = []

    def strip(client: socket.socket) -> None:
        client.sendall(GREETING)
        asked.append(client.recv(1000))
        client.sendall(hello)
        while command := client.recv(1000):
            asked.append(command)
            client.sendall(b"250 yes\r\n")

    with mail_server(strip) as port, pytest.raises(MailUnavailable) as caught:
        send(
            port,
            MAIL_TIMEOUT_SECONDS=SECONDS,
            MAIL_USE_TLS=True,
            MAIL_USERNAME="ops",
            MAIL_PASSWORD=PASSWORD,
        )

    check(str(caught.value))
    assert {command[:4].upper() for command in asked} <= {b"EHLO", b"HELO", b"STAR", b"QUIT"}
