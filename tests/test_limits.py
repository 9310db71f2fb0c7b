"""A visitor's limits: who reaches one is told until when, and nobody else is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from headway.celery.run.log_lines import gap
from headway.exceptions import ConfigError
from headway.limits import counted, in_words, parse, subject_of
from headway.settings import STARTS_LIMIT
from headway.state import state_of

BROWSER = {"Accept": "text/html"}
EMAIL = {"email": "ada@example.com", "submit": "Send"}
MakeApp = Callable[..., Flask]


@pytest.fixture
def make_app(env: dict[str, str]) -> MakeApp:
    """Make an app, a web process's, whose limits are on."""

    def make(**settings: str) -> Flask:
        return create_app({**env, "RATE_LIMITS": "on", **settings})

    return make


def visitor(app: Flask) -> FlaskClient:
    """Return a browser that has opened the page, and so has an owner's cookie."""
    client = app.test_client()
    assert client.get("/").status_code == 200
    return client


def statuses(client: FlaskClient, times: int, path: str = "/longtask", **options: Any) -> list[int]:
    return [client.post(path, **options).status_code for _ in range(times)]


def test_whoever_reaches_a_limit_is_told_until_when(make_app: MakeApp):
    client = visitor(make_app(STARTS_LIMIT="3/minute"))

    assert statuses(client, 3) == [202] * 3
    refused = client.post("/longtask")

    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    error = refused.get_json()["error"]
    assert error["code"] == "rate_limited"
    said = r"At most 3 new tasks per minute\. Try again in \d+ seconds?\."
    assert re.fullmatch(said, error["message"])
    page = client.post("/longtask", headers=BROWSER)  # without JavaScript
    assert page.status_code == 429
    assert re.search(said, page.text)


def test_a_refused_start_starts_nothing(make_app: MakeApp, redis_url: str):
    client = visitor(make_app(STARTS_LIMIT="1/minute"))

    assert statuses(client, 3) == [202, 429, 429]
    assert "At most 1 new task per minute." in client.post("/longtask").text

    with redis.Redis.from_url(redis_url) as reader:
        assert len(reader.keys("headway:task:*")) == 1
        assert reader.llen("celery") == 1


def test_limits_hold_across_web_processes_and_cost_no_other_visitor(make_app: MakeApp):
    one = make_app(STARTS_LIMIT="4/minute")
    other = make_app(STARTS_LIMIT="4/minute")
    client = visitor(one)
    at_other = other.test_client()
    cookie = client.get_cookie("headway_session")
    assert cookie is not None
    at_other.set_cookie("headway_session", cookie.value)

    answers = statuses(client, 2) + statuses(at_other, 3) + statuses(client, 1)

    assert answers == [202, 202, 202, 202, 429, 429]
    assert statuses(visitor(one), 1) == [202]


def test_an_address_has_a_limit_whatever_owners_it_makes(make_app: MakeApp):
    app = make_app(STARTS_LIMIT="2/minute", ADDRESS_FACTOR="3")

    answers = [app.test_client().post("/longtask").status_code for _ in range(7)]
    elsewhere = app.test_client().post("/longtask", environ_base={"REMOTE_ADDR": "192.0.2.7"})

    assert answers == [202] * 6 + [429]
    assert elsewhere.status_code == 202


@pytest.mark.parametrize(
    ("hops", "claimed", "last"),
    [
        ("0", "192.0.2.{}", 429),  # nobody says for the client where it comes from
        ("1", "192.0.2.{}", 202),  # what the proxy saw counts
        ("1", "192.0.2.{}, 198.51.100.1", 429),  # and not what the client told the proxy
    ],
)
def test_an_address_is_what_trusted_proxies_say(
    make_app: MakeApp, hops: str, claimed: str, last: int
):
    app = make_app(STARTS_LIMIT="1/minute", ADDRESS_FACTOR="2", TRUSTED_PROXIES=hops)

    answers = [
        app.test_client()
        .post("/longtask", headers={"X-Forwarded-For": claimed.format(number)})
        .status_code
        for number in range(3)
    ]

    assert answers == [202, 202, last]


@pytest.mark.parametrize(
    ("address", "subject"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("192.0.2.7:50312", "192.0.2.7"),  # as some proxies say it, with another port each time
        ("[2001:db8::1]:50312", "2001:db8::/64"),
        ("[2001:db8::1]", "2001:db8::/64"),
        ("unix:", "unknown"),
        ("a-name-that-somebody-made-up", "unknown"),
        ("192.0.2.7:50312:1", "unknown"),
        ("", ""),
    ],
)
def test_a_client_has_a_network_of_ipv6(address: str, subject: str):
    assert subject_of(address) == subject


def test_emails_have_limits_by_sender_recipient_and_in_all(make_app: MakeApp):
    settings = {"EMAILS_LIMIT": "3/day", "EMAILS_PER_RECIPIENT_LIMIT": "2/day"}
    app = make_app(**settings, EMAILS_IN_ALL_LIMIT="4/day")
    one = visitor(app)
    json = {"Accept": "application/json"}

    def send(client: FlaskClient, to: str) -> str:
        answer = client.post("/", data={**EMAIL, "email": to}, headers=json)
        return "sent" if answer.status_code == 202 else answer.get_json()["error"]["message"]

    assert [send(one, "ada@example.com") for _ in range(2)] == ["sent", "sent"]
    assert send(one, "ADA@example.com").startswith("At most 2 emails to this address per day.")
    assert send(one, "bob@example.com").startswith("At most 3 emails per day. Try again in 24 h")
    other = visitor(app)
    by_name = {"name": "send_async_email", "args": {"email": "ada@example.com"}}
    assert other.post("/tasks", json=by_name).status_code == 429
    assert [send(other, "carl@example.com"), send(other, "dora@example.com")] == ["sent", "sent"]
    third = visitor(app)
    assert send(third, "eve@example.com").startswith("At most 4 emails of all visitors per day.")


def test_an_email_sent_again_is_an_email(make_app: MakeApp):
    app = make_app(EMAILS_LIMIT="1/day")
    client = visitor(app)
    sent = client.post("/", data=EMAIL, headers={"Accept": "application/json"}).get_json()
    address = f"/tasks/{sent['task_id']}"
    assert client.post(f"{address}/cancel").status_code == 202

    again = client.post(f"{address}/retry")
    by_form = client.post(address, data={"action": "again"})

    assert (again.status_code, by_form.status_code) == (429, 429)


def test_a_limit_of_one_speaks_of_one(make_app: MakeApp):
    client = visitor(make_app(MAX_OPEN_TASKS="1"))
    client.post("/longtask")

    said = client.post("/longtask").get_json()["error"]["message"]

    assert said.startswith("You have 1 task that has not ended.")
    assert (counted(1, "task"), counted(2, "task")) == ("1 task", "2 tasks")
    assert [text for lost in (1, 2) for _, text in gap(lost)] == [
        "1 line is missing here: Redis did not take it in time.",
        "2 lines are missing here: Redis did not take them in time.",
    ]


def test_open_tasks_of_an_owner_are_limited_until_one_ends(make_app: MakeApp):
    client = visitor(make_app(MAX_OPEN_TASKS="2"))
    first = client.post("/longtask").get_json()["task_id"]
    assert statuses(client, 1) == [202]

    refused = client.post("/longtask")

    assert refused.status_code == 429
    assert "Retry-After" in refused.headers
    assert "You have 2 tasks that have not ended." in refused.get_json()["error"]["message"]
    assert client.post(f"/tasks/{first}/cancel").status_code == 202
    assert statuses(client, 1) == [202]


def test_a_task_that_a_view_sends_itself_counts_among_the_open_ones(make_app: MakeApp):
    app = make_app(MAX_OPEN_TASKS="2")
    long_task = app.extensions["headway"].celery.tasks["long_task"]
    app.add_url_rule("/own", view_func=lambda: long_task.delay().id, methods=["POST"])
    client = visitor(app)

    assert statuses(client, 3, "/own") == [200] * 3  # the project's own code is not refused
    assert statuses(client, 1) == [429]
    assert statuses(visitor(app), 1) == [202]


def test_a_full_queue_takes_no_more_and_says_so(make_app: MakeApp):
    app = make_app(MAX_QUEUE_LENGTH="2")
    assert statuses(visitor(app), 2) == [202, 202]

    refused = visitor(app).post("/longtask")
    mail = visitor(app).post("/", data=EMAIL)

    assert refused.status_code == 503
    assert refused.get_json()["error"]["code"] == "queue_full"
    assert refused.headers["Retry-After"] == "30"
    assert mail.status_code == 302  # its queue is another


def test_off_means_off(make_app: MakeApp):
    app = make_app(RATE_LIMITS="off", STARTS_LIMIT="1/day", MAX_OPEN_TASKS="1", READS_LIMIT="1/day")
    client = visitor(app)

    assert statuses(client, 3) == [202] * 3
    assert [client.get("/status/unknown").status_code for _ in range(3)] == [404] * 3


def test_limits_hold_in_memory_while_redis_is_away(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
):
    app = make_app(READS_LIMIT="3/minute", ADDRESS_FACTOR="1")
    limits = state_of(app).limits
    client = app.test_client()

    def is_away(*_: Any) -> None:
        raise redis.ConnectionError("away")

    monkeypatch.setattr(limits._in_redis(), "lua_incr_expire", is_away)

    answers = [client.get("/status/unknown").status_code for _ in range(4)]

    assert answers == [404, 404, 404, 429]


def test_bytes_of_others_under_a_limits_key_are_no_error(make_app: MakeApp, redis_url: str):
    app = make_app(READS_LIMIT="10/minute")
    client = app.test_client()
    client.get("/status/unknown")
    with redis.Redis.from_url(redis_url) as writer:
        [key] = writer.keys("headway:limits:*")
        writer.delete(key)
        writer.lpush(key, "junk")

    answers = {client.get("/status/unknown").status_code for _ in range(8)}

    assert answers == {404}


def test_counts_lie_under_the_librarys_names_and_expire(make_app: MakeApp, redis_url: str):
    client = visitor(make_app())
    client.post("/longtask")

    with redis.Redis.from_url(redis_url) as reader:
        keys = [key for key in reader.scan_iter() if b"limit" in key.lower()]

        assert keys
        assert all(key.startswith(b"headway:limits:") and reader.ttl(key) > 0 for key in keys)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "1 second"),
        (1.2, "2 seconds"),
        (119, "119 seconds"),
        (120, "2 minutes"),
        (3601, "61 minutes"),
        (7200, "2 hours"),
        (86400, "24 hours"),
        (200_000, "3 days"),
    ],
)
def test_durations_in_words(seconds: float, words: str):
    assert in_words(seconds) == words


@pytest.mark.parametrize("text", ["", "many", "0 per", "5/fortnight"])
def test_a_limit_that_cannot_be_read_is_refused_by_name(text: str):
    with pytest.raises(ConfigError, match="HEADWAY_STARTS_LIMIT must hold limits such as"):
        parse(STARTS_LIMIT.name, text)


def test_a_setting_that_cannot_be_read_is_refused(make_app: MakeApp):
    with pytest.raises(ConfigError, match=r"^EMAILS_LIMIT must hold limits"):
        make_app(EMAILS_LIMIT="many")
