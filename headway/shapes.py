"""The shapes of what a task shows, as they travel: in JSON, and in a report on its way to Redis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired, TypedDict


class Step(TypedDict):
    """The named part that a task is in; its numbers are its own.

    With `index` and `count`, the task's numbers are scaled over all steps.
    """

    index: int | None
    count: int | None
    name: str
    current: float
    total: float | None


class TaskError(TypedDict):
    """Why an attempt failed: the exception's name and one line, with secrets masked."""

    type: str
    message: str


class StreamState(TypedDict):
    """An output stream; `length` is in bytes of UTF-8, `epoch` changes when text is taken back.

    One that is full may have a `file` of the task that has the whole text. Without `format` it is
    plain text.
    """

    length: int
    closed: bool
    epoch: int
    format: NotRequired[Literal["markdown"]]
    file: NotRequired[str]


class Question(TypedDict):
    """What a task asks a person; times are RFC 3339.

    The answer is one of `choices`, or fits the JSON Schema `schema`, or is any text.
    """

    id: str
    text: str
    choices: list[str | int] | None
    schema: dict[str, Any] | None
    asked_at: str
    expires_at: str | None
    reminded_at: str | None


class Resume(TypedDict):
    """Where a task goes on if it is resumed; `percent` is None if that is unknown.

    `task_id` is the task that has gone on there, where one has.
    """

    percent: int | None
    task_id: NotRequired[str]


class FailedPart(TypedDict):
    """A part of a task that has failed."""

    task_id: str
    title: str
    error: TaskError | None


class PartCounts(TypedDict):
    """How the tasks that a task started are doing.

    `failed` are among `ended`; `waiting` ask a person. `progress`, from 0 to 1, is of all together:
    each counts as far as it has got.
    """

    count: int
    ended: int
    failed: int
    waiting: int
    progress: float
    first_failed: FailedPart | None


class FileShown(TypedDict):
    """A file of a task: its name, and its size in bytes."""

    name: str
    size: int


class FilesShown(TypedDict):
    """How many files a task has given out, and the first few of them."""

    count: int
    first: list[FileShown]


class SnapshotDict(TypedDict, total=False):
    """A snapshot as its JSON has it; docs/protocol.md says what each key means.

    Times are RFC 3339. One that an earlier version has kept may lack keys; `result` is there in
    SUCCESS alone.
    """

    task_id: str
    name: str
    title: str
    state: str
    phase: str
    current: float
    total: float | None
    status: str
    step: Step | None
    result: Any
    result_size: int | None
    error: TaskError | None
    attempt: int
    max_attempts: int
    version: int
    queue_position: int | None
    queue: str | None
    parent_id: str | None
    parts: PartCounts | None
    created_at: str
    scheduled_for: str | None
    started_at: str | None
    updated_at: str
    finished_at: str | None
    streams: dict[str, StreamState]
    question: Question | None
    failures: int
    resume: Resume | None
    files: FilesShown | None


class HistoryAnswer(TypedDict):
    """Who answered a question, None: nobody in time; `value` is left out where it is long."""

    by: str | None
    value: NotRequired[Any]


class HistoryEvent(TypedDict):
    """A change of a task's phase; times are RFC 3339, `worker` is the one that began a run.

    `scheduled_for` is when a task that waits goes on; with `answered` a question was over.
    """

    at: str
    phase: str
    attempt: int
    status: str
    error: TaskError | None
    worker: str | None
    scheduled_for: str | None
    answered: HistoryAnswer | None


class AttemptFailure(TypedDict):
    """Where an attempt failed; `environment` says by which worker and versions, "" unknown."""

    traceback: str
    environment: str


class Changes(TypedDict, total=False):
    """The keys of the snapshot that a write changes, and what goes with them.

    `bar` names the bar that the numbers belong to, within which they never go back. `result_at` is
    where a large result begins in Celery's form, in bytes; `result_kind` what its author says that
    it is (`headway.typed_results`); `traceback` is where an attempt failed.
    """

    current: float
    total: float | None
    status: str
    step: Step | None
    result: Any
    result_size: int
    result_at: int
    result_kind: str
    error: TaskError | None
    traceback: AttemptFailure
    bar: str | int


class EncodedArguments(TypedDict):
    """Arguments that JSON cannot hold: their content type and encoding, and base64 of them."""

    type: str
    encoding: str
    data: str


class TaskMessage(TypedDict, total=False):
    """A task's message as its record keeps it: a Celery signature; {} if it cannot be read.

    `dependents` says which ends others have to be notified of (celery/storing/dependents.py), and
    `encoded` holds what JSON cannot (celery/messages/encoded.py). `options` are those of
    `apply_async`.
    """

    task: str
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    options: Mapping[str, Any]
    dependents: str
    encoded: EncodedArguments
