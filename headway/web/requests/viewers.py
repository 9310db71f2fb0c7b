"""Viewers: who asks for tasks, and which they may see and change. One rule for all endpoints."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from flask import Flask, current_app, request
from werkzeug.sansio.http import parse_cookie  # the one that a request uses: it takes any bytes

from headway.push.revocations import GRANT
from headway.state import state_of
from headway.store.model import TaskRecord
from headway.store.queries import EVERYBODY
from headway.tokens import PREFIX, Grant, read_token
from headway.web.requests.owners import current_owner

CONNECT_TOKEN = "headway.token"  # in a socket's environ: the token sent with its `connect`
TOKEN_COOKIE = "headway_token"  # set by token_links.py, for a link of an element with a token
# In an environ: by the id of a single-use token, whether this request or socket is its use.
USES = "headway.token_uses"
BEARER = "bearer "


class Viewer(NamedTuple):
    """A viewer: an owner, as the owner loader says, or the holder of a token, or both."""

    owner: str | None
    grant: Grant | None = None
    sees_unowned: bool = False
    token_has_ended: bool = False
    token_is_used: bool = False

    def may_see(self, task_id: str, stored: TaskRecord) -> bool:
        """Whether this viewer may see a task."""
        return self._is_own(stored) or self._is_granted(task_id, stored)

    def may_change(self, task_id: str, stored: TaskRecord) -> bool:
        """Whether this viewer may cancel, reschedule and rerun a task."""
        if self._is_own(stored):
            return True
        writes = self.grant is not None and not self.grant.read_only
        return writes and self._is_granted(task_id, stored)

    def had_access(self, task_id: str, stored: TaskRecord) -> bool:
        """Whether this viewer's token opened a task until it was revoked."""
        return stored.is_revoked and self._is_named(task_id, stored)

    def claims(self, task_ids: Sequence[str]) -> list[str]:
        """Return the token's claims on these tasks, by which Redis tells whether it is revoked."""
        return [self.grant.claim(task_id) for task_id in task_ids] if self.grant else []

    def readers(self, task_ids: Sequence[str]) -> list[str]:
        """Return the reader of each of these tasks: Redis returns none that it may not see."""
        return [EVERYBODY if self.sees_unowned else self.owner or ""] * len(task_ids)

    def sees_all(self, stored: TaskRecord) -> bool:
        """Whether this viewer is a task's owner or operator, who sees arguments and tracebacks.

        The holder of a token for all of the owner's tasks counts as the owner, that of a token for
        some tasks does not.
        """
        holds = self.grant is not None and self.grant.owner == stored.owner
        return self._is_own(stored) or (bool(stored.owner) and holds and not stored.is_revoked)

    @property
    def lists(self) -> str | None:
        """The owner whose tasks are listed: the token's if it names one, else the viewer's own."""
        return self.grant.owner if self.grant and self.grant.owner else self.owner

    @property
    def granted_ids(self) -> tuple[str, ...]:
        """The tasks that a token names."""
        return self.grant.task_ids if self.grant else ()

    def _is_own(self, stored: TaskRecord) -> bool:
        if not stored.owner:
            return self.sees_unowned
        return stored.owner == self.owner

    def _is_granted(self, task_id: str, stored: TaskRecord) -> bool:
        return self._is_named(task_id, stored) and not stored.is_revoked

    def _is_named(self, task_id: str, stored: TaskRecord) -> bool:
        if self.grant is None:
            return False
        return task_id in self.grant.task_ids or (
            bool(stored.owner) and stored.owner == self.grant.owner
        )


def current_viewer() -> Viewer:
    """Return the viewer who sent the current request or opened the socket being handled."""
    visible = current_app.config["HEADWAY_VISIBLE"]
    sees_unowned = visible is not None and bool(visible())
    return viewer_of(current_app, request.environ, current_owner(), sees_unowned)


def carried_token(viewer: Viewer) -> dict[str, Any]:
    """Return the token in the page's address, as a query for the page's links; {} for none."""
    token = request.args.get("token", "")
    return {"token": token} if viewer.grant and token.startswith(PREFIX) else {}


def held_token(viewer: Viewer) -> str:
    """Return the current request's token, for the element of its page; "" for none."""
    return _token_of(request.environ) if viewer.grant else ""


def viewer_of(
    app: Flask, environ: MutableMapping[str, Any], owner: str | None, sees_unowned: bool = False
) -> Viewer:
    """Return the viewer of this owner and of a valid token in a request's or socket's environ."""
    text = _token_of(environ)
    grant = read_token(text, secret_keys_of(app)) if text else None
    if grant is not None and grant.has_ended:
        return Viewer(owner, None, sees_unowned, token_has_ended=True)
    if grant is not None and grant.once and not _is_its_use(app, environ, grant):
        return Viewer(owner, None, sees_unowned, token_is_used=True)
    return Viewer(owner, grant, sees_unowned)


def _is_its_use(app: Flask, environ: MutableMapping[str, Any], grant: Grant) -> bool:
    """Whether this request, or socket, is the one that a single-use token opens."""
    found: dict[str, bool] = environ.setdefault(USES, {})
    if grant.token_id not in found:
        found[grant.token_id] = state_of(app).records.tokens.use_up(grant)
    return found[grant.token_id]


def note_token(app: Flask, environ: MutableMapping[str, Any], auth: Any) -> None:
    """Store in a socket's environ the token sent with its `connect`, and what that opens.

    So that the socket ends with the token.
    """
    found = auth.get("token") if isinstance(auth, dict) else None
    if isinstance(found, str):
        environ[CONNECT_TOKEN] = found
    grant = viewer_of(app, environ, None).grant
    if grant is not None:
        environ[GRANT] = grant


def secret_keys_of(app: Flask) -> list[str]:
    """Return the keys that an app accepts in the signature of a token; it signs with the last."""
    own = app.config["HEADWAY_SECRET_KEY"]
    name = "HEADWAY_SECRET_KEY_FALLBACKS" if own else "SECRET_KEY_FALLBACKS"
    return [*filter(None, [*(app.config.get(name) or ()), own or app.secret_key])]


def _token_of(environ: MutableMapping[str, Any]) -> str:
    """Return the first token of ours in an environ, "" for none; an app may have its own kinds."""
    header = environ.get("HTTP_AUTHORIZATION", "")
    query = environ.get("QUERY_STRING", "")
    bearer = header[len(BEARER) :].strip() if header[: len(BEARER)].lower() == BEARER else ""
    in_query = parse_qs(query).get("token", []) if "token=" in query else []
    cookies = environ.get("HTTP_COOKIE", "")
    in_cookie = parse_cookie(cookies).getlist(TOKEN_COOKIE) if TOKEN_COOKIE in cookies else []
    found = [environ.get(CONNECT_TOKEN, ""), bearer, *in_query, *in_cookie]
    return next((text for text in found if text.startswith(PREFIX)), "")
