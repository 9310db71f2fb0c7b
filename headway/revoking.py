"""Revokes tokens from any process of a project."""

from __future__ import annotations

from collections.abc import Sequence

from celery import current_app

from headway.store.records import Records
from headway.system import live_backend
from headway.tokens import of_owner, of_task, read_token, secrets_of_process


def revoke(
    token: str | None = None,
    *,
    task_id: str | None = None,
    owner: str | None = None,
    token_id: str | None = None,
    secret_key: str | Sequence[str] | None = None,
) -> None:
    """Revoke a token; or all that were made so far for a task, or for all tasks of an owner.

    With `token_id`, only that one of the task or of the owner. What a token opened is no longer
    shown by it; a page that is open loses it within 5 s. The current Celery app says where its
    results are, and `secret_key` defaults as for `token`. Raises ValueError for what is no token of
    this project, ConfigError if the app has another result backend.
    """
    records = live_backend(current_app).records
    keys = secret_key or secrets_of_process() if token else ()
    revoke_from(records, keys, token, task_id=task_id, owner=owner, token_id=token_id)


def revoke_from(
    records: Records,
    secret_keys: str | Sequence[str],
    token: str | None = None,
    *,
    task_id: str | None = None,
    owner: str | None = None,
    token_id: str | None = None,
) -> None:
    """Revoke tokens as `revoke` does, in these records."""
    if sum(map(bool, (token, task_id, owner))) != 1 or (token and token_id):
        raise ValueError("Revoke a token, or those of a task_id or an owner.")
    if not token:
        subject = of_owner(owner) if owner else of_task(str(task_id))
        if token_id is None:
            records.tokens.revoke_all(subject)
        else:
            records.tokens.revoke(subject, token_id)
        return
    grant = read_token(token, [secret_keys] if isinstance(secret_keys, str) else secret_keys)
    if grant is None:
        raise ValueError("That is no token, or it was signed with another secret.")
    for subject in grant.subjects:
        records.tokens.revoke(subject, grant.token_id)
