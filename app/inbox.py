"""The development inbox: shows the emails that were caught in a Maildir on this machine."""

from __future__ import annotations

import email
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesHeaderParser
from email.utils import getaddresses
from itertools import islice
from pathlib import Path
from typing import Any

from flask import Blueprint, abort, current_app, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from headway.views import guard, rfc3339

inbox = Blueprint("inbox", __name__)
guard(inbox, {"index": "lists", "index_json": "lists", "show": "reads"})

MAX_LISTED = 200
MAX_MESSAGES = 1_000
MAX_READ_BYTES = 256 * 1024  # bytes of a message
MAX_HEADER = 10_000  # characters of a header: the time to decode one grows by the square

TASK_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")  # a UUID
FILE_NAME = re.compile(r"(\d{1,11})\.M(\d{1,6})P\d+Q(\d+)\.[^:]+")  # seconds, microseconds, count


@inbox.get("/inbox")
def index() -> ResponseReturnValue:
    """Show the messages, newest first; with `?task_id=` those of one task."""
    return render_template("inbox.html", messages=messages(request.args.get("task_id")))


@inbox.get("/inbox.json")
def index_json() -> ResponseReturnValue:
    """Answer with the messages as JSON: `{"messages": [...]}`, newest first.

    Each is `{"id", "task_id", "message_id", "from", "to", "subject", "at", "text", "html"}`.
    """
    response = jsonify(messages=messages(request.args.get("task_id")))
    response.headers["Cache-Control"] = "no-store"
    return response


@inbox.get("/inbox/<message_id>")
def show(message_id: str) -> ResponseReturnValue:
    """Show one message."""
    for path in _files(_folder()):
        if _id_of(path) == message_id and (message := _read(path)):
            return render_template("inbox_message.html", message=message)
    abort(404, "There is no such message in the inbox.")


def messages(task_id: str | None = None) -> list[dict[str, Any]]:
    """Return the newest 200 messages, newest first; of one task if `task_id` is given.

    Aborts with 404 if there is no inbox.
    """
    found = filter(None, map(_read, _files(_folder())))
    return list(
        islice((each for each in found if not task_id or each["task_id"] == task_id), MAX_LISTED)
    )


def count() -> int:
    """Return the number of messages, without reading them."""
    return len(_files(_folder()))


def _folder() -> Path:
    folder: Path | None = current_app.config["MAIL_INBOX"]
    if folder is None:
        abort(404, "There is no inbox here: a real mail server is set.")
    return Path(folder)


def _files(folder: Path) -> list[Path]:
    """Return the messages' files, newest first, after deleting all but the newest 1,000."""
    paths = [
        path
        for part in ("new", "cur")
        for path in _listed(folder / part)
        if FILE_NAME.match(path.name)
    ]
    paths.sort(key=_arrival, reverse=True)
    for path in paths[MAX_MESSAGES:]:
        path.unlink(missing_ok=True)
    return paths[:MAX_MESSAGES]


def _listed(folder: Path) -> Iterator[Path]:
    try:
        yield from folder.iterdir()
    except FileNotFoundError:  # no message has come yet
        return


def _arrival(path: Path) -> tuple[int, ...]:
    found = FILE_NAME.match(path.name)
    return tuple(map(int, found.groups())) if found else ()


def _id_of(path: Path) -> str:
    return path.name.partition(":")[0]  # a mail program appends flags


def _read(path: Path) -> dict[str, Any] | None:
    """Return a message as shown, however broken it is; None if it has just been deleted."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_READ_BYTES)
    except FileNotFoundError:
        return None
    try:
        return _shown(path, email.message_from_bytes(data))
    except RecursionError:  # parts within parts: its headers are shown
        return _shown(path, BytesHeaderParser().parsebytes(data))


def _shown(path: Path, message: Message) -> dict[str, Any]:
    seconds, micros, _ = _arrival(path)
    at = datetime.fromtimestamp(seconds, UTC).replace(microsecond=micros)
    message_id = _header(message, "Message-ID")
    return {
        "id": _id_of(path),
        "task_id": _task_of(message_id),
        "message_id": message_id,
        "from": _header(message, "From") or _header(message, "X-MailFrom"),
        "to": _recipients(message),
        "subject": _header(message, "Subject"),
        "at": rfc3339(at),
        "text": _body(message, "text/plain") or "",
        "html": _body(message, "text/html"),
    }


def _task_of(message_id: str) -> str | None:
    # Of a mailing's the line in its file follows.
    task_id = message_id.strip("<>").rpartition("@")[0].partition(".")[0]
    return task_id if TASK_ID.match(task_id) else None


def _recipients(message: Message) -> list[str]:
    """Return the recipients: the envelope's, in the last header that the inbox added, else To's."""
    envelope = message.get_all("X-RcptTo", [])
    if envelope:
        return [address.strip() for address in _decoded(envelope[-1]).split(",")]
    headers = [_decoded(header) for header in message.get_all("To", [])[:1]]
    try:
        return [address for _, address in getaddresses(headers) if address]
    except RecursionError:  # comments within comments, groups within groups
        return headers


def _header(message: Message, name: str) -> str:
    return _decoded(message.get(name, ""))


def _decoded(header: Any) -> str:
    header = str(header)[:MAX_HEADER]
    try:
        text = str(make_header(decode_header(header)))
    except (
        MessageError,
        LookupError,
        ValueError,
    ):
        # Malformed encoded words, or an unknown charset.
        text = header
    return " ".join(_sound(text).split())


def _body(message: Message, kind: str) -> str | None:
    """Return the text of the first part of a content type that is no attachment, else None."""
    for part in message.walk():
        if part.get_content_type() == kind and part.get_content_disposition() != "attachment":
            content = part.get_payload(decode=True)
            if isinstance(content, bytes):
                return _text(content, part.get_content_charset("utf-8"))
    return None


def _text(content: bytes, charset: str) -> str:
    try:
        text = content.decode(charset, "replace")
    except (LookupError, ValueError):  # not a charset, or one that cannot replace
        text = content.decode("utf-8", "replace")
    return _sound(text).replace("\r\n", "\n")


def _sound(text: str) -> str:
    """Return `text` without lone surrogates, which some charsets decode to."""
    return text.encode("utf-8", "replace").decode()
