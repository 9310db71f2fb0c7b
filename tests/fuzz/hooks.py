"""What schemathesis knows of Headway beyond the document: visitors, and ids that exist.

Loaded by schemathesis, in its own environment. At its end it says how the requests were answered.
"""

from __future__ import annotations

import atexit
import random
import time
from collections import Counter
from typing import Any

import requests
import schemathesis

SHARE = 0.7  # of what is sent, that exists
VISITOR_SECONDS = 10.0  # so that no list grows for the whole run, and what ended is replaced
ANSWER_SECONDS = 20.0
PEOPLE = b"Email,Name\nann@example.com,Ann\nnobody,Bob\n"
NO_PEOPLE = b"\xff\xfe"
MAIL = {"subject": "Hello {Name}", "body": ["Dear {Name}"]}
DAY = 86_400

answered: Counter[int] = Counter()
# A piece of an upload that goes on where it was.
schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")


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
        later = [self._start("long_task", countdown=DAY) for _ in range(2)]
        self._post(f"/tasks/{later[1]}/cancel")
        self._asking = self._start("send_mailing", args={"source": source, **MAIL})
        ids = [
            *later,
            self._start("long_task"),
            self._start("import_contacts", args={"source": source}),
            self._start("import_contacts", args={"source": self._upload(NO_PEOPLE)}),
            self._asking,
        ]
        self.known: dict[str, list[Any]] = {
            "task_id": ids,
            "task_ids": [ids[:1], ids],
            "token_id": [self._post(f"/tasks/{later[0]}/share")["token_id"]],
            # Of tasks, and of a stream.
            "name": ["long_task", "import_contacts", "send_mailing", "preview"],
            "args": [{}, {"source": source}, {"source": source, **MAIL}],
            "countdown": [0, DAY],
            "value": ["Send", "Do not send"],
        }

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
    case.headers["Cookie"] = visitor.cookie
    for part in (case.path_parameters, case.query, case.body):
        if isinstance(part, dict):
            for name in part.keys() & visitor.known.keys():
                if random.random() < SHARE:
                    part[name] = random.choice(visitor.known[name])


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    """Count the answers."""
    answered[response.status_code] += 1


@atexit.register
def say() -> None:
    """Say how many answers had which status."""
    told = ", ".join(f"{status}: {count}" for status, count in sorted(answered.items()))
    print(f"{answered.total()} answers by status: {told}")
