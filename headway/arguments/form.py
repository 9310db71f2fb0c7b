"""The form of a task: its fields, made from the task's arguments, and what it sends as JSON.

The names in a form are paths: "args.customer.age". One that ends in ":json" holds JSON, for a value
that the argument's own control cannot show.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from headway.arguments.annotations import (
    ABSENT,
    Argument,
    Example,
    bare,
    example_of,
    members_of,
    without_none,
)
from headway.arguments.controls import (
    CHECKBOX,
    DATE_AND_TIME,
    FILE,
    GROUP,
    JSON,
    LINES,
    PICKERS,
    SELECT,
    TEXT,
    as_json_text,
    control_of,
    options_of,
    read,
    shown,
)
from headway.display.languages import Sentence, say

ROOT = "args"
AS_JSON = ":json"
NOTES = {
    LINES: Sentence("One per line."),
    JSON: Sentence("As JSON."),
    DATE_AND_TIME: Sentence("In UTC."),
}
MAX_DIGITS = 9  # of an item's number; an object may have any key, and Python reads no 5,000 digits
UNTOUCHED = Sentence("Left as it is: none.")


@dataclass(frozen=True)
class Field:
    """A field of a form, or a group of them, as a template draws it."""

    name: str
    label: str
    control: str
    text: str = ""
    help: str = ""
    error: str = ""
    is_required: bool = False
    options: list[tuple[str, str]] = field(default_factory=list)
    fields: list[Field] = field(default_factory=list)
    example: Example | None = None

    @property
    def id(self) -> str:
        """The field's id in the page."""
        return self.name.replace(":", ".")

    def first_wrong(self) -> str:
        """Return the id of the first control with an error in this field, "" for none."""
        within = (each.first_wrong() for each in self.fields)
        return next(filter(None, within), self._first() if self.error else "")

    def _first(self) -> str:
        return self.fields[0]._first() if self.fields else self.id


def read_form(
    arguments: Iterable[Argument], form: Mapping[str, str], path: str = ROOT
) -> dict[str, Any]:
    """Return the arguments in a submitted form, as JSON by name; they are not checked."""
    found = {each.name: _read_one(each, form, f"{path}.{each.name}") for each in arguments}
    return {name: value for name, value in found.items() if value is not ABSENT}


def filled(
    arguments: Iterable[Argument], values: Mapping[str, Any], path: str = ROOT
) -> dict[str, str]:
    """Return what a form filled with these values sends; missing values have their defaults."""
    form: dict[str, str] = {}
    for each in arguments:
        value = values.get(each.name, each.default)
        members, is_optional = _members(each.hint)
        if members and (value is ABSENT or (is_optional and value is None)):
            form |= filled(members, {}, f"{path}.{each.name}")  # they have defaults of their own
            continue
        is_silent = each.name not in values and value is None  # leaving it out means the same
        if value is not ABSENT and not is_silent:
            form |= _filled_one(each, value, f"{path}.{each.name}")
    return form


def fields_of(
    arguments: Iterable[Argument],
    form: Mapping[str, str],
    wrong: Mapping[str, str],
    path: str = ROOT,
) -> list[Field]:
    """Return the fields of a form with these texts; `wrong` has errors by path of arguments."""
    return [_field_of(each, form, wrong, f"{path}.{each.name}") for each in arguments]


def file_fields(arguments: Iterable[Argument], path: str = "") -> dict[str, str]:
    """Return the names of a form's fields for files, by path of arguments."""
    found = {}
    for each in arguments:
        name = f"{path}{each.name}"
        control = control_of(each.hint)
        if control == FILE:
            found[name] = f"{ROOT}.{name}"
        elif control == GROUP:
            found |= file_fields(_members(each.hint)[0], f"{name}.")
    return found


def label_of(name: str) -> str:
    """Return a name of the code as people read it: "first_name" is "First name"."""
    words = name.strip("_").replace("_", " ") or name
    return words[:1].upper() + words[1:]


def _read_one(argument: Argument, form: Mapping[str, str], path: str) -> Any:
    if f"{path}{AS_JSON}" in form:
        return read(_text(form, f"{path}{AS_JSON}"), Any, is_required=True)
    control = control_of(argument.hint)
    if control == GROUP:
        return _read_group(argument, form, path)
    if control == CHECKBOX:
        return path in form
    if path not in form:
        return ABSENT
    return read(_text(form, path), argument.hint, is_required=argument.is_required)


def _read_group(argument: Argument, form: Mapping[str, str], path: str) -> Any:
    members, is_optional = _members(argument.hint)
    if is_optional and not any(name.startswith(f"{path}.") for name in form):
        return ABSENT
    if is_optional and _is_untouched(members, form, path):
        return None
    return read_form(members, form, path)


def _members(hint: Any) -> tuple[list[Argument], bool]:
    """Return the members of a group, [] for another annotation; and whether it may be None."""
    only, has_none = without_none(hint)
    return (members_of(bare(only)) if control_of(hint) == GROUP else []), has_none


def _is_untouched(members: list[Argument], form: Mapping[str, str], path: str) -> bool:
    """Whether a group is empty, or holds only its members' defaults."""
    texts = {name: _text(form, name) for name in form if name.startswith(f"{path}.")}
    within = {name: text for name, text in texts.items() if text}
    first = {name: text for name, text in filled(members, {}, path).items() if text}
    return not within or within == first


def _filled_one(argument: Argument, value: Any, path: str) -> dict[str, str]:
    control = control_of(argument.hint)
    if control == GROUP and isinstance(value, dict):
        members, is_optional = _members(argument.hint)
        if value.keys() <= {each.name for each in members}:
            form = filled(members, value, path)
            if not (is_optional and _is_untouched(members, form, path)):
                return form
    elif control == CHECKBOX and isinstance(value, bool):
        return {path: "on"} if value else {}
    elif control not in (GROUP, CHECKBOX):
        text = shown(value, argument.hint)
        if text is not None:
            return {path: text}
    return {f"{path}{AS_JSON}": as_json_text(value)}


def _field_of(
    argument: Argument, form: Mapping[str, str], wrong: Mapping[str, str], path: str
) -> Field:
    control = control_of(argument.hint)
    name = path
    if f"{path}{AS_JSON}" in form:
        control = JSON
        name = f"{path}{AS_JSON}"
    label = label_of(argument.name)
    if control == GROUP:
        members, is_optional = _members(argument.hint)
        within = fields_of(members, form, wrong, path)
        why = wrong.get(path.removeprefix(f"{ROOT}."), "")
        note = " ".join(filter(None, [say(argument.help), say(UNTOUCHED) if is_optional else ""]))
        return Field(name, label, GROUP, "", note, why, not is_optional, fields=within)
    text = _text(form, name)
    help_ = " ".join(filter(None, [say(argument.help), say(NOTES.get(control, ""))]))
    return Field(
        name,
        label,
        TEXT if text and control in PICKERS and not PICKERS[control].fullmatch(text) else control,
        text,
        help_,
        _error_at(path, wrong),
        argument.is_required,
        _options(argument) if control == SELECT else [],
        example=example_of(argument.hint),
    )


def _options(argument: Argument) -> list[tuple[str, str]]:
    has_none = without_none(argument.hint)[1]
    found = options_of(argument.hint)
    if argument.is_required:
        return [("", Sentence("Choose…")), *found]
    return [("", Sentence("None")), *found] if has_none or argument.default is ABSENT else found


def _error_at(path: str, wrong: Mapping[str, str]) -> str:
    """Return what is wrong with a field, or with items in it: "Item 2: Must be a number."."""
    name = path.removeprefix(f"{ROOT}.")
    if name in wrong:
        return wrong[name]
    within = {key: why for key, why in wrong.items() if key.startswith(f"{name}.")}
    return " ".join(
        say("{title}: {why}", title=_place(key[len(name) + 1 :]), why=say(why))
        for key, why in within.items()
    )


def _place(path: str) -> str:
    first, dot, rest = path.partition(".")
    is_item = first.isascii() and first.isdigit() and len(first) <= MAX_DIGITS
    place = say("Item {number}", number=int(first) + 1) if is_item else first
    return f"{place}{dot}{rest}"


def _text(form: Mapping[str, str], name: str) -> str:
    """Return a text as it was typed: browsers send its line breaks as CRLF."""
    return form.get(name, "").replace("\r\n", "\n")
