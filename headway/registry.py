"""The kinds of tasks that may be started by name: their arguments, checks, titles and queues."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter, formatannotation, signature, unwrap
from itertools import takewhile
from math import isfinite
from types import GenericAlias, NoneType, SimpleNamespace, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from celery import Task, shared_task

from headway.labels import Labels, register
from headway.snapshot import title_line

TASK_TYPES: dict[str, TaskType] = {}
WIDENED = {float: (int, float)}


class BadArguments(ValueError):
    """Arguments that a task cannot take; `fields` says why, by name."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {why}" for name, why in fields.items()))
        self.fields = dict(fields)


@dataclass(frozen=True)
class Call:
    """A function's parameters: by position only, by position or name, and its `*rest`."""

    positional_only: tuple[str, ...] = ()
    positional: tuple[str, ...] = ()
    rest: str = ""

    def ordered(self, prepared: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the names of the arguments that have to be passed by position."""
        return self.positional if prepared.get(self.rest) else self.positional_only

    def gaps(self, args: Mapping[str, Any], prepared: Mapping[str, Any]) -> set[str]:
        """Return the missing arguments before the last one that is passed by position."""
        names = self.ordered(prepared)
        given = [place for place, name in enumerate(names) if name in args]
        last = len(names) if prepared.get(self.rest) else max(given, default=0)
        return set(names[:last]) - prepared.keys()

    def split(self, prepared: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Return arguments by name as `(args, kwargs)`.

        Positional arguments after a gap are left to the function's defaults.
        """
        names = self.ordered(prepared)
        given = list(takewhile(prepared.__contains__, names))
        args = [prepared[name] for name in given] + list(prepared.get(self.rest, ()))
        return args, {
            name: value for name, value in prepared.items() if name not in (*names, self.rest)
        }


@dataclass(frozen=True)
class TaskType:
    """One kind of task.

    `validate` turns a request's arguments into the task's, or raises BadArguments.
    """

    name: str
    title: str
    queue: str
    validate: Callable[[Mapping[str, Any]], dict[str, Any]]
    call: Call

    def title_of(self, args: Mapping[str, Any], prepared: Mapping[str, Any]) -> str:
        """Return the title, formatted with the request's arguments over the prepared ones.

        If they do not fit the title's format it is the task's name.
        """
        try:
            title = self.title.format_map({**prepared, **args})
        except Exception:  # an argument's own `__format__` may raise anything
            return self.name
        return title_line(title) or self.name


def task(
    title: str,
    *,
    queue: str = "celery",
    validate: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None,
    labels: Labels | None = None,
    **options: Any,
) -> Callable[[Callable[..., Any]], Any]:
    """Make a function a Celery task that `POST /tasks` may start under the function's name.

    `title` is for people and may name arguments ("Report for {month}"); `validate` replaces the
    check of the arguments against the function's signature and annotations; `labels` replace words
    on its cards; `options` are Celery's (`bind`, `max_retries`, `time_limit`, ...). A request gives
    arguments by name, also those that the function takes by position; its `*rest` is a list. Raises
    TypeError for a label that does not exist.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        name = function.__name__
        parameters = list(signature(function).parameters.values())[
            1 if options.get("bind") else 0 :
        ]
        call = _call_of(parameters)
        check = validate or _by_signature(parameters, call, function.__globals__)
        register(name, labels or {})
        TASK_TYPES[name] = TaskType(name, title, queue, check, call)
        return shared_task(name=name, **options)(function)

    return decorate


def task_type_of(celery_task: Task, queue: str) -> TaskType:
    """Return the kind of a plain Celery task: checked by its signature, titled by its name."""
    parameters = list(signature(celery_task.run).parameters.values())
    call = _call_of(parameters)
    names = getattr(unwrap(celery_task.run), "__globals__", {})
    # A title is a format, and a name may hold braces.
    title = celery_task.name.replace("{", "{{").replace("}", "}}")
    return TaskType(celery_task.name, title, queue, _by_signature(parameters, call, names), call)


def _call_of(parameters: Sequence[Parameter]) -> Call:
    by_position = [
        each
        for each in parameters
        if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
    ]
    return Call(
        tuple(each.name for each in by_position if each.kind is each.POSITIONAL_ONLY),
        tuple(each.name for each in by_position),
        next((each.name for each in parameters if each.kind is each.VAR_POSITIONAL), ""),
    )


def _by_signature(
    parameters: Sequence[Parameter], call: Call, names: dict[str, Any]
) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Return a `validate` that checks arguments against parameters.

    Annotations are evaluated with the globals `names`.
    """
    hints = {each.name: _hint_of(each, names) for each in parameters}
    extra = next((each for each in parameters if each.kind is each.VAR_KEYWORD), None)
    known = {each.name: each for each in parameters if each is not extra}
    if call.rest:
        hints[call.rest] = GenericAlias(list, (hints[call.rest],))
    required = {
        name for name, each in known.items() if each.default is each.empty and name != call.rest
    }
    defaults = {name: each.default for name, each in known.items() if _is_plain(each.default)}

    def validate(args: Mapping[str, Any]) -> dict[str, Any]:
        wrong = dict.fromkeys(required - args.keys(), "Is missing.")
        for name, value in args.items():
            hint = hints[name] if name in known else hints[extra.name] if extra else Any
            if (name not in known and extra is None) or name == "self":  # Celery passes `self`
                wrong[name] = "No such argument."
            elif not _fits(value, hint):
                wrong[name] = f"Must be of type {formatannotation(hint)}."
        prepared = {**defaults, **args}
        wrong |= dict.fromkeys(call.gaps(args, prepared) - wrong.keys(), "Is missing.")
        if wrong:
            raise BadArguments(wrong)
        return prepared

    return validate


def _hint_of(parameter: Parameter, names: dict[str, Any]) -> Any:
    """Return a parameter's annotation, Any if it has none that can be evaluated."""
    if parameter.annotation is parameter.empty:
        return Any
    try:
        return get_type_hints(SimpleNamespace(__annotations__={"it": parameter.annotation}), names)[
            "it"
        ]
    except Exception:  # it may be any expression
        return Any


def _is_plain(value: Any) -> bool:
    """Whether a default survives JSON unchanged; others are left to the function."""
    return (
        value is None
        or type(value) in (str, int, bool)
        or (type(value) is float and isfinite(value))
    )


def _fits(value: Any, hint: Any) -> bool:
    """Whether a JSON value fits an annotation, as far as JSON can tell."""
    kind = get_origin(hint) or hint
    inner = get_args(hint)
    if kind in (Union, UnionType):
        return any(_fits(value, each) for each in inner)
    if kind is Literal:
        return any(value == each and type(value) is type(each) for each in inner)
    if kind in (list, Sequence):
        return isinstance(value, list) and all(_fits(each, inner[0]) for each in value if inner)
    if kind in (dict, Mapping):
        return isinstance(value, dict) and all(
            _fits(each, inner[1]) for each in value.values() if inner
        )
    if kind in (None, NoneType):
        return value is None
    if kind not in (str, int, float, bool):
        return True
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, WIDENED.get(kind, kind))
