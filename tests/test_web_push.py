"""Web Push: an owner without an open page is told of an end, a failure and a question, once."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    EllipticCurvePublicKey,
    derive_private_key,
)
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from flask import Flask
from flask.testing import FlaskClient

from headway.celery.worker import web_pusher
from headway.celery.worker.web_pusher import MAX_AT_ONCE, Post, WebPusher
from headway.display.labels import LABELS
from headway.questions import Asked
from headway.shapes import SnapshotDict
from headway.snapshot import Phase
from headway.state import state_of
from headway.store.devices import MAX_DEVICES
from headway.store.model import StateWrite
from headway.store.records import Records
from headway.webpush.encryption import CURVE, MAX_TEXT, encrypt
from headway.webpush.messages import message_of
from headway.webpush.subscriptions import Subscription
from tests.by_hand import HERE, claimed_by, start_part, subscribed
from tests.processes import running, wait_for, worker
from tests.push_service import FakeBrowser, PushService, unpadded

MakePusher = Callable[..., WebPusher]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[PushService]:
    service = PushService(tmp_path)
    yield service
    service.stop()


@pytest.fixture
def browser(client: FlaskClient) -> FakeBrowser:
    """A browser of the client's that is to be told."""
    browser = FakeBrowser()
    client.get("/")
    assert client.post("/push", json=browser.said).status_code == 204
    return browser


@pytest.fixture
def make_pusher(app: Flask, service: PushService, monkeypatch: pytest.MonkeyPatch) -> MakePusher:
    monkeypatch.setattr(web_pusher, "RETRY_SECONDS", 0.01)

    def make(post: Post = service.post) -> WebPusher:
        return WebPusher(state_of(app).celery.backend, post)

    return make


def end(records: Records, task_id: str, phase: Phase = Phase.SUCCEEDED, **fields: Any) -> None:
    write = StateWrite(task_id, HERE, phase, fields, "{}", "long_task", 4)
    assert records.runs.write(write) == "written"


def make_due(records: Records) -> None:
    """Have the time pass in which a page that is loaded again would be back."""
    key = records.keys.shared("news")
    for task_id in records.client.zrange(key, 0, -1):
        records.client.zadd(key, {task_id: records.clock.now()})


def tell(records: Records, *pushers: WebPusher) -> None:
    """Have pushers tell what there is, and wait until they have."""
    make_due(records)
    for pusher in pushers:
        pusher.push_news()
    for thread in threading.enumerate():
        if thread.name == "web push":
            thread.join(20)


@pytest.mark.parametrize(
    ("phase", "body"),
    [(Phase.SUCCEEDED, "Done in"), (Phase.FAILED, "Failed"), (Phase.CANCELLED, "Cancelled")],
)
def test_an_end_is_told_once_by_title_and_outcome_alone(
    client: FlaskClient,
    records: Records,
    service: PushService,
    browser: FakeBrowser,
    make_pusher: MakePusher,
    phase: Phase,
    body: str,
):
    task_id = claimed_by(client, records)
    error = {"type": "ValueError", "message": "secret-of-the-task"}
    end(records, task_id, phase, **({"error": error} if phase == Phase.FAILED else {}))

    tell(records, make_pusher(), make_pusher())
    tell(records, make_pusher())

    [delivered] = service.delivered
    told = browser.read(delivered.body)
    assert told.keys() == {"task_id", "title", "body", "tag"}
    assert (told["task_id"], told["tag"]) == (task_id, f"{task_id} {phase}")
    assert told["title"].endswith("Long task")
    assert told["body"].startswith(body)
    assert "secret" not in str(told)
    assert delivered.path == "/send/ada"
    assert delivered.headers["Content-Encoding"] == "aes128gcm"


def test_a_message_is_signed_with_the_key_that_browsers_subscribe_with(
    client: FlaskClient,
    records: Records,
    service: PushService,
    browser: FakeBrowser,
    make_pusher: MakePusher,
):
    end(records, claimed_by(client, records))
    tell(records, make_pusher())

    authorization = service.delivered[0].headers["Authorization"]
    token, key = authorization.removeprefix("vapid t=").split(", k=")
    signed, _, signature = token.rpartition(".")
    halves = unpadded(signature)
    r, s = (int.from_bytes(half, "big") for half in (halves[:32], halves[32:]))
    public = EllipticCurvePublicKey.from_encoded_point(CURVE, unpadded(key))
    public.verify(encode_dss_signature(r, s), signed.encode(), ECDSA(SHA256()))
    claims = json.loads(unpadded(signed.partition(".")[2]))
    assert claims["aud"] == "https://push.example.com"
    assert claims["sub"] == "mailto:flask@example.com"
    assert key == client.get("/push").get_json()["key"]


def test_a_question_and_its_reminder_are_told(
    client: FlaskClient,
    records: Records,
    service: PushService,
    browser: FakeBrowser,
    make_pusher: MakePusher,
):
    task_id = claimed_by(client, records)
    asked = Asked("q1", "go", "Go on?", ["yes", "no"], None, 100.0, 0.0)
    message: Any = {"task": "t", "args": [], "kwargs": {}, "options": {"queue": "celery"}}
    assert records.runs.ask(task_id, HERE, asked, message) == "waiting"

    tell(records, make_pusher())
    records.maintenance.sweep("test")
    tell(records, make_pusher())

    first, second = [browser.read(each.body) for each in service.delivered]
    assert first["body"] == second["body"] == "Waiting for an answer"
    assert first["tag"] == f"{task_id} waiting q1"
    assert second["tag"].startswith(f"{first['tag']} 20")


def test_nobody_is_told_who_has_a_page_open_or_back(
    client: FlaskClient,
    records: Records,
    service: PushService,
    browser: FakeBrowser,
    make_pusher: MakePusher,
):
    with subscribed(records, "none"), pages_of(records):
        end(records, claimed_by(client, records))
        assert records.client.zcard("headway:news") == 0

    end(records, claimed_by(client, records))
    with pages_of(records):
        tell(records, make_pusher())

    assert service.delivered == []


def pages_of(records: Records) -> Any:
    """Listen to the room of the one owner with a browser, as a web process with a page does."""
    [key] = records.client.scan_iter("headway:devices:*")
    owner = key.removeprefix("headway:devices:")
    pubsub = records.client.pubsub(ignore_subscribe_messages=True)
    pubsub.subscribe(records.keys.channel(f"owner:{owner}"))
    pubsub.get_message(timeout=20)
    return pubsub


def test_a_task_that_goes_on_by_then_is_not_told_of(
    client: FlaskClient,
    records: Records,
    service: PushService,
    browser: FakeBrowser,
    make_pusher: MakePusher,
):
    task_id = claimed_by(client, records)
    message: Any = {"task": "t", "args": [], "kwargs": {}, "options": {"queue": "celery"}}
    asked = Asked("q1", "go", "Go on?", ["yes", "no"], None, None)
    records.runs.ask(task_id, HERE, asked, message)
    records.answer(task_id, "q1", '"yes"', "ada")

    tell(records, make_pusher())

    assert service.delivered == []


@pytest.mark.parametrize("status", [404, 410])
def test_a_browser_that_is_gone_is_forgotten(
    client: FlaskClient,
    records: Records,
    service: PushService,
    browser: FakeBrowser,
    make_pusher: MakePusher,
    status: int,
):
    service.status = status
    end(records, claimed_by(client, records))
    tell(records, make_pusher())
    end(records, claimed_by(client, records))
    tell(records, make_pusher())

    assert len(service.delivered) == 1
    assert list(records.client.scan_iter("headway:device*")) == []


def test_a_service_that_is_busy_is_asked_once_more_and_no_redirect_is_followed(
    client: FlaskClient,
    records: Records,
    service: PushService,
    browser: FakeBrowser,
    make_pusher: MakePusher,
):
    for status in (503, 302):
        service.status = status
        end(records, claimed_by(client, records))
        tell(records, make_pusher())

    assert [each.path for each in service.delivered] == ["/send/ada"] * 3
    assert len(list(records.client.scan_iter("headway:device:*"))) == 1


def test_a_dead_service_holds_up_nothing_but_what_is_told(
    client: FlaskClient, records: Records, browser: FakeBrowser, make_pusher: MakePusher
):
    answers = threading.Event()
    asked: list[str] = []

    def dead(endpoint: str, *_: Any) -> int:
        asked.append(endpoint)
        assert answers.wait(20)
        raise TimeoutError

    pusher = make_pusher(dead)
    for _ in range(MAX_AT_ONCE + 3):
        end(records, claimed_by(client, records))
    make_due(records)

    pusher.push_news()
    pusher.push_news()  # though none of these has been told
    wait_for(lambda: len(asked) == MAX_AT_ONCE)
    task_id = claimed_by(client, records)
    end(records, task_id)
    left = records.client.zcard("headway:news")
    answers.set()
    tell(records, pusher)

    assert left == 4
    assert len(asked) >= 2 * MAX_AT_ONCE


def test_an_owner_whose_browsers_do_not_answer_holds_up_nobody_for_long(
    client: FlaskClient,
    records: Records,
    browser: FakeBrowser,
    make_pusher: MakePusher,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(web_pusher, "OWNER_SECONDS", 0.0)
    asked: list[str] = []

    def dead(endpoint: str, *_: Any) -> int:
        asked.append(endpoint)
        raise TimeoutError

    for name in ("second", "third"):
        assert client.post("/push", json=FakeBrowser(name).said).status_code == 204
    end(records, claimed_by(client, records))
    tell(records, make_pusher(dead))

    assert len(set(asked)) == 1


def test_an_owner_is_told_of_so_many_tasks_in_an_hour(
    client: FlaskClient,
    records: Records,
    service: PushService,
    browser: FakeBrowser,
    make_pusher: MakePusher,
):
    end(records, claimed_by(client, records))
    tell(records, make_pusher())
    [count] = records.client.scan_iter("headway:told:*")
    until = records.client.pttl(count)
    records.client.set(count, 59, keepttl=True)
    for _ in range(2):
        end(records, claimed_by(client, records))

    tell(records, make_pusher())

    assert len(service.delivered) == 2
    assert records.client.zcard("headway:news") == 0
    assert 0 < records.client.pttl(count) <= until <= 3_600_000


def test_a_worker_takes_what_there_is_to_tell(
    client: FlaskClient, records: Records, env: dict[str, str], tmp_path: Path
):
    client.get("/")
    client.post("/push", json=FakeBrowser(host="push.invalid").said)
    end(records, claimed_by(client, records))
    assert records.client.zcard("headway:news") == 1

    with running(worker(tmp_path, env, "celery")):
        wait_for(lambda: records.client.zcard("headway:news") == 0)


def test_a_parts_end_is_told_by_its_parent(
    client: FlaskClient,
    records: Records,
    service: PushService,
    browser: FakeBrowser,
    make_pusher: MakePusher,
):
    parent = claimed_by(client, records)
    part = start_part(records, parent)
    end(records, parent)
    tell(records, make_pusher())
    assert service.delivered == []

    end(records, part)
    tell(records, make_pusher())

    assert [browser.read(each.body)["task_id"] for each in service.delivered] == [parent]


def test_an_owner_has_so_many_browsers_and_a_browser_one_owner(
    app: Flask, client: FlaskClient, records: Records
):
    other = app.test_client()
    for each in (client, other):
        each.get("/")
    browsers = [FakeBrowser(f"number{number}") for number in range(MAX_DEVICES + 1)]
    for browser in browsers:
        assert client.post("/push", json=browser.said).status_code == 204
    is_on = {name: is_told(client, browser) for name, browser in enumerate(browsers)}
    assert is_on == {name: name > 0 for name in range(MAX_DEVICES + 1)}

    assert other.post("/push", json=browsers[1].said).status_code == 204
    assert (is_told(client, browsers[1]), is_told(other, browsers[1])) == (False, True)

    endpoint = browsers[1].subscription.endpoint
    assert client.delete("/push", json={"endpoint": endpoint}).status_code == 204
    assert is_told(other, browsers[1])  # it was not the client's to forget
    assert other.delete("/push", json={"endpoint": endpoint}).status_code == 204
    assert not is_told(other, browsers[1])


def is_told(client: FlaskClient, browser: FakeBrowser) -> bool:
    answer = client.get("/push", query_string={"device": browser.subscription.digest})
    return bool(answer.get_json()["on"])


def test_an_owner_who_logs_out_is_forgotten(
    app: Flask, client: FlaskClient, records: Records, browser: FakeBrowser
):
    [key] = records.client.scan_iter("headway:devices:*")
    with app.app_context():
        from app.extensions import headway

        headway.log_out(None)  # of whom the session knew no more
        assert is_told(client, browser)
        headway.log_out(key.removeprefix("headway:devices:"))

    assert list(records.client.scan_iter("headway:device*")) == []


def test_the_longest_message_is_not_too_long_to_encrypt(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(LABELS, "report", {"succeeded": "🙂" * 1000})
    ended = SnapshotDict(
        task_id="x" * 36, name="report", title="🙂" * 200, phase="succeeded", state="SUCCESS"
    )

    message = message_of(ended)

    assert message is not None
    assert len(message.text) <= MAX_TEXT


def test_the_example_of_the_standard_comes_out_byte_by_byte():
    # RFC 8291, appendix A
    private = unpadded("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw")
    to = Subscription(
        "https://push.example.net/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV",
        unpadded(
            "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
        ),
        unpadded("BTBZMqHH6r4Tts7J_aSIgg"),
    )

    sealed = encrypt(
        b"When I grow up, I want to be a watermelon",
        to,
        salt=unpadded("DGv6ra1nlYgDCS1FRnbzlw"),
        private=derive_private_key(int.from_bytes(private, "big"), CURVE),
    )

    assert sealed == unpadded(
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6Tlz"
        "AC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )
