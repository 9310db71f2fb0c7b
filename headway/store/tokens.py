"""Revoked and used-up tokens in Redis, which are kept until they would have expired."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from headway.store.functions import Functions
from headway.tokens import DAY_SECONDS, MAX_SECONDS, Grant, ends_of, of_login

ALL = "*"  # stands for the id of every token


class TokenRecords:
    """Revokes tokens, and tells which are revoked."""

    def __init__(self, functions: Functions) -> None:
        self._functions = functions

    def revoke(self, subject: str, token_id: str) -> None:
        """Revoke one token for a task or for an owner's tasks.

        Raises ValueError if `token_id` is not the id of a token.
        """
        ends = ends_of(token_id)
        if ends is None:
            raise ValueError("That is not the id of a token.")
        seconds = min(ends + 1 - time.time(), MAX_SECONDS)
        if seconds > 0:
            self._revoke(subject, token_id, 0, seconds)

    def revoke_all(self, subject: str) -> None:
        """Revoke all tokens that were made so far for a task or for an owner's tasks."""
        self._revoke(subject, ALL, int(time.time() * 1e6), MAX_SECONDS)

    def log_out(self, owner: str) -> None:
        """Close the websockets that an owner has opened so far."""
        self._revoke(of_login(owner), ALL, int(time.time() * 1e6), DAY_SECONDS)

    def begin_check(self, claims: Sequence[str]) -> Callable[[], list[bool]]:
        """Ask which claims are of revoked tokens; return a function that waits for the answer.

        It must be called. `claims` are as tokens.lua says.
        """
        reply = self._functions.begin("revoked", [], claims)
        return lambda: [bool(each) for each in reply()]

    def is_revoked(self, grant: Grant) -> bool:
        """Whether a token no longer opens any of what it names."""
        return all(self.begin_check(grant.claims)())

    def use_up(self, grant: Grant) -> bool:
        """Use up a single-use token; return False if it has been used before."""
        client = self._functions.client
        keys = self._functions.keys
        milliseconds = max(1, int((grant.ends + 1 - time.time()) * 1000))
        return bool(client.set(keys.used(grant.token_id), 1, nx=True, px=milliseconds))

    def _revoke(self, subject: str, token_id: str, made_by: int, seconds: float) -> None:
        args = [token_id, subject, made_by, int(seconds * 1000)]
        self._functions.call("revoke_tokens", [], args)
