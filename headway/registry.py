"""The kinds of tasks that may be started by name: their arguments, checks, titles and queues."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from inspect import unwrap
from string import Formatter
from typing import Any

from celery import Task, shared_task, signals

from headway.arguments.annotations import ABSENT, Argument, members_of
from headway.arguments.docstrings import summary_of
from headway.arguments.form import label_of
from headway.arguments.signatures import BadArguments, Call, converting, signature_of
from headway.arguments.typed import holds_upload
from headway.celery.messages.priorities import OWN, checked
from headway.celery.unique_sends import apply_async
from headway.display.labels import Labels, register
from headway.message_headers import TITLE
from headway.schedules import SCHEDULES, Rule, Schedule, rule_of
from headway.snapshot import title_line
from headway.store.model import Priority
from headway.unique import argument_in, limits_of

__all__ = ["TASK_TYPES", "BadArguments", "Call", "TaskType", "task", "task_type_of"]

logger = logging.getLogger(__name__)

DEFAULT_QUEUE = "celery"
TASK_TYPES: dict[str, TaskType] = {}
# How a title leads on to an argument, at the end of what stands before it.
LEADS_ON = re.compile(r"([\s:#,(–—-]|\b(about|as|at|by|for|from|in|into|of|on|to|with))+$", re.I)
_unfit_titles: set[str] = set()  # already warned of


@dataclass(frozen=True)
class TaskType:
    """One kind of task.

    `validate` turns a request's arguments into the task's, or raises BadArguments. `arguments` are
    those that its form asks for, None where it has no form; `summary` says what it does.
    `can_refill`: the form's arguments are the task's, so that an earlier task's fill it.
    `admit` takes the task's arguments, and raises LimitReached where this visitor may not start it
    now. `uploads` are those of the task's arguments that may hold uploads. `check` takes the task's
    arguments with their types, and raises BadArguments.
    """

    name: str
    title: str
    queue: str
    validate: Callable[[Mapping[str, Any]], dict[str, Any]]
    call: Call
    arguments: tuple[Argument, ...] | None = None
    summary: str = ""
    can_refill: bool = False
    admit: Callable[..., None] | None = None
    uploads: tuple[Argument, ...] = ()
    check: Callable[..., None] | None = None

    @property
    def heading(self) -> str:
        """The title as far as it is known without arguments: "Report" of "Report for {month}"."""
        try:
            pieces = list(Formatter().parse(self.title))
        except ValueError:  # an invalid format: no task has this title either
            return label_of(self.name)
        named = [name for _, name, _, _ in pieces]
        asks = next((at for at, name in enumerate(named) if name is not None), None)
        known = "".join(text for text, *_ in pieces[: None if asks is None else asks + 1])
        return title_line(known if asks is None else LEADS_ON.sub("", known)) or label_of(self.name)

    def merged(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """Return a form's arguments as a request has them: those of `**options` beside the others.

        Raises BadArguments.
        """
        options = args.get(self.call.options, {})
        if not isinstance(options, dict):
            raise BadArguments({self.call.options: "Must be an object."})
        twice = options.keys() & {each.name for each in self.arguments or ()} - {self.call.options}
        if twice:
            raise BadArguments(dict.fromkeys(twice, "Is given twice."))
        return {**{name: args[name] for name in args if name != self.call.options}, **options}

    def title_of(self, args: Mapping[str, Any], prepared: Mapping[str, Any]) -> str:
        """Return the title, formatted with the request's arguments over the prepared ones.

        If they do not fit the title's format it is the task's name, and the log says so once.
        """
        try:
            title = self.title.format_map({**prepared, **args})
        except Exception as error:  # an argument's own `__format__` may raise anything
            if self.title not in _unfit_titles:
                _unfit_titles.add(self.title)
                logger.warning(
                    "A task %s has its name for a title: its arguments do not fit %r (%s)",
                    self.name,
                    self.title,
                    type(error).__name__,
                )
            return self.name
        return title_line(title) or self.name


def task(
    title: str,
    *,
    queue: str = DEFAULT_QUEUE,
    validate: Callable[[Mapping[str, Any]], dict[str, Any]] | None = None,
    form: type | None = None,
    labels: Labels | None = None,
    check: Callable[..., None] | None = None,
    admit: Callable[..., None] | None = None,
    unique: str = "",
    when_open: str = "show",
    debounce: float = 0.0,
    max_running: int = 0,
    every: str | timedelta | None = None,
    cron: str | None = None,
    priority: str | int = Priority.NORMAL,
    **options: Any,
) -> Callable[[Callable[..., Any]], Any]:
    """Make a function a Celery task that `POST /tasks` may start under the function's name.

    `title` is for people and may name arguments ("Report for {month}"); `validate` replaces the
    check of the arguments against the function's signature and annotations, and then `form`, a
    dataclass or a pydantic model, has the arguments that its form asks for; `labels` replace words
    on its cards; `check` takes the task's arguments, annotated as the task's and with uploads to
    read, at each start by name, and raises `headway.BadArguments`; `admit` takes them too, and may
    refuse a visitor's start; `options` are Celery's (`bind`, `max_retries`, `time_limit`, ...). A
    request gives arguments by name, also those that the function takes by position; its `*rest` is
    a list. The function gets dates, Enums, dataclasses and models as its annotations say.

    `unique` is a text that names arguments ("{customer_id}"): while an owner's task with the same
    text is open, a start shows that one, and `.delay()` returns its result. With
    `when_open="queue"` it waits for that one's end instead; with "latest" it replaces that one, and
    begins `debounce` seconds later. `max_running` of an owner's tasks are with the workers at a
    time, of each text if there is one. With `every` ("15m",
    "1h30m", "1d", or a timedelta) or `cron` ("30 2 * * mon-fri", in Celery's `timezone`) the
    workers start it by themselves, without arguments. Of what waits in a queue or for its turn,
    `priority` "high" is served before "normal", and that before "low"; or it is a number of
    Celery's.

    Raises TypeError for a label that does not exist, a title or a `unique` that the arguments do
    not fill, what does not go together, and a schedule of a task that needs arguments; ValueError
    for an invalid `every` or `cron`.
    """
    rule = rule_of(every, cron)
    if (its_priority := checked(priority)) is not None:
        options[OWN] = its_priority

    def decorate(function: Callable[..., Any]) -> Any:
        name = function.__name__
        is_bound = bool(options.get("bind"))
        own = signature_of(function, function.__globals__, is_bound=is_bound)
        if validate is None and not own.call.options:
            _check_title(title, {each.name for each in own.arguments})
        kept = {**_route_to(queue), **options}
        if limits := limits_of(own, unique, when_open, debounce, max_running):
            kept |= {"unique": limits, "apply_async": apply_async}
        register(name, labels or {})
        kind = TASK_TYPES[name] = TaskType(
            name,
            title,
            queue,
            validate or own.validate,
            own.call,
            tuple(members_of(form)) if form else None if validate else own.asked,
            summary_of(function.__doc__),
            can_refill=validate is None and form is None,
            admit=admit,
            uploads=tuple(each for each in own.arguments if holds_upload(each.hint)),
            check=check,
        )
        if rule:
            _schedule(kind, own.asked, rule)
        return shared_task(name=name, **kept)(converting(function, is_bound=is_bound))

    return decorate


def _route_to(queue: str) -> dict[str, str]:
    """Return Celery's option for a queue; of the usual one the project's own routes decide."""
    return {} if queue == DEFAULT_QUEUE else {"queue": queue}


def _give_title(
    sender: str = "", headers: dict[str, Any] | None = None, body: Any = None, **_: Any
) -> None:
    """Give what project code sends, as by `delay`, the title that a start by name would give it."""
    kind = TASK_TYPES.get(sender)
    if kind is None or not kind.can_refill or not isinstance(body, tuple):
        return
    if headers is None or TITLE in headers:
        return
    args, kwargs = body[:2]
    known = ((each.name, each.default) for each in kind.arguments or ())
    defaults = {name: default for name, default in known if default is not ABSENT}
    headers[TITLE] = kind.title_of(kind.call.joined(args, kwargs), defaults)


signals.before_task_publish.connect(_give_title)


def _schedule(kind: TaskType, asked: Iterable[Argument], rule: Rule) -> None:
    """Have the workers start a kind of task. Raises TypeError for one that needs arguments."""
    if needed := [each.name for each in asked if each.is_required]:
        raise TypeError(f"{kind.name} runs by itself: {', '.join(needed)} needs a default.")
    SCHEDULES[kind.name] = Schedule(kind.name, kind.heading, kind.queue, rule)


def _check_title(title: str, known: Collection[str]) -> None:
    """Raise TypeError for a title that no arguments can fill."""
    try:
        fields = [name for _, name, _, _ in Formatter().parse(title) if name is not None]
    except ValueError as error:
        raise TypeError(f"The title {title!r} is no format: {error}.") from error
    if unknown := [name for name in fields if argument_in(name) not in known]:
        raise TypeError(f"The title {title!r} names {unknown[0]!r}, which is no argument.")


def task_type_of(celery_task: Task, queue: str) -> TaskType:
    """Return the kind of a plain Celery task: checked by its signature, titled by its name."""
    names = getattr(unwrap(celery_task.run), "__globals__", {})
    own = signature_of(celery_task.run, names)
    # A title is a format, and a name may hold braces.
    title = celery_task.name.replace("{", "{{").replace("}", "}}")
    return TaskType(celery_task.name, title, queue, own.validate, own.call)
