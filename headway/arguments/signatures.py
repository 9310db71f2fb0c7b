"""Reads a function's signature: its arguments, their types, and how to pass them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, signature
from itertools import islice, takewhile
from math import isfinite
from types import GenericAlias, SimpleNamespace
from typing import Any, get_type_hints

from headway.arguments.annotations import ABSENT, Argument, as_default, or_none
from headway.arguments.docstrings import helps_of
from headway.arguments.typed import (
    MAX_WRONG,
    MISSING_ARGUMENT,
    UNKNOWN_ARGUMENT,
    below,
    converted,
    is_converted,
    wrong_with,
)
from headway.celery.run.uploads import load_upload
from headway.files.upload import Upload, loaded_by


class BadArguments(ValueError):
    """Arguments that a task cannot take; `fields` says why, by name."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {why}" for name, why in fields.items()))
        self.fields = dict(fields)


@dataclass(frozen=True)
class Call:
    """A function's parameters: by position only, by position or name, `*rest`, `**options`."""

    positional_only: tuple[str, ...] = ()
    positional: tuple[str, ...] = ()
    rest: str = ""
    options: str = ""

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

    def joined(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return arguments by name: what `split` has made these of."""
        by_name = dict(zip(self.positional, args, strict=False))
        rest = list(args[len(self.positional) :])
        return {**by_name, **({self.rest: rest} if self.rest and rest else {}), **kwargs}


@dataclass(frozen=True)
class Signature:
    """The arguments of a function, as JSON.

    `extra` is the annotation of what its `**options` take, ABSENT where it has none.
    """

    call: Call
    arguments: tuple[Argument, ...]
    extra: Any = ABSENT

    @property
    def asked(self) -> tuple[Argument, ...]:
        """The arguments that a form asks for: what `**options` take is one object there."""
        name = self.call.options
        return (*self.arguments, Argument(name, dict, False)) if name else self.arguments

    def validate(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """Return arguments with the defaults that JSON has, in the signature's order.

        Raises BadArguments.
        """
        known = {each.name: each for each in self.arguments}
        wrong: dict[str, str] = {
            name: MISSING_ARGUMENT
            for name, each in known.items()
            if each.is_required and name not in args
        }
        for name, value in args.items():
            hint = known[name].hint if name in known else self.extra
            if hint is ABSENT or name == "self":  # Celery passes `self`
                wrong[name] = UNKNOWN_ARGUMENT
            else:
                wrong |= below([(name, wrong_with(value, hint))])
        prepared = {**self._defaults(), **args}
        missing = self.call.gaps(args, prepared) - wrong.keys()
        wrong |= dict.fromkeys(missing, MISSING_ARGUMENT)
        if wrong:
            raise BadArguments(dict(islice(wrong.items(), MAX_WRONG)))
        own = (each.name for each in self.arguments if each.name in prepared)
        return {name: prepared[name] for name in (*own, *prepared)}

    def _defaults(self) -> dict[str, Any]:
        """Return the defaults that are plain JSON; others are left to the function."""
        return {
            each.name: each.default
            for each in self.arguments
            if _is_plain(each.default) and not is_converted(each.hint)
        }


def signature_of(
    function: Callable[..., Any], names: Mapping[str, Any], *, is_bound: bool = False
) -> Signature:
    """Return a function's signature; annotations are evaluated with the globals `names`.

    Of a bound task its first parameter is Celery's.
    """
    parameters = list(signature(function).parameters.values())[1 if is_bound else 0 :]
    call = _call_of(parameters)
    helps = helps_of(function.__doc__)
    arguments = []
    extra: Any = ABSENT
    for each in parameters:
        hint = _hint_of(each, names)
        if each.kind is each.VAR_KEYWORD:
            extra = hint
        elif each.kind is each.VAR_POSITIONAL:
            of_rest = GenericAlias(list, (hint,))
            arguments.append(Argument(each.name, of_rest, False, help=helps.get(each.name, "")))
        else:
            arguments.append(_argument_of(each, hint, helps.get(each.name, "")))
    return Signature(call, tuple(arguments), extra)


def converting(
    function: Callable[..., Any],
    *,
    is_bound: bool = False,
    load: Callable[[str], Upload] = load_upload,
) -> Callable[..., Any]:
    """Return a function that is called with JSON, and calls `function` with its types.

    It is `function` itself where JSON has all of them. `load` returns an upload by its id.
    """
    parameters = list(signature(function).parameters.values())[1 if is_bound else 0 :]
    hints = {each.name: _hint_of(each, function.__globals__) for each in parameters}
    if not any(map(is_converted, hints.values())):
        return function
    own = signature(function)

    @wraps(function)
    def convert(*args: Any, **kwargs: Any) -> Any:
        bound = own.bind(*args, **kwargs)
        with loaded_by(load):
            for each in parameters:
                if each.name in bound.arguments:
                    value = bound.arguments[each.name]
                    bound.arguments[each.name] = _converted(value, each, hints[each.name])
        return function(*bound.args, **bound.kwargs)

    convert.__signature__ = own  # type: ignore[attr-defined]  # Celery checks calls against it
    return convert


def _converted(value: Any, parameter: Parameter, hint: Any) -> Any:
    if parameter.kind is parameter.VAR_POSITIONAL:
        return tuple(converted(each, hint) for each in value)
    if parameter.kind is parameter.VAR_KEYWORD:
        return {name: converted(each, hint) for name, each in value.items()}
    return converted(value, hint)


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
        next((each.name for each in parameters if each.kind is each.VAR_KEYWORD), ""),
    )


def _argument_of(parameter: Parameter, hint: Any, text: str) -> Argument:
    value = parameter.default
    if value is parameter.empty:
        return Argument(parameter.name, hint, True, help=text)
    default = as_default(value)
    # What JSON would change is shown only where the annotation changes it back.
    is_same = type(default) is type(value) and default == value
    return Argument(
        parameter.name, hint, False, default if is_same or is_converted(hint) else ABSENT, text
    )


def _hint_of(parameter: Parameter, names: Mapping[str, Any]) -> Any:
    """Return a parameter's annotation, Any if it has none that can be evaluated."""
    if parameter.annotation is parameter.empty:
        return Any
    holder = SimpleNamespace(__annotations__={"it": parameter.annotation})
    try:
        hint = get_type_hints(holder, dict(names), include_extras=True)["it"]
    except Exception:  # it may be any expression
        return Any
    return or_none(hint, parameter.default)


def _is_plain(default: Any) -> bool:
    """Whether a default is a text, a number, true, false or null."""
    return (
        default is None
        or type(default) in (str, int, bool)
        or (type(default) is float and isfinite(default))
    )
