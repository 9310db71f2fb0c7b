"""A real SMTP server for tests that does at each step what a test tells it, also what no honest
server does.
"""

from __future__ import annotations

import socket
import socketserver
import ssl
import subprocess
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path
from typing import Any

DROP = "drop"  # close the connection instead of an answer
SILENCE = "silence"  # answer nothing, and keep the connection open

REPLIES = {
    "connect": "220 test ready",
    "ehlo": "",  # what the server can do, unless a test says otherwise
    "starttls": "220 go ahead",
    "auth": "235 2.7.0 welcome",
    "mail": "250 2.1.0 sender ok",
    "rcpt": "250 2.1.5 recipient ok",
    "data": "354 end with a dot",
    "body": "",  # nothing is said within a message; only DROP has a meaning here
    "message": "250 2.0.0 Ok: queued as 4B1F",
    "rset": "250 2.0.0 reset",
    "quit": "221 2.0.0 bye",
}


@dataclass(frozen=True)
class Taken:
    """A message that the server has, up to its final dot."""

    mail_from: str
    rcpt_tos: tuple[str, ...]
    content: bytes

    @property
    def message(self) -> Any:
        return message_from_bytes(self.content)


class SmtpServer:
    """Listens on a free port of 127.0.0.1; use it as a context manager.

    `replies` replaces the answer to a step (see REPLIES): a line, DROP or SILENCE; `first` does so
    for one answer; `delays` are seconds by which the answer to a step is late. All may be changed
    while it runs. `complete`
    holds each message whose final dot came, `accepted` those that were answered with 250, `broken`
    what came of each message that was cut off before its dot.
    """

    def __init__(
        self,
        *,
        certificate: Path | None = None,
        implicit_tls: bool = False,
        mechanisms: str = "PLAIN LOGIN",
        **replies: str,
    ) -> None:
        self.replies = {**REPLIES, **replies}
        self.first: dict[str, str] = {}
        self.delays: dict[str, float] = {}
        self.complete: list[Taken] = []
        self.accepted: list[Taken] = []
        self.broken: list[Taken] = []
        self.commands: list[str] = []
        self.tls: ssl.SSLContext | None = None
        if certificate:
            self.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self.tls.load_cert_chain(certificate)
        self.implicit_tls = implicit_tls
        self.mechanisms = mechanisms  # of AUTH
        self.port = 0
        self._idle: set[_Session] = set()
        self._bind()

    def __enter__(self) -> SmtpServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._thread.join()
        self.hang_up()
        self._server.server_close()

    def hang_up(self) -> None:
        """End the conversations that wait for another message."""
        for session in tuple(self._idle):
            with suppress(OSError):
                session.connection.shutdown(socket.SHUT_RDWR)

    def reopen(self) -> None:
        """Listen again, at the same port."""
        self._bind()
        self._thread.start()

    def _bind(self) -> None:
        self._server = _Server(("127.0.0.1", self.port), _Session)
        self._server.owner = self
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def message_ids(self) -> Counter[str]:
        """How often each Message-ID was accepted."""
        return Counter(taken.message["Message-ID"] for taken in self.accepted)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    owner: SmtpServer


class _Gone(Exception):
    """The conversation is over."""


class _Session(socketserver.StreamRequestHandler):
    """One conversation."""

    server: _Server
    timeout = 10  # seconds, so that no test waits for ever

    def handle(self) -> None:
        try:
            if self.server.owner.implicit_tls:
                self._encrypt()
            self._say("connect")
            while True:
                self._obey(self._next().decode("utf-8", "replace").rstrip("\r\n"))
        except (_Gone, OSError):
            return

    def finish(self) -> None:
        super().finish()
        self.connection.close()  # the encrypted one, of which the server does not know

    def _obey(self, command: str) -> None:
        self.server.owner.commands.append(command)
        verb, _, rest = command.partition(" ")
        match verb.lower():
            case "ehlo" | "helo":
                self._greet()
            case "starttls":
                self._say("starttls")
                self._encrypt()
            case "mail":
                self.mail_from = _address(rest)
                self.rcpt_tos = list[str]()
                self._say("mail")
            case "rcpt":
                if self._say("rcpt"):
                    self.rcpt_tos.append(_address(rest))
            case "data":
                if self._say("data"):
                    self._take()
            case "quit":
                self._say("quit")
                raise _Gone
            case "auth" | "rset" as step:
                self._say(step)
            case _:
                self._write("500 5.5.2 unknown command")

    def _greet(self) -> None:
        owner = self.server.owner
        if owner.replies["ehlo"]:
            self._say("ehlo")
            return
        words = ["test", "8BITMIME", f"AUTH {owner.mechanisms}"]
        if owner.tls and not owner.implicit_tls:
            words.append("STARTTLS")
        for word in words[:-1]:
            self._write(f"250-{word}")
        self._write(f"250 {words[-1]}")

    def _take(self) -> None:
        owner = self.server.owner
        lines: list[bytes] = []
        try:
            while (line := self._line()) != b".\r\n":
                if owner.replies["body"] == DROP and line == b"\r\n":
                    raise _Gone  # after the headers
                lines.append(line[1:] if line.startswith(b".") else line)
        except (_Gone, OSError):
            owner.broken.append(self._taken(lines))
            raise
        taken = self._taken(lines)
        owner.complete.append(taken)
        if owner.replies["message"].startswith("250"):
            owner.accepted.append(taken)
        self._say("message")

    def _taken(self, lines: list[bytes]) -> Taken:
        return Taken(self.mail_from, tuple(self.rcpt_tos), b"".join(lines))

    def _say(self, step: str) -> bool:
        """Answer as the script has it; returns whether the answer is a yes."""
        owner = self.server.owner
        time.sleep(owner.delays.get(step, 0))
        answer = owner.first.pop(step, "") or owner.replies[step]
        if answer == DROP:
            raise _Gone
        if answer == SILENCE:
            self.rfile.read()  # until the client gives up
            raise _Gone
        if step == "message":  # idle before it answers: a client that has the answer may hang up
            owner._idle.add(self)
        self._write(answer)
        if answer.startswith("334"):  # a challenge: whatever answers it is right
            self.server.owner.commands.append(self._line().decode().rstrip())
            self._write(REPLIES[step])
        return answer[0] in "23"

    def _next(self) -> bytes:
        """Return the next command.

        Between two messages whoever ends the server may end the wait for it.
        """
        try:
            return self._line()
        finally:
            self.server.owner._idle.discard(self)

    def _line(self) -> bytes:
        line = self.rfile.readline()
        if not line:
            raise _Gone
        return line

    def _write(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")

    def _encrypt(self) -> None:
        assert self.server.owner.tls
        self.request = self.connection = self.server.owner.tls.wrap_socket(
            self.connection, server_side=True
        )
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)


def time_out_of(answer: str) -> float:
    """Return how many seconds to wait for a server that gives this answer to one of its steps.

    One that is silent is waited for as long, and has to have time for all the others.
    """
    return 1.0 if answer == SILENCE else 20.0


def _address(text: str) -> str:
    """Return what stands between the angle brackets of `FROM:<...>`, all of it."""
    return text[text.index("<") + 1 : text.rindex(">")]


def make_certificate(folder: Path, name: str) -> Path:
    """Make a self-signed certificate with its key in one file.

    `name` as in "DNS:localhost" or "IP:127.0.0.1".
    """
    key = folder / "key.pem"
    certificate = folder / "certificate.pem"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=headway test", "-addext", f"subjectAltName={name}"]
    command = [
        "openssl",
        "req",
        "-x509",
        *curve,
        *names,
        "-keyout",
        str(key),
        "-out",
        str(certificate),
    ]
    subprocess.run(command, check=True, capture_output=True)
    both = folder / "both.pem"
    both.write_text(key.read_text() + certificate.read_text())
    return both
