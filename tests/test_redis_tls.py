"""A Redis behind TLS: every user of its URL verifies the certificate, or none does, as the URL
says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from celery import Celery
from kombu.exceptions import OperationalError

from headway.celery.backend import LiveBackend
from headway.celery.messages.broker import FailFastCelery
from headway.push.subscriber import RedisSubscriber
from headway.store.connection import connect
from headway.store.errors import RedisUnavailable
from headway.store.records import Records
from headway.store.redis_url import normalize
from tests.browser import Visitor
from tests.processes import Valkey, running, web, worker
from tests.smtp_server import make_certificate
from tests.tls_proxy import TlsProxy


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"), "IP:127.0.0.1")


@pytest.fixture(scope="module")
def proxy(valkey: Valkey, certificate: Path) -> Iterator[TlsProxy]:
    proxy = TlsProxy(certificate, valkey.port)
    yield proxy
    proxy.stop()


@pytest.fixture
def address(proxy: TlsProxy, redis_url: str) -> str:
    """The URL of an empty Redis, without options."""
    return f"rediss://127.0.0.1:{proxy.port}/0"


def by_records(url: str) -> None:
    client = connect(url)
    client.ping()
    client.close()


def by_broker(url: str) -> None:
    with FailFastCelery("a", broker=url, set_as_current=False).connection_for_read() as connection:
        connection.ensure_connection(max_retries=1, interval_start=0, timeout=20)


def by_backend(url: str) -> None:
    LiveBackend(app=Celery("a", set_as_current=False), url=url).client.ping()


def by_listener(url: str) -> None:
    connection = RedisSubscriber(url, 1.0)._make()
    connection.connect()
    connection.disconnect()


USERS = [by_records, by_broker, by_backend, by_listener]


@pytest.mark.parametrize("use", USERS)
@pytest.mark.parametrize(
    "word", ["", "required", "CERT_REQUIRED", "optional", "none", "CERT_NONE", "None"]
)
def test_each_user_of_the_url_verifies_as_it_says(
    address: str, certificate: Path, word: str, use: Callable[[str], None]
):
    url = f"{address}?ssl_cert_reqs={word}" if word else address
    verifies = word.lower().removeprefix("cert_") != "none"

    if verifies:
        with pytest.raises((RedisUnavailable, redis.ConnectionError, OperationalError)):
            use(normalize(url))
        url += f"{'&' if word else '?'}ssl_ca_certs={certificate}"
    use(normalize(url))


@pytest.mark.parametrize("use", USERS)
def test_a_certificate_for_another_host_is_refused_unless_the_url_says_otherwise(
    address: str, certificate: Path, use: Callable[[str], None]
):
    url = f"{address.replace('127.0.0.1', 'localhost')}?ssl_ca_certs={certificate}"

    with pytest.raises((RedisUnavailable, redis.ConnectionError, OperationalError)):
        use(normalize(url))
    use(normalize(f"{url}&ssl_check_hostname=false"))


def test_connections_over_tls_are_kept(address: str, proxy: TlsProxy):
    client = connect(normalize(f"{address}?ssl_cert_reqs=none"))
    records = Records(client, ttl_days=7)
    records.read(["a-task"])
    before = proxy.accepted

    for _ in range(20):
        assert records.read(["a-task"]) == [None]

    assert proxy.accepted == before
    client.close()


def test_a_task_runs_and_its_end_is_pushed_with_all_of_it_over_tls(
    tmp_path: Path, env: dict[str, str], address: str, certificate: Path
):
    env |= {"REDIS_URL": f"{address}?ssl_cert_reqs=CERT_REQUIRED&ssl_ca_certs={certificate}"}
    served, page = web(tmp_path, env)
    with running(served), running(worker(tmp_path, env)):
        visitor = Visitor(page).connect()
        visitor.call("watch_mine", {})

        assert visitor.wait_for_end(visitor.start())["state"] == "SUCCESS"
