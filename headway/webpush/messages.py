"""What a browser is told of a task: its title and its outcome, and nothing that it worked with."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import NamedTuple

from headway.display import words
from headway.display.labels import labels_for_page
from headway.shapes import SnapshotDict
from headway.snapshot import FINAL, Phase
from headway.values import clip

PUSHED_PHASES = FINAL | {Phase.WAITING}
MAX_BODY_CHARS = 200  # with a title it fits into what is encrypted, whatever its characters
TOPIC_CHARS = 32  # at most, of base64url


class Message(NamedTuple):
    """A message: its text (JSON), and the topic under which a newer one replaces an older."""

    text: bytes
    topic: str


def message_of(task: SnapshotDict) -> Message | None:
    """Return what there is to tell of a task, in the current language; None where it goes on.

    The tag is the one under which a page shows the same: see notifier.js.
    """
    labels = labels_for_page(task.get("name", ""))
    reading = words.read(task, labels)
    if reading.phase not in PUSHED_PHASES:
        return None
    question = task.get("question")
    asked = (question["id"], question["reminded_at"]) if question else ()
    tag = " ".join(filter(None, (task["task_id"], reading.phase, *asked)))
    told = {
        "task_id": task["task_id"],
        "title": f"{reading.sign} {task['title']}",
        "body": clip(reading.headline, MAX_BODY_CHARS),
        "tag": tag,
    }
    topic = sha256(tag.encode()).hexdigest()[:TOPIC_CHARS]
    return Message(json.dumps(told, ensure_ascii=False).encode(), topic)
