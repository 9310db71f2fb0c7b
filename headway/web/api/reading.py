"""Reads tasks for viewers, who get those that they may see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set

from headway.push.batch_loader import ReadRecords
from headway.snapshot import Phase, Snapshot
from headway.state import state
from headway.store.model import TaskRecord
from headway.store.owner_lists import Page
from headway.store.records import TASK_ID, Records
from headway.web.requests.errors import APIError
from headway.web.requests.headers import hint
from headway.web.requests.owners import lacks_cookie
from headway.web.requests.viewers import Viewer

NOT_FOUND = APIError(404, "not_found", "There is no such task, or it is not yours.")
TOKEN_HAS_ENDED = APIError(404, "token_expired", "This link has expired: ask for a new one.")
TOKEN_IS_REVOKED = APIError(404, "token_revoked", "This link has been withdrawn.")
TOKEN_IS_USED = APIError(404, "token_used", "This link opens once, and has been used.")
SEND_COOKIE = (
    "A task is shown to its owner: send the cookie that came with the 202 (curl -c jar, then "
    "curl -b jar)."
)


def read_mine(
    task_ids: Sequence[str], viewer: Viewer, read: ReadRecords
) -> tuple[dict[str, TaskRecord], list[str]]:
    """Return the records that a viewer may see, by id, and the missing ids.

    Missing are ids that are unknown, expired, somebody else's or not well-formed.
    """
    wanted = list(dict.fromkeys(task_ids))
    well_formed = [task_id for task_id in wanted if TASK_ID.match(task_id)]
    claims = viewer.claims(well_formed)
    stored_ones = read(well_formed, claims=claims, readers=viewer.readers(well_formed))
    found = {
        task_id: stored
        for task_id, stored in zip(well_formed, stored_ones, strict=True)
        if stored is not None and viewer.may_see(task_id, stored)
    }
    return found, [task_id for task_id in wanted if task_id not in found]


def reading_news(known: Mapping[str, str]) -> ReadRecords:
    """Return what reads records, leaving "" the snapshots of tasks whose tag is the known one."""

    def read(
        task_ids: list[str], *, claims: Sequence[str] = (), readers: Sequence[str] = ()
    ) -> list[TaskRecord | None]:
        tags = [known.get(task_id, "") for task_id in task_ids]
        return state().manager.polls.read(task_ids, tags, claims, readers)

    return read


def read_one(records: Records, viewer: Viewer, task_id: str, known: str = "") -> TaskRecord:
    """Return a task that a viewer may see, as `Records.read` does.

    Raises APIError (404) for a task that is unknown, expired or somebody else's.
    """
    stored = _read(records, viewer, task_id, known)
    if stored is not None and viewer.may_see(task_id, stored):
        return stored
    _refuse_spent_token(viewer)
    if stored is not None and viewer.had_access(task_id, stored):
        raise TOKEN_IS_REVOKED
    if viewer.owner is None and viewer.grant is None and lacks_cookie():
        hint(SEND_COOKIE)
    raise NOT_FOUND


def refuse_dead_link(viewer: Viewer) -> None:
    """Raise APIError (404) for a token that has expired, or has been used or withdrawn."""
    _refuse_spent_token(viewer)
    if viewer.grant is not None and state().records.tokens.is_revoked(viewer.grant):
        raise TOKEN_IS_REVOKED


def _refuse_spent_token(viewer: Viewer) -> None:
    if viewer.token_has_ended:
        raise TOKEN_HAS_ENDED
    if viewer.token_is_used:
        raise TOKEN_IS_USED


def list_for(
    viewer: Viewer,
    limit: int,
    phases: Set[Phase] = frozenset(),
    start_at: tuple[str, str] = ("", ""),
    words: Sequence[str] = (),
) -> Page:
    """Return a page of a viewer's snapshots (JSON), newest first, and the next page's cursor.

    Each task has these words. The cursor is None on the last page. A token for some tasks lists
    those on one page, whatever the limit.
    """
    if viewer.granted_ids:
        texts = _granted(viewer)
        granted = map(Snapshot.from_json, texts.values())
        wanted = [one for one in granted if not phases or one.phase in phases]
        found = [one for one in wanted if _has_words(one, words)]
        newest = sorted(found, key=lambda one: one.created_at or "", reverse=True)
        return [texts[one.task_id] for one in newest], None
    lists = state().records.lists
    return _of_owner(viewer, lambda owner: lists.page(owner, limit, phases, start_at, words))


def newest_and_open_for(viewer: Viewer, limit: int) -> Page:
    """Return a viewer's newest tasks, after the older ones that have not ended, and a cursor.

    They are as `OwnerLists.newest_and_open` has them. A token for some tasks lists all of those.
    """
    if viewer.granted_ids:
        return list_for(viewer, limit)
    lists = state().records.lists
    return _of_owner(viewer, lambda owner: lists.newest_and_open(owner, limit))


def _of_owner(viewer: Viewer, read: Callable[[str], Page]) -> Page:
    """Return what is read of the owner whose list a viewer may see."""
    if viewer.lists is None:
        return [], None
    if viewer.grant is None or viewer.grant.owner is None:
        return read(viewer.lists)
    are_revoked = state().records.tokens.begin_check(viewer.grant.claims)
    try:
        page = read(viewer.lists)
    finally:
        [is_revoked] = are_revoked()
    return _of_owner(viewer._replace(grant=None), read) if is_revoked else page


def read_to_share(records: Records, viewer: Viewer, task_id: str) -> TaskRecord:
    """Return a task that a viewer may give tokens for: not by a token, whatever it opens.

    Raises APIError (404) for all other tasks alike.
    """
    return read_one(records, viewer._replace(grant=None), task_id)


def _read(records: Records, viewer: Viewer, task_id: str, known: str) -> TaskRecord | None:
    if not TASK_ID.match(task_id):
        return None
    claims = viewer.claims([task_id])
    return records.read([task_id], [known], claims, viewer.readers([task_id]))[0]


def counts_for(viewer: Viewer) -> dict[str, int]:
    """Return how many of the tasks that `list_for` lists are in each phase."""
    if viewer.granted_ids:
        granted = map(Snapshot.from_json, _granted(viewer).values())
        counts = Counter(str(one.phase) for one in granted)
    else:
        if viewer.grant is not None and state().records.tokens.is_revoked(viewer.grant):
            viewer = viewer._replace(grant=None)
        owner = viewer.lists
        counts = Counter(state().records.lists.counts(owner) if owner else {})
    return {phase.value: counts[phase] for phase in Phase}


def _granted(viewer: Viewer) -> dict[str, str]:
    """Return the snapshots (JSON) of the tasks that the viewer's token names, by id."""
    found, _ = read_mine(viewer.granted_ids, viewer, state().records.read)
    return {task_id: stored.snapshot for task_id, stored in found.items()}


def _has_words(task: Snapshot, words: Sequence[str]) -> bool:
    text = f"{task.title} {task.status} {task.error or ''}".casefold()
    return all(word.casefold() in text for word in words)
