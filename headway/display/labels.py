"""Words that a task's registration gives to its cards, for an effect that happens at most once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict

from headway.display.languages import ENGLISH, current, say


class Labels(TypedDict, total=False):
    """What a card says instead of the usual words; each key may be left out."""

    starts: str  # the verb before a time: "sends" at 14:03:20
    succeeded: str  # the headline of success
    errors: Mapping[str, str]  # by an error's type: why it failed, in a sentence
    again: Mapping[str, str]  # by an error's type: the button that runs it again
    # By the type of an error that uses up no attempt: the headline until the next attempt.
    waiting: Mapping[str, str]
    result: Mapping[str, str]  # by a key of the result: its name in the details
    # Columns of a result that is a table: their cells are texts of the task's own, not data.
    texts: Sequence[str]
    # Whether a run that is cancelled can go on where it was: then people pause it.
    pauses: bool


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_text_by_text(value: Any) -> bool:
    if not isinstance(value, Mapping):
        return False
    return all(isinstance(one, str) for pair in value.items() for one in pair)


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)


def _is_switch(value: Any) -> bool:
    return isinstance(value, bool)


TEXT = ("text", _is_text)
TEXTS = ("a dict of text by text", _is_text_by_text)
KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "again": TEXTS,
    "errors": TEXTS,
    "pauses": ("True or False", _is_switch),
    "result": TEXTS,
    "starts": TEXT,
    "succeeded": TEXT,
    "texts": ("a list of text", _is_list_of_texts),
    "waiting": TEXTS,
}

# By the registered name of their tasks.
LABELS: dict[str, Labels] = {}


def register(name: str, labels: Labels) -> None:
    """Give the tasks of this name their labels. Raises TypeError where a key or value is wrong."""
    for key, value in labels.items():
        if key not in KINDS:
            raise TypeError(f"labels of {name}: there is no {key!r}, only {', '.join(KINDS)}.")
        wanted, is_right = KINDS[key]
        if not is_right(value):
            raise TypeError(f"labels of {name}: {key} must be {wanted}.")
    LABELS[name] = labels


def labels_of(name: str) -> Labels:
    """Return the labels of the tasks of this name, as far as this process knows them."""
    return LABELS.get(name, {})


def labels_for_page(name: str) -> Labels:
    """Return the same in the current language, as far as its catalogues have them."""
    labels = labels_of(name)
    if current() is ENGLISH:
        return labels
    found: Any = {key: _in_its_language(value) for key, value in labels.items()}
    # A verb of another language would stand in the middle of a sentence.
    if found.get("starts") == labels.get("starts"):
        found.pop("starts", None)
    own: Labels = found
    return own


def _in_its_language(value: Any) -> Any:
    if isinstance(value, str):
        return say(value)
    is_mapping = isinstance(value, Mapping)
    return {kind: say(words) for kind, words in value.items()} if is_mapping else value
