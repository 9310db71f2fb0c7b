"""Short forms of the fuzzers: frames, packets, events, and each endpoint.

Longer: HYPOTHESIS_EXAMPLES=20000 pytest tests/security/test_fuzz.py
"""

from __future__ import annotations

import json
import os
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from headway import strict_json
from headway.engine.frames import CLOSE, FINAL, MASKED, PING, TEXT, FrameParser, ProtocolError
from headway.engine.packets import GOODBYE, MESSAGE, is_sound, read_packets
from headway.store.records import Records
from headway.web.handlers import _after, _task_ids, guarded
from tests.security.test_every_endpoint import path_of, rules

EXAMPLES = int(os.environ.get("HYPOTHESIS_EXAMPLES", "100"))
LARGEST = 150  # bytes of a message
CODES = {1002, 1003, 1007, 1008, 1009}
few = settings(
    max_examples=EXAMPLES // 5,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
many = settings(max_examples=EXAMPLES)

NASTIES = (
    *("", "\0", "\x1b[2J", "\u202e", "\r\nX: y", "../..", "%00", "NaN", "1e999", "-1"),
    *("<script>", "{{7*7}}", "\ud800", "a" * 5000, "9" * 400, "=1+1", "__proto__", "null", "[]"),
)
NASTY = st.sampled_from(NASTIES)
TEXTS = NASTY | st.text(max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda some: st.lists(some, max_size=4) | st.dictionaries(TEXTS, some, max_size=4),
    max_leaves=8,
)
KEYS = st.sampled_from(
    ["name", "args", "countdown", "eta", "expires_in", "resume", "task_ids", "after", "email"]
)
OBJECTS = st.dictionaries(KEYS | TEXTS, VALUES | st.sampled_from(["long_task"]), max_size=4)


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """A client's frame, sound or nearly so: with odd bits, lengths that lie, and any payload."""
    first = draw(st.sampled_from([FINAL | TEXT, TEXT, FINAL, 0, FINAL | CLOSE, FINAL | PING]))
    first = draw(st.just(first) | st.integers(0, 255))
    payload = draw(st.binary(max_size=130) | packets().map(lambda text: text.encode()))
    lie = draw(st.sampled_from([0, 0, 0, 1, -1, 70_000, 2**62]))
    size = max(0, len(payload) + lie)
    masked = MASKED if draw(st.integers(0, 9)) else 0
    length = (
        bytes([masked | size])
        if size < 126
        else bytes([masked | 126]) + size.to_bytes(2)
        if size < 65_536
        else bytes([masked | 127]) + size.to_bytes(8)
    )
    mask = draw(st.binary(min_size=4, max_size=4))
    body = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return bytes([first]) + length + mask + body


def packets() -> st.SearchStrategy[str]:
    """Engine.IO packets with Socket.IO's in them, sound or nearly so."""
    calls = st.builds(lambda name, value: json.dumps([name, value]), TEXTS, VALUES)
    heads = st.sampled_from(["40", "42", "421", "41", "43", "44", "45", "4", "1", "3", "2", "6"])
    return st.builds(
        lambda head, text: (head + text).encode(errors="replace").decode(),
        heads,
        calls | TEXTS | st.sampled_from(["/admin,", "[" * 3000, "51-[]", '{"token":5}']),
    )


@many
@example([bytes([FINAL | TEXT, MASKED | 126, 1, 0, 0, 0, 0, 0]) + b"4" * 256], [])
@given(st.lists(frames(), max_size=3), st.lists(st.integers(1, 40), max_size=20))
def test_any_bytes_are_messages_or_a_refusal_and_little_is_kept(sent: list[bytes], cuts: list[int]):
    parser = FrameParser(LARGEST)
    rest = b"".join(sent)
    found = []
    code = 1002
    try:
        for cut in [*cuts, len(rest)]:
            found += list(read_packets(parser, rest[:cut]))
            rest = rest[cut:]
    except ProtocolError as error:
        code = error.code
    assert code in CODES
    for kind, payload in found:
        assert kind in (MESSAGE, GOODBYE, PING, CLOSE)
        assert len(payload) <= LARGEST
        if kind == MESSAGE:
            is_sound(payload.decode())  # raises nothing
    assert len(parser._parts) <= LARGEST


@many
@given(packets())
def test_what_is_sound_is_an_event_with_a_name_or_has_no_data_of_its_own(text: str):
    if is_sound(text) and text[:1] == "2":
        begin = text.index("[")
        assert isinstance(strict_json.parse(text[begin:])[0], str)


@many
@given(VALUES | OBJECTS)
def test_any_payload_of_an_event_is_taken_or_refused_in_its_answer(payload: Any):
    def handler(_: str, given: dict[str, Any]) -> dict[str, Any]:
        return {"task_ids": _task_ids(given), "after": _after(given)}

    answer = guarded(handler)("sid", payload)

    assert answer.keys() in ({"error"}, {"task_ids", "after"})
    if "error" in answer:
        assert answer["error"]["code"] == "bad_payload"


@few
@given(
    body=st.one_of(
        OBJECTS.map(json.dumps), VALUES.map(json.dumps), TEXTS, st.just("[" * 50_000)
    ).map(lambda text: text.encode(errors="replace")),
    query=st.dictionaries(
        st.sampled_from(["phase", "state", "q", "cursor", "limit", "after", "offset", "token"])
        | st.sampled_from(["task_id", "level", "find", "from", "download"]),
        TEXTS,
        max_size=3,
    ),
    key=TEXTS.map(lambda text: "".join(filter(str.isprintable, text)).encode("latin-1", "ignore")),
)
def test_no_endpoint_fails_whatever_it_is_given(
    app: Any, records: Records, body: bytes, query: dict[str, str], key: bytes
):
    client = app.test_client()
    task_id = client.post("/longtask").json["task_id"]
    query = {name: text.encode(errors="replace").decode() for name, text in query.items()}
    header = key.decode("latin-1")
    headers = {"Idempotency-Key": header, "If-None-Match": header, "Authorization": header}
    for method, rule in rules(app):
        if rule == "/readyz":  # waits for what this process does not hear
            continue
        response = client.open(
            path_of(rule, task_id),
            method=method,
            headers=headers,
            query_string=query,
            data=body if method != "GET" else None,
            content_type="application/json",
        )
        assert response.status_code < 500, (method, rule, response.text)
        if response.mimetype == "application/json":
            strict_json.parse(response.text)
        response.close()
