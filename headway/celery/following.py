"""What follows a task that runs in the place of one that failed: the rest of its chain.

The rest of a chain, and the callbacks, have ended with the task that failed, under their ids. For
the task in its place they are copied under new ids, so that the chain goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KINDS = ("chain", "link", "link_error")
# Options that a signature gets when it is sent. The chord that counted the failed task has ended.
OF_A_SEND = frozenset(
    ("task_id", "group_id", "group_index", "root_id", "parent_id", "reply_to", "chord")
)


def following(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options for what follows a task, of the options of another in its place."""
    return {kind: _anew(options[kind]) for kind in KINDS if options.get(kind)}


def _anew(value: Any) -> Any:
    """Return a signature, or what holds some, as it was before it was sent."""
    if isinstance(value, list | tuple):
        return [_anew(each) for each in value]
    if not isinstance(value, Mapping):
        return value
    made = {key: _anew(each) for key, each in value.items()}
    if {"task", "options"} <= made.keys() and isinstance(made["options"], dict):
        options = made["options"]
        made["options"] = {key: options[key] for key in options if key not in OF_A_SEND}
    return made
