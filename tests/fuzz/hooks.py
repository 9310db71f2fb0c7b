"""What schemathesis knows of Headway beyond the document: visitors, ids that exist, and what goes
together where no document can say so.

Loaded by schemathesis, in its own environment. At its end it says how the requests were answered.
"""

from __future__ import annotations

import atexit
import random
import time
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import requests
import schemathesis
from hypothesis import strategies as st
from schemathesis.core import NOT_SET
from schemathesis.core.parameters import ParameterLocation

SHARE = 0.9  # of what is sent, that exists
VISITOR_SECONDS = 10.0  # so that no list grows for the whole run, and what ended is replaced
ANSWER_SECONDS = 20.0
PEOPLE = b"Email,Name\nann@example.com,Ann\nnobody,Bob\n"
# Its beginning, which is looked at when a task is started, is sound: what is no UTF-8 comes later.
NO_PEOPLE = PEOPLE + b"ann@example.com,Ann\n" * 1000 + b"\xff\xfe\n"
MAIL = {"subject": "Hello {Name}", "body": ["Dear {Name}"]}
DAY = 86_400
OFTEN = 0.5  # of the requests, an operator's
# A point of the curve P-256, and a secret.
KEYS = {
    "p256dh": "BJCDYiiosv_-fcAEOui_fQ9tkbrk6fTWJZSp6tPpOBvK"
    "zeeWc2Rf2SxSQ7bmVLajtpo_7_2UIAAoKVj7zSHvCbQ",
    "auth": "YWRhICAgICAgICAgICAgIA",
}
TUS = {"Tus-Resumable": "1.0.0"}
FILE_BYTES = 5

# Not the module's own: hypothesis seeds that one alike before each request.
chance = random.Random(1)
answered: Counter[tuple[str, int]] = Counter()
# A piece of an upload that goes on where it was.
schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
# An email to any address that there may be is no matter of the document's, nor is what is too far
# ahead: a schema knows no clock.
schemathesis.openapi.format("email", st.sampled_from(["ada@example.com", "bob@example.org"]))
schemathesis.openapi.format(
    "date-time", st.integers(-DAY, 300 * DAY).map(lambda seconds: time_in(seconds))
)


def time_in(seconds: int) -> str:
    """Return a time from now as RFC 3339 has it."""
    return datetime.fromtimestamp(time.time() + seconds, UTC).isoformat()


def keep_none(*_: Any) -> None:
    """Keep no cookie that an answer sets: schemathesis would send it instead of the visitor's."""


requests.sessions.extract_cookies_to_jar = keep_none


class Visitor:
    """A visitor with a task in each phase that is easily had, one of which asks a question."""

    def __init__(self, address: str) -> None:
        self._address = address.rstrip("/")
        self._until = time.monotonic() + VISITOR_SECONDS
        self._session = requests.Session()
        self.cookie = ""
        source = self._upload(PEOPLE)
        damaged = self._upload(NO_PEOPLE)
        later = [self._start("long_task", countdown=DAY) for _ in range(2)]
        self._post(f"/tasks/{later[1]}/cancel")
        self.cancelled = later[1]
        self._asking = self._start("send_mailing", args={"source": source, **MAIL})
        ids = [
            *later,
            self._start("long_task"),
            self._start("import_contacts", args={"source": source}),
            self._start("import_contacts", args={"source": damaged}),
            self._start("send_mailing", args={"source": damaged, **MAIL}),
            self._asking,
        ]
        self.known: dict[str, list[Any]] = {
            "task_id": ids,
            "task_ids": [[self._start("long_task", countdown=DAY)] for _ in range(3)],
            "token_id": [self._post(f"/tasks/{later[0]}/share")["token_id"]],
            "name": ["long_task", "preview"],  # of the schedule, and of a stream
            "upload_id": [self._begin_upload() for _ in range(4)],
            "countdown": [0, DAY],
            "value": ["Send", "Do not send"],
        }
        self.starts = [
            {"name": "long_task"},
            {"name": "import_contacts", "args": {"source": source}},
            {"name": "send_mailing", "args": {"source": source, **MAIL}},
            {"name": "send_mailing", "args": {"source": damaged, **MAIL}},
        ]

    def is_for(self, address: str) -> bool:
        """Whether this is the visitor that requests to a server come from now."""
        return self._address == address.rstrip("/") and time.monotonic() < self._until

    def learn(self) -> None:
        """Note the question, once the task has asked it."""
        if "question_id" not in self.known:
            url = f"{self._address}/status/{self._asking}"
            answer = self._session.get(url, timeout=ANSWER_SECONDS).json()
            if question := answer.get("question"):
                self.known["question_id"] = [question["id"]]

    def _upload(self, text: bytes) -> str:
        return str(self._post("/uploads", files={"file": ("people.csv", text)})["upload_id"])

    def _begin_upload(self) -> str:
        begin = {**TUS, "Upload-Length": str(FILE_BYTES)}
        return str(self._post("/uploads", headers=begin)["upload_id"])

    def _start(self, name: str, **more: Any) -> str:
        return str(self._post("/tasks", json={"name": name, **more})["task_id"])

    def _post(self, path: str, **sent: Any) -> dict[str, Any]:
        answer = self._session.post(f"{self._address}{path}", timeout=ANSWER_SECONDS, **sent)
        answer.raise_for_status()
        if not self.cookie:
            self.cookie = "; ".join(f"{name}={value}" for name, value in answer.cookies.items())
            self._session.headers["Cookie"] = self.cookie
        found: dict[str, Any] = answer.json()
        return found


class Visitors:
    """The visitor of the moment."""

    def __init__(self) -> None:
        self._visitor: Visitor | None = None

    def current(self, address: str) -> Visitor:
        if self._visitor is None or not self._visitor.is_for(address):
            self._visitor = Visitor(address)
        return self._visitor


visitors = Visitors()


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Send a request as a visitor, with what exists in many places of what was made up."""
    visitor = visitors.current(case.operation.base_url)
    if case.path.endswith("/answer"):
        visitor.learn()
    for place, part in (
        (ParameterLocation.PATH, case.path_parameters),
        (ParameterLocation.QUERY, case.query),
        (ParameterLocation.BODY, case.body),
    ):
        if isinstance(part, dict) and not is_negative(case, place):
            put_known(visitor, part)
    put_together(visitor, case)
    case.headers["Cookie"] = visitor.cookie
    if chance.random() < OFTEN:
        case.headers["Operator"] = "yes"


def is_negative(case: Any, place: ParameterLocation) -> bool:
    """Whether a part of a request is meant to be refused: it stays as it was made."""
    meta = case.meta
    return meta is not None and meta.generation.mode.is_negative and meta.is_negative_at(place)


def put_known(visitor: Visitor, part: dict[str, Any]) -> None:
    """Replace much of what was made up by what exists, but for a task's name beside arguments."""
    for name in part.keys() & visitor.known.keys():
        if name == "name" and "args" in part:
            continue
        if chance.random() < SHARE:
            part[name] = chance.choice(visitor.known[name])


def put_together(visitor: Visitor, case: Any) -> None:
    """Put together what belongs together, in what is not meant to be refused.

    The arguments of a start with its name, and of a rerun with its task; with a method that another
    stands for, what that one needs; the keys of a browser, and an endpoint that is nowhere.
    """
    operation = f"{case.method.upper()} {case.operation.path}"
    body = None if is_negative(case, ParameterLocation.BODY) else case.body
    headers = case.headers
    if operation == "POST /tasks" and isinstance(body, dict) and chance.random() < SHARE:
        body.pop("args", None)
        body |= chance.choice(visitor.starts)
    if operation == "POST /tasks/{task_id}/retry" and isinstance(body, dict) and "args" in body:
        body |= {"args": {}, "resume": False}
        case.path_parameters["task_id"] = visitor.cancelled
    if headers.get("X-HTTP-Method-Override") == "PATCH":
        headers.setdefault("Upload-Offset", "0")
        if case.body is NOT_SET:
            headers["X-HTTP-Method-Override"] = "DELETE"
    if operation == "POST /push" and isinstance(body, dict):  # nobody is told of anything
        body |= {"endpoint": "https://push.invalid/ada", "keys": KEYS}
    if "Upload-Offset" in headers and chance.random() < SHARE:
        headers["Upload-Offset"] = "0"


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    """Count the answers."""
    answered[case.operation.label, response.status_code] += 1


@atexit.register
def say() -> None:
    """Say how many answers had which status, in all and of each operation."""
    by_status: Counter[int] = Counter()
    by_operation: dict[str, list[str]] = {}
    for (operation, status), count in sorted(answered.items()):
        by_status[status] += count
        by_operation.setdefault(operation, []).append(f"{status}: {count}")
    told = ", ".join(f"{status}: {count}" for status, count in sorted(by_status.items()))
    print(f"{answered.total()} answers by status: {told}")
    for operation, counts in by_operation.items():
        print(f"  {operation}: {', '.join(counts)}")
