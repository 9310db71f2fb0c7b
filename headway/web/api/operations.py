"""What each JSON route takes and answers: the source of the OpenAPI document.

Its path comes from the URL map, and what it does from the docstring of its view.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple, Required

from headway.shapes import SnapshotDict
from headway.snapshot import STATE, Phase
from headway.store.model import LogPage, StreamPage
from headway.tokens import TOKEN_ID
from headway.web.api.bounds import Matching
from headway.web.api.payloads import (
    ARGS_OR_RESUME,
    CURSOR,
    KEY,
    LIMIT,
    OFFSET,
    ONE_TIME,
    QUERY,
    SOME_TIME,
    TASK_IDS,
    Answer,
    Cancel,
    ChangeSchedule,
    FileForm,
    FileList,
    Health,
    PartList,
    PartsRetried,
    PushState,
    Retry,
    Schedule,
    ScheduleList,
    Several,
    SeveralChanged,
    Share,
    Shared,
    Start,
    Statuses,
    Subscription,
    TaskList,
    Unsubscribe,
    Uploaded,
    UploadProgress,
    When,
)
from headway.web.api.task_bodies import OfAKind
from headway.web.api.tus import NUMBER, OVERRIDE, VERSION, VERSION_HEADER

LISTED: Mapping[str, Any] = {
    "phase": list[Phase],
    "state": list[Literal[tuple(sorted(set(STATE.values())))]],  # type: ignore[misc]
    "q": Annotated[str, QUERY],
    "limit": Annotated[int, LIMIT],
    "cursor": Annotated[str, Matching(CURSOR)],
}
CONDITIONAL: Mapping[str, Any] = {"If-None-Match": str}
KEYED: Mapping[str, Any] = {"Idempotency-Key": Annotated[str, KEY]}
TUS: Mapping[str, Any] = {VERSION_HEADER: Required[Literal[VERSION]]}
PLACE = Annotated[str, Matching(NUMBER)]


class Operation(NamedTuple):
    """What a route takes and answers.

    `answers` are types of JSON by status, None where there is no body; what `refuses` answers is a
    `Refused`. What many routes refuse with, openapi.py adds. Parameters are types by name; those of
    the query and the headers may be left out unless they are `Required`. `is_text_too`: a client
    may get plain text instead.
    """

    answers: dict[int, Any]
    body: Any = None
    needs_body: bool = True
    body_type: str = "application/json"
    path: Mapping[str, Any] = {}
    query: Mapping[str, Any] = {}
    headers: Mapping[str, Any] = {}
    refuses: tuple[int, ...] = ()
    is_text_too: bool = False


# By endpoint and method.
OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("headway.status", "GET"): Operation(
        {200: SnapshotDict, 304: None}, headers=CONDITIONAL, refuses=(412,)
    ),
    ("headway.batch_status", "GET"): Operation(
        {200: Statuses, 304: None},
        query={"task_id": Required[Annotated[list[str], TASK_IDS]]},
        headers=CONDITIONAL,
        refuses=(400,),
    ),
    ("headway_list.show", "GET"): Operation(
        {200: TaskList}, query={**LISTED, "include": list[Literal["open"]]}, refuses=(400,)
    ),
    ("headway.start_task", "POST"): Operation(
        {202: SnapshotDict},
        Annotated[Start, ONE_TIME, OfAKind()],
        headers=KEYED,
        refuses=(400, 403, 409, 415, 422),
    ),
    ("headway.cancel", "POST"): Operation(
        {202: SnapshotDict}, Cancel, needs_body=False, refuses=(400, 403, 409)
    ),
    ("headway.schedule", "POST"): Operation(
        {202: SnapshotDict}, Annotated[When, ONE_TIME, SOME_TIME], refuses=(400, 403, 409, 415)
    ),
    ("headway.retry", "POST"): Operation(
        {202: SnapshotDict},
        Annotated[Retry, ARGS_OR_RESUME],
        needs_body=False,
        headers=KEYED,
        refuses=(400, 403, 409, 422),
    ),
    ("headway.forget", "POST"): Operation({204: None}, refuses=(403, 409)),
    ("headway.result", "GET"): Operation({200: Any}, query={"download": str}, refuses=(409,)),
    ("headway.log", "GET"): Operation(
        {200: LogPage}, query={"after": Annotated[int, OFFSET]}, refuses=(400,)
    ),
    ("headway_answers.answer_by_json", "POST"): Operation(
        {202: SnapshotDict}, Answer, refuses=(400, 403, 409, 415, 422)
    ),
    ("headway_bulk.change", "POST"): Operation(
        {200: SeveralChanged}, Several, headers=KEYED, refuses=(400, 403)
    ),
    ("headway_streams.stream", "GET"): Operation(
        {200: StreamPage},
        query={
            "offset": Annotated[int, OFFSET],
            "epoch": Annotated[int, OFFSET],
            "download": str,
        },
        is_text_too=True,
        refuses=(400,),
    ),
    ("headway_files.listing", "GET"): Operation({200: FileList}),
    ("headway_parts.listing", "GET"): Operation({200: PartList}, query=LISTED, refuses=(400,)),
    ("headway_parts.retry", "POST"): Operation({202: PartsRetried}, refuses=(403, 422)),
    ("headway_sharing.share", "POST"): Operation(
        {201: Shared}, Share, needs_body=False, refuses=(400, 403, 415)
    ),
    ("headway_sharing.unshare_all", "DELETE"): Operation({204: None}, refuses=(403,)),
    ("headway_sharing.unshare", "DELETE"): Operation(
        {204: None}, path={"token_id": Annotated[str, Matching(TOKEN_ID)]}, refuses=(400, 403)
    ),
    # With the headers of tus it is another operation, one without a body, which OpenAPI cannot
    # describe beside this one.
    ("headway_uploads.take", "POST"): Operation(
        {201: Uploaded | UploadProgress},
        FileForm,
        body_type="multipart/form-data",
        refuses=(400, 403, 412, 415),
    ),
    ("headway_tus.show", "GET"): Operation({200: UploadProgress}),
    ("headway_tus.append", "PATCH"): Operation(
        {204: None},
        bytes,
        body_type="application/offset+octet-stream",
        headers={**TUS, "Upload-Offset": Required[PLACE]},
        refuses=(400, 403, 409, 412, 415, 423),
    ),
    ("headway_tus.override", "POST"): Operation(
        {204: None},
        bytes,
        needs_body=False,
        body_type="application/offset+octet-stream",
        headers={**TUS, "Upload-Offset": PLACE, OVERRIDE: Required[Literal["PATCH", "DELETE"]]},
        refuses=(400, 403, 405, 409, 412, 415, 423),
    ),
    ("headway_tus.end", "DELETE"): Operation({204: None}, headers=TUS, refuses=(403, 409, 412)),
    ("headway_schedules.index", "GET"): Operation({200: ScheduleList}, refuses=(404,)),
    ("headway_schedules.change", "POST"): Operation(
        {200: Schedule, 202: SnapshotDict},
        ChangeSchedule,
        headers=KEYED,
        refuses=(400, 403, 404, 409, 415, 422),
    ),
    ("headway_push.about", "GET"): Operation({200: PushState}, query={"device": str}),
    ("headway_push.subscribe", "POST"): Operation(
        {204: None}, Subscription, refuses=(400, 403, 404, 409, 415)
    ),
    ("headway_push.unsubscribe", "DELETE"): Operation(
        {204: None}, Unsubscribe, refuses=(400, 403, 415)
    ),
    ("headway_ops.healthz", "GET"): Operation({200: Health}),
    ("headway_ops.readyz", "GET"): Operation({200: Health}),
}
