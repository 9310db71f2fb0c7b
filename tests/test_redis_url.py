"""Redis URLs: all libraries read them alike, and what cannot be used is refused in one line
without its secrets.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import redis
from celery import Celery
from celery.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import strategies as st

from app import config
from headway.celery.backend import LiveBackend
from headway.celery.messages.broker import FailFastCelery
from headway.exceptions import ConfigError
from headway.store.redis_url import BadURL, normalize, normalize_broker

SECRET = "hunter2-marked"


def by_redis_py(url: str) -> dict[str, Any]:
    pool = redis.ConnectionPool.from_url(url)
    return of(pool.connection_class(**pool.connection_kwargs))


def by_kombu(url: str) -> dict[str, Any]:
    transport = (
        FailFastCelery("a", broker=url, set_as_current=False).connection_for_read().transport
    )
    channel = object.__new__(transport.Channel)  # one that is made as usual connects
    channel.connection = transport
    parameters = channel._connparams()
    return of(parameters.pop("connection_class")(**without_pool(parameters)))


def by_celery(url: str) -> dict[str, Any]:
    parameters = dict(backend(url).connparams)
    return of(parameters.pop("connection_class", redis.Connection)(**without_pool(parameters)))


def backend(url: str, **settings: Any) -> LiveBackend:
    celery = Celery("a", set_as_current=False)
    celery.conf.update(settings)
    return LiveBackend(app=celery, url=url)


def without_pool(parameters: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if name != "max_connections"}


def of(connection: Any) -> dict[str, Any]:
    """What a connection that is not open yet would do."""
    return {
        "class": next(
            kind for kind in (redis.SSLConnection, redis.Connection) if isinstance(connection, kind)
        ),
        "address": (connection.host, connection.port, connection.db or 0),
        "user": (connection.username or None, connection.password or None),
        "verifies": getattr(connection, "cert_reqs", None),
        "checks_host": getattr(connection, "check_hostname", None),
    }


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("redis://localhost", "redis://localhost:6379/0"),
        ("redis://", "redis://localhost:6379/0"),
        ("redis:///3", "redis://localhost:6379/3"),
        (" REDIS://Example.com:1/ \n", "redis://example.com:1/0"),
        ("redis://h:1/2/", "redis://h:1/2"),
        ("redis://h:1?db=2", "redis://h:1/2"),
        ("redis://h:1/2?db=2", "redis://h:1/2"),
        ("redis://[::1]:1/2", "redis://[::1]:1/2"),
        ("redis://[fd00::a]", "redis://[fd00::a]:6379/0"),
        ("redis://:pw@h", "redis://:pw@h:6379/0"),
        ("redis://ops@h", "redis://ops@h:6379/0"),
        ("redis://ops:p@ss:w+rd@h", "redis://ops:p%40ss%3Aw%2Brd@h:6379/0"),
        ("redis://ops:a%2Fb%23c%3Fd%25@h", "redis://ops:a%2Fb%23c%3Fd%25@h:6379/0"),
        ("redis://:pässwort€@h", "redis://:p%C3%A4sswort%E2%82%AC@h:6379/0"),
        ("rediss://h", "rediss://h:6379/0?ssl_cert_reqs=required"),
        (
            "rediss://h?ssl_check_hostname=No",
            "rediss://h:6379/0?ssl_cert_reqs=required&ssl_check_hostname=false",
        ),
    ],
)
def test_a_url_has_one_form(url: str, normal: str):
    assert normalize(url) == normal
    assert normalize(normal) == normal
    assert normalize_broker(url) == normal
    assert by_redis_py(normal) == by_kombu(normal) == by_celery(normal)


@pytest.mark.parametrize(
    "word", ["none", "None", "optional", "REQUIRED", "CERT_NONE", "cert_optional", "CERT_REQUIRED"]
)
def test_each_word_for_verification_means_the_same_to_all(word: str):
    url = normalize(f"rediss://h/0?ssl_cert_reqs={word}")
    constant = getattr(ssl, f"CERT_{word.upper().removeprefix('CERT_')}")

    for read in (by_redis_py, by_kombu, by_celery):
        assert read(url)["verifies"] == constant
        assert read(url)["class"] is redis.SSLConnection


def test_a_certificate_is_verified_unless_the_url_says_otherwise():
    for read in (by_redis_py, by_kombu, by_celery):
        found = read(normalize("rediss://h"))
        assert (found["verifies"], found["checks_host"]) == (ssl.CERT_REQUIRED, True)


@pytest.mark.parametrize("url", ["rediss://h", "rediss://h/0?ssl_cert_reqs=cert_required"])
def test_a_broker_that_celery_reads_from_the_environment_verifies_too(
    monkeypatch: pytest.MonkeyPatch, url: str
):
    monkeypatch.setenv("CELERY_BROKER_URL", url)
    celery = FailFastCelery("a", broker="redis://elsewhere/0", set_as_current=False)

    for connection in (
        celery.connection_for_read(),
        celery.connection_for_write(),
        celery.connection(),
    ):
        assert (connection.hostname, connection.ssl) == ("h", {"ssl_cert_reqs": ssl.CERT_REQUIRED})


TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)


@given(user=TEXT, password=TEXT)
def test_any_user_and_password_arrive_as_they_are(user: str, password: str):
    url = normalize(f"redis://{quote(user, safe='')}:{quote(password, safe='')}@h:1/2")

    assert normalize(url) == url
    for read in (by_redis_py, by_kombu, by_celery):
        assert read(url)["user"] == (user or None, password or None)
        assert read(url)["address"] == ("h", 1, 2)


WRONG = [
    "",
    "localhost:6379",
    "redis:/h",
    "valkey://h",
    "redis+socket:///run/redis.sock",
    "unix:///run/redis.sock",
    "socket:///run/redis.sock",
    "http://h",
    "redis://h:port/0",
    "redis://h:0/0",
    "redis://h:65536/0",
    "redis://h:-1/0",
    "redis://h:6379/first",
    "redis://h:6379/-1",
    "redis://h:6379/1.5",
    "redis://h:6379/0/1",
    "redis://h:6379/²",
    "redis://h:6379/0?db=1",
    "redis://h:6379/0?db=x",
    "redis://h 6379/0",
    "redis://h:6379/0 redis://i",
    "redis://h\n:6379/0",
    "redis://::1:6379/0",
    "redis://[::1:6379/0",
    "redis://h,i:6379/0",
    "redis://h:6379/0#1",
    "redis://h:6379/0?socket_timeout=60",
    "redis://h:6379/0?decode_responses=1",
    "redis://h:6379/0?ssl=true",
    "redis://h:6379/0?ssl_cert_reqs=required",
    "rediss://h:6379/0?ssl_cert_reqs=yes",
    "rediss://h:6379/0?ssl_cert_reqs=",
    "rediss://h:6379/0?ssl_cert_reqs=none&ssl_cert_reqs=required",
    "rediss://h:6379/0?ssl_check_hostname=perhaps",
    "rediss://h:6379/0?ssl_ca_certs=/no/such/file.pem",
    "rediss://h:6379/0?ssl_ca_path=/no/such/folder",
    "rediss://h:6379/0?ssl_keyfile=/etc/hostname",
    "rediss://h:6379/0?ssl_certfile=/etc/hostname",
    "rediss://h:6379/0?ssl_ca_certs=/etc/hostname",
]
WRONG_PASSWORDS = [
    f"redis://:{SECRET}/@h:6379/0",
    f"redis://:{SECRET}#@h",
    f"redis://:{SECRET}?@h",
    f"redis://:[{SECRET}@h",
]
WRONG_PASSWORDS += [
    f"redis://:{SECRET}\u2100@h",
    f"redis://:{SECRET} @h",
    f"redis://:/{SECRET}@h",
    f"redis://:?db={SECRET}@h",
]


def with_password(url: str) -> str:
    return url.replace("://", f"://ops:{SECRET}@", 1)


@pytest.mark.parametrize("name", ["REDIS_URL", "CELERY_BROKER_URL"])
@pytest.mark.parametrize("url", [*WRONG[1:], *map(with_password, WRONG[2:]), *WRONG_PASSWORDS])
def test_a_wrong_url_is_refused_in_one_line_without_its_password(
    tmp_path: Path, name: str, url: str
):
    environ = {
        "DATA_DIR": str(tmp_path),
        "SECRET_KEY": "x" * 32,
        "REDIS_URL": "redis://h",
        name: url,
    }

    with pytest.raises(ConfigError) as refused:
        config.load(environ)

    message = str(refused.value)
    assert message.startswith(f"{name} ")
    assert "\n" not in message
    assert SECRET not in message
    assert refused.value.__suppress_context__


@pytest.mark.parametrize("url", WRONG)
def test_a_backend_refuses_a_wrong_url_by_the_name_of_its_setting(url: str):
    with pytest.raises(ImproperlyConfigured, match=r"^result_backend "):
        backend(url)


def test_a_backend_refuses_tls_options_that_half_of_it_would_not_see():
    with pytest.raises(ImproperlyConfigured, match=r"^redis_backend_use_ssl .*rediss://"):
        backend("redis://h", redis_backend_use_ssl={"ssl_cert_reqs": ssl.CERT_NONE})


@pytest.mark.parametrize("name", ["CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL"])
def test_celerys_own_names_for_the_broker_are_checked_too(tmp_path: Path, name: str):
    with pytest.raises(ConfigError, match=f"^{name} "):
        config.load({"DATA_DIR": str(tmp_path), "REDIS_URL": "redis://h", name: "redis://h/x"})


@pytest.mark.parametrize(
    "url",
    ["amqp://ops:pw@h//", "amqps://h:5671/vhost?heartbeat=5", "amqp://a;amqp://b", "memory://"],
)
def test_other_brokers_keep_their_urls(url: str):
    assert normalize_broker(url) == url


@pytest.mark.parametrize(
    "url", ["amqp:h", "rabbit://h", "amqp://h:port", "redis://a;rabbit://h", "amqp://h #", ";"]
)
def test_a_wrong_broker_is_refused(url: str):
    with pytest.raises(BadURL):
        normalize_broker(url)
