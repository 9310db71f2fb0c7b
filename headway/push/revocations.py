"""Ends the sockets whose token no longer counts, or whose owner has logged out.

Their clients connect again, and get what they may see now. Redis tells every web process of each
revoked token and of each logout. What a process did not hear in an outage it reads afterwards.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

from headway.engine.frames import SERVICE_RESTART
from headway.store.tokens import ALL
from headway.tokens import Grant, of_login

# In a socket's environ: what its token opens, and who was logged in.
GRANT = "headway.grant"
LOGIN = "headway.login"
REVOCATION = re.compile(r"(\d{1,18}) (\S+) (.+)", re.DOTALL)  # made by (us), token id, subject
BATCH_SIZE = 100  # tokens
CLOCKS_APART_SECONDS = 600  # how far the clocks of two hosts may be apart


class Login(NamedTuple):
    """The login under which a socket was opened: the socket ends with it, as with a token.

    A logout a little before it counts too: the socket is opened again, which does no harm.
    """

    owner: str
    opened: float  # Unix time
    token_id: str = ""
    ends: float = math.inf

    @property
    def made(self) -> int:
        """The latest time (us) of a logout that does not end it."""
        return int((self.opened - CLOCKS_APART_SECONDS) * 1e6)

    @property
    def subjects(self) -> list[str]:
        return [of_login(self.owner)]

    @property
    def claims(self) -> list[str]:
        """What Redis is asked about it, as about a token."""
        return [f"{self.made} {self.token_id} {of_login(self.owner)}"]


class Revocations:
    """Watches over the tokens and the logins of one process's sockets."""

    def __init__(self, manager: Any) -> None:
        self._manager = manager
        self.channel = manager.channel_of("revoked")
        self._session = 0  # the subscriber's session in which all were checked

    def receive(self, message: bytes) -> None:
        """End the sockets whose token was just revoked, or whose owner has logged out.

        As `revoke_tokens.lua` tells.
        """
        found = REVOCATION.fullmatch(message.decode(errors="replace"))
        if found is None:
            return
        made_by, token_id, subject = found.groups()
        self._end(
            eio_sid
            for eio_sid, grant in self._grants()
            if (token_id == grant.token_id or (token_id == ALL and grant.made <= int(made_by)))
            and subject in grant.subjects
        )

    def check(self) -> None:
        """End the sockets whose token has ended and, after an outage, whose token was revoked.

        Raises RedisUnavailable.
        """
        grants = self._grants()
        now = time.time()
        self._end(eio_sid for eio_sid, grant in grants if grant.ends <= now)
        session = self._manager.subscriber.session
        if session == self._session:
            return
        for begin in range(0, len(grants), BATCH_SIZE):
            self._end_revoked(grants[begin : begin + BATCH_SIZE])
        self._session = session

    def _end_revoked(self, grants: list[tuple[str, Grant | Login]]) -> None:
        asked = [(eio_sid, claim) for eio_sid, grant in grants for claim in grant.claims]
        are_revoked = self._manager.records.tokens.begin_check([claim for _, claim in asked])()
        self._end(
            {eio_sid for (eio_sid, _), revoked in zip(asked, are_revoked, strict=True) if revoked}
        )

    def _grants(self) -> list[tuple[str, Grant | Login]]:
        return [
            (eio_sid, environ[key])
            for eio_sid, environ in list(self._manager.server.environ.items())
            for key in (GRANT, LOGIN)
            if key in environ
        ]

    def _end(self, eio_sids: Iterable[str]) -> None:
        self._manager.server.eio.end(SERVICE_RESTART, list(eio_sids))
