"""The shapes of what the JSON routes take and answer, besides the snapshot.

docs/protocol.md says what each key means.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from headway.display.labels import Labels
from headway.shapes import SnapshotDict
from headway.store.errors import Problem
from headway.store.model import QueueLoad
from headway.store.records import TASK_ID
from headway.tokens import MAX_SECONDS
from headway.web.api.bounds import AtLeastOne, AtMostOne, Chars, Items, Matching, Within
from headway.webpush.subscriptions import AUTH, ENDPOINT, MAX_ENDPOINT, P256DH

MAX_AHEAD_SECONDS = 366 * 86400
AHEAD = Within(0, MAX_AHEAD_SECONDS)
LASTING = Within(1, MAX_SECONDS)  # seconds of a link
TASK_IDS = Items(1, 100)  # of one request
LIMIT = Within(1, 100)  # tasks on a page
OFFSET = Within(0, 2**53)  # the whole numbers that JavaScript knows
QUERY = Chars(200)
KEY = Chars(255)
# Where a page begins: a score, which is below zero for parts, and a task's id; "" for the first.
CURSOR = re.compile(rf"(?:(-?[0-9]{{1,18}})~({TASK_ID.pattern}))?")
# Of requests with two of these, neither could be done.
ONE_TIME = AtMostOne(countdown=None, eta=None)
SOME_TIME = AtLeastOne("countdown", "eta")
ARGS_OR_RESUME = AtMostOne(args=None, resume=False)


class Refusal(TypedDict):
    """Why a request was refused; `fields` says where, by path.

    `code` is for programs: `bad_json` for a body that is no JSON object, `bad_request` for one with
    an unknown key, and others.
    """

    code: str
    message: str
    fields: NotRequired[dict[str, str]]


class Refused(TypedDict):
    """The body of each answer from 400 on."""

    error: Refusal


class Server(TypedDict):
    """What a web process knows of the system; null where it does not know it yet."""

    live: bool
    now: str | None
    workers: int | None
    slots: int | None
    queued: int | None
    queues: Mapping[str, QueueLoad] | None
    paused: bool | None
    problem: Problem | None
    labels: Mapping[str, Labels]


class Statuses(TypedDict):
    """Several tasks, and the ids of those that are unknown, expired or not the viewer's."""

    snapshots: list[SnapshotDict]
    missing: list[str]
    server: Server


class TaskList(TypedDict):
    """A page of an owner's tasks, the cursor of the next one, and how many are in each phase."""

    tasks: list[SnapshotDict]
    next: str | None
    counts: dict[str, int]
    server: Server


class PartList(TypedDict):
    """A page of a task's parts, and the cursor of the next one."""

    tasks: list[SnapshotDict]
    next: str | None


class PartsRetried(TypedDict):
    """The parts that were started again, and how many failed ones are left."""

    tasks: list[SnapshotDict]
    left: int


class RefusedTask(TypedDict):
    """Why one of several tasks was not changed."""

    task_id: str
    code: str
    message: str


class SeveralChanged(TypedDict):
    """What became of several tasks."""

    action: str
    done: list[str]
    snapshots: list[SnapshotDict]
    refused: list[RefusedTask]


class FileGiven(TypedDict):
    """A file that a task has given out; its size is in bytes."""

    name: str
    size: int
    type: str
    at: str


class FileList(TypedDict):
    """A task's files, oldest first."""

    files: list[FileGiven]


class Uploaded(TypedDict):
    """A file that was taken in; its size is in bytes."""

    upload_id: str
    name: str
    size: int
    type: str


class UploadProgress(TypedDict):
    """A file that comes in pieces: `offset` bytes of its `size` have come.

    `type` is null until all have.
    """

    upload_id: str
    name: str
    size: int
    type: str | None
    offset: int


class Shared(TypedDict):
    """A read-only token for a task, and a link with it."""

    url: str
    token: str
    token_id: str
    expires_at: str


class Schedule(TypedDict):
    """When a task runs every so often."""

    name: str
    title: str
    rule: str
    next_at: str | None
    ran_at: str | None
    task_id: str | None
    missed: int
    paused: bool
    has_worker: bool


class ScheduleList(TypedDict):
    """All schedules, by name."""

    schedules: list[Schedule]


class PushState(TypedDict):
    """What a browser subscribes to Web Push with, and whether it is told already."""

    key: str | None  # none are sent
    on: bool


class Health(TypedDict):
    """That the process serves, or that it takes tasks."""

    status: str


# What requests carry


class FileForm(TypedDict):
    """A form with one file."""

    file: bytes


class When(TypedDict, total=False):
    """A time: `countdown` in seconds, or `eta` in RFC 3339."""

    countdown: Annotated[float, AHEAD] | None
    eta: datetime | None


class Start(When):
    """Which task to start, with which arguments, by name."""

    name: str
    args: NotRequired[dict[str, Any]]


class Cancel(TypedDict, total=False):
    """Whether its parts are cancelled too, as they are by default."""

    parts: bool


class Retry(TypedDict, total=False):
    """Other arguments, all of them; or whether it goes on where the old task was saved."""

    args: dict[str, Any] | None
    resume: bool


class Answer(TypedDict):
    """An answer to a task's question."""

    question_id: str
    value: Any


class SubscriptionKeys(TypedDict):
    """What a push message for a browser is encrypted with, in base64."""

    p256dh: Annotated[str, Matching(P256DH)]
    auth: Annotated[str, Matching(AUTH)]


class Unsubscribe(TypedDict):
    """Which browser is told no longer, by its push service's address for it."""

    endpoint: Annotated[str, Matching(ENDPOINT), Chars(MAX_ENDPOINT)]


class Subscription(Unsubscribe):
    """A browser's subscription, as `PushSubscription.toJSON` has it."""

    keys: SubscriptionKeys
    expirationTime: NotRequired[Any]


class Several(TypedDict):
    """What to do with which tasks."""

    action: Literal["cancel", "retry", "forget"]
    task_ids: Annotated[list[str], TASK_IDS]


class Share(TypedDict, total=False):
    """For how many seconds a link lasts."""

    expires_in: Annotated[float, LASTING]


class ChangeSchedule(TypedDict):
    """What to do with a schedule."""

    action: Literal["pause", "resume", "run"]
