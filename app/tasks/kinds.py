"""Kinds of work that may be started from outside: how each is called, checked, titled and queued."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from celery import shared_task

from app.snapshot import title_line

KINDS: dict[str, Kind] = {}
WIDENED = {float: (int, float)}


class BadArguments(ValueError):
    """Arguments that a kind of work cannot take; `fields` says why, by name."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {why}" for name, why in fields.items()))
        self.fields = dict(fields)


@dataclass(frozen=True)
class Kind:
    """One kind of work: `prepare` turns a request's arguments into the task's, or raises BadArguments."""

    name: str
    title: str
    queue: str
    prepare: Callable[[Mapping[str, Any]], dict[str, Any]]

    def title_of(self, args: Mapping[str, Any], prepared: Mapping[str, Any]) -> str:
        """Return the title with a request's arguments, or the task's prepared ones where the request has none.

        The task's name, where these arguments do not fit the title's format.
        """
        try:
            title = self.title.format_map({**prepared, **args})
        except Exception:  # an argument's own `__format__` may raise anything
            return self.name
        return title_line(title) or self.name


def startable(
    title: str,
    *,
    queue: str = "celery",
    prepare: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None,
    **options: Any,
) -> Callable[[Callable[..., Any]], Any]:
    """Make a function a Celery task that `POST /tasks` may start under the function's name.

    `title` is for people and may name arguments ("Report for {month}"); `prepare` replaces the check of the arguments
    against the function's signature and its `str`, `int`, `float` and `bool` annotations; `options` are Celery's
    (`bind`, `max_retries`, `time_limit`, ...).
    """

    def decorate(function: Callable[..., Any]) -> Any:
        name = function.__name__
        check = prepare or _by_signature(function, skip=1 if options.get("bind") else 0)
        KINDS[name] = Kind(name, title, queue, check)
        return shared_task(name=name, **options)(function)

    return decorate


def _by_signature(function: Callable[..., Any], skip: int) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    parameters = list(inspect.signature(function).parameters.values())[skip:]
    hints = get_type_hints(function)
    defaults = {each.name: each.default for each in parameters if each.default is not each.empty}

    def prepare(args: Mapping[str, Any]) -> dict[str, Any]:
        names = {parameter.name for parameter in parameters}
        wrong = {name: "No such argument." for name in args if name not in names}
        for parameter in parameters:
            if parameter.name in args:
                if not _fits(args[parameter.name], hints.get(parameter.name)):
                    wrong[parameter.name] = f"Must be of type {hints[parameter.name].__name__}."
            elif parameter.default is parameter.empty:
                wrong[parameter.name] = "Is missing."
        if wrong:
            raise BadArguments(wrong)
        return {**defaults, **args}

    return prepare


def _fits(value: Any, hint: Any) -> bool:
    if hint not in (str, int, float, bool):
        return True
    if isinstance(value, bool):
        return hint is bool
    return isinstance(value, WIDENED.get(hint, hint))
