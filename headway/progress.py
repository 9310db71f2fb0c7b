"""Progress reports of the running task: `from headway import progress`.

`progress` belongs to the running task as Flask's `request` belongs to the running request; outside
a task its calls do nothing. The task's threads and coroutines may report for it too.

    with progress.step("Upload", 2, 3):
        progress.set(current=0, total=size)
        progress.update(len(chunk))
    progress.log("uploaded to the archive")
    print("The words of", model, file=progress.stream("answer"))
    progress.file("report.csv", path)
    for row in progress.track(rows, "Importing", resume=True):
        ...
    progress.save({"page": 3})
    if progress.ask("Import 3 rows?", choices=["yes", "no"], timeout=3600, default="no") == "yes":
        ...

A step with an index and a count is a part of the whole bar; a step without them, or a loop outside
of any step, has a bar of its own. Of nested loops the outermost is the bar, and the next one stands
beside it.

A task that was stopped or killed goes on at what it saved last, which `progress.saved` holds; a
loop with `resume=True` skips the items that are done.

A call only buffers the report. A background thread sends what is buffered, at most ten times a
second: the first report at once, the newest numbers and status, each step and each log line. So a
run never waits for Redis. Values that cannot be shown (NaN, an object whose `str` raises) are left
out. Once a task has been cancelled, or another run of it has taken over, the next call raises
`headway.celery.run.runs.Stopped`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar

from headway.bars import Section
from headway.capture import capture
from headway.capture.programs import run
from headway.celery.run import asking, children, effects, tracking
from headway.celery.run.asking import NO_DEFAULT
from headway.celery.run.files import FileSource, give_out
from headway.celery.run.log_lines import level_of
from headway.celery.run.loops import loop_around
from headway.celery.run.progress_buffer import UNSET
from headway.celery.run.report_values import name_of as _name
from headway.celery.run.report_values import number_of as _number
from headway.celery.run.report_values import status_of as _status
from headway.celery.run.runs import HERE
from headway.celery.run.sections import find as _find
from headway.celery.run.sections import inside as _inside
from headway.celery.run.streams import open_stream
from headway.celery.run.text_stream import TextStream
from headway.values import as_number, as_text

__all__ = [
    "ask",
    "bind",
    "capture",
    "file",
    "flush",
    "log",
    "once",
    "run",
    "save",
    "saved",
    "set",
    "step",
    "stream",
    "track",
    "update",
]

P = ParamSpec("P")
T = TypeVar("T")
ONE = 1
MAX_LINE_CHARS = 4000

# Looked up once: in a tight loop of `progress.update` it would be a quarter of the cost.
_here = HERE.get


def update(n: float = ONE) -> None:
    """Advance by `n`, as `tqdm.update` does."""
    section = _here()
    if not section.is_open:
        found = _find()
        if found is None:
            return
        section = found
    if n is not ONE:
        number = as_number(n)
        if number is None:
            return
        n = number
    # No lock: the interpreter does not switch threads while it adds plain numbers, so no count is
    # lost.
    section.current += n


def set(current: float = UNSET, total: float | None = UNSET, status: str = UNSET) -> None:
    """Set any of `current`, `total` (None: unknown) and `status`, one line of text."""
    if section := _find():
        section.run.buffer.say(
            section, _number(current), total if total is None else _number(total), _status(status)
        )


def track(
    iterable: Iterable[T] | Callable[[Any], Iterable[T]],
    status: str = "",
    total: float | None = None,
    *,
    resume: bool = False,
    resume_from: Callable[[T], Any] | None = None,
) -> Iterator[T]:
    """Yield from `iterable` and count its items; `total` defaults to its length, if it has one.

    `status` names the loop. With `resume`, the items that earlier runs of the task have done are
    skipped. With `resume_from`, which returns the key of an item (JSON), `iterable` is a function
    that returns the items after a key, or all of them for None: a query goes on where it was. A
    loop whose name another run changed begins at its first item, and the log says so at the end.
    Raises TypeError for a set, which has no order, for a function without `resume_from`, and for a
    key that is not JSON.
    """
    return tracking.track(iterable, status, total, resume, resume_from)


@contextmanager
def step(name: str, index: int | None = None, count: int | None = None) -> Iterator[None]:
    """Name the step of the work that the block does: "step 3/7 Tokenising"."""
    around = _find()
    if around is None:
        yield
        return
    section = Section(
        _name(name), parent=around, is_step=True, index=as_number(index), count=as_number(count)
    )
    with _inside(section):
        yield


def save(value: Any) -> None:
    """Save where the task is (JSON, at most 64 KiB): a run that goes on later begins there.

    It is stored, with the newest report, as this returns. Where Redis does not answer it is stored
    a little later; a task that has written to a stream waits for that. In an item of a resumable
    loop it is stored once the item is done. A worker that stops ends the run here.

    Raises TypeError for what is not JSON, ValueError for a value that is too large, RuntimeError in
    a child process of the run.
    """
    if section := _find():
        loop = loop_around(section)
        section.run.checkpoint.save(value, loop)
        if loop is None:
            section.run.sender.save()


def once(
    name: str,
    effect: Callable[..., T],
    in_doubt: Callable[[], T] | None = None,
    *,
    commits: bool = False,
) -> T:
    """Run a side effect once for the task, whatever number of runs it has; return its result.

    Later calls with this `name`, in this run or the next ones, return the same result (JSON, at
    most 16 KiB) and do not run it. An effect that raises counts as not done. Where a run died
    within it, nobody can know whether it took place: then `in_doubt` is called in its place, to
    look it up, and what that returns is kept; pass the effect itself to run it again. Without
    `in_doubt` it raises `headway.exceptions.OutcomeUnknown`, as an effect may itself; so no
    `save` within such an effect ends the run of a worker that stops.

    With `commits` the effect gets a function, to be called directly before its one step that
    counts, such as an email's final dot: a run that dies before it has done nothing. It raises
    RedisUnavailable where Redis does not answer within 5 s. Raises TypeError or ValueError for a
    result that cannot be kept, which leaves the effect in doubt, and for an invalid name.
    """
    return effects.once(_find(), name, effect, in_doubt, commits=commits)


def ask(
    text: str,
    choices: Sequence[str | int] | None = None,
    schema: Any = None,
    timeout: float | None = None,
    default: Any = NO_DEFAULT,
    key: str = "",
    remind_after: float | None = None,
) -> Any:
    """Ask a person, and return the answer: one of `choices`, or what `schema` says, or a text.

    The run ends here, and its task waits without a worker; an answer starts the next run, in which
    the same call returns it: that with this `key`, else the first, second, ... of this text since
    the last save. `schema` is an annotation, such as `int` or a dataclass. After `timeout` seconds,
    and outside a task, it returns `default`, or raises `headway.Unanswered`. After `remind_after`
    seconds pages that are out of view tell of it once more. Raises TypeError or ValueError for what
    cannot be asked or does not fit, RuntimeError in a child process, after `retry`, or within an
    effect of `once` that has no `in_doubt`.
    """
    return asking.ask(_find(), text, choices, schema, timeout, default, key, remind_after)


if TYPE_CHECKING:
    saved: Any
else:

    def __getattr__(name: str) -> Any:
        """Return `saved`: what the task saved last, None before that and outside a task."""
        if name != "saved":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        section = _find()
        return None if section is None else section.run.checkpoint.value


def log(text: str, level: str | int = "INFO") -> None:
    """Add a line to the task's live log; `level` is a name or a number of `logging`."""
    section = _find()
    line = as_text(text, MAX_LINE_CHARS)
    if section and line is not None:
        section.run.buffer.log(level_of(level), line)


def stream(
    name: str, *, format: Literal["markdown"] | None = None, overflow: Literal["file"] | None = None
) -> TextStream:
    """Return an output stream of the task, a text file that its viewers see as it is written.

    `name` tells it from the task's others; the same name in one run is the same stream, opened
    again. With `format="markdown"` it is shown as Markdown, else as plain text in a terminal's
    colours. It keeps `headway_stream_max_bytes`; with `overflow="file"` all of a longer one is a
    file of the task, `<name>.txt`. A new attempt begins where the task was last saved. Outside a
    task what is written is ignored. Raises ValueError for a name other than 1 to 64 of A-Z a-z 0-9
    _ . -, another format, the 17th stream of a run, or a file of one that is full; RuntimeError in
    a child process of the run; ConfigError for a file without the folder `headway_files`.
    """
    section = _find()
    return open_stream(section.run if section else None, name, format=format, overflow=overflow)


def file(name: str, source: FileSource) -> None:
    """Give out a file of the task, which those who see the task can download by its `name`.

    `source` is a path, bytes or a binary file. It is copied into the folder `headway_files`, kept
    as long as the task, and replaces the task's file of this name. Outside a task nothing is kept.
    Raises ValueError for an invalid name, a file above `headway_file_max_bytes` or the 101st of a
    task; TypeError for another source; ConfigError without a folder; OSError where the source
    cannot be read or the folder not written; RuntimeError in a child process of the run.
    """
    section = _find()
    give_out(section.run if section else None, name, source)


def flush() -> None:
    """Send buffered reports, and the text of streams, now."""
    if section := _find():
        if section.run.streams is not None:
            section.run.streams.flush()
        section.run.sender.flush(now=True)


def bind(function: Callable[P, T]) -> Callable[P, T]:
    """Return a function that reports for this run in whatever thread or process it is called.

    In a process of `multiprocessing` or a ProcessPoolExecutor, `update` and `set` count as this
    run's and `log` adds to its log; of the function's own loops and steps nothing is shown.
    Threads that this run starts, and functions that it submits to a ThreadPoolExecutor, report for
    it anyway.
    """
    return children.bind(function)
