"""A marked password in every setting that takes one, every connection failing: no log and no
key of Redis tells it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import pytest
import redis

from headway.masking import forms
from headway.store.connection import connect
from headway.store.records import Records
from tests.browser import Visitor
from tests.processes import ROOT, Valkey, answers, free_port, running, wait_for, web, worker
from tests.smtp_server import DROP, SmtpServer
from tests.test_flow import start_email
from tests.test_masking import everything

REDIS = "rédis-märked/1"
BROKER = "brökér-märked@2"
MAIL = "mäil-märked€3"
KEY = "sécret-märked-key-4"
OLD_KEY = "öld-märked-key-5"
MARKED = (REDIS, BROKER, MAIL, KEY, OLD_KEY)


def told(text: str) -> list[str]:
    """Return each form of a marked secret that a text holds."""
    return [form for secret in MARKED for form in forms(secret, "ops") if form in text]


@pytest.fixture(scope="module")
def valkey_with_users(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    server = Valkey(tmp_path_factory.mktemp("secrets"))
    yield server
    server.stop()


def set_passwords(admin: redis.Redis, of_redis: str, of_broker: str) -> None:
    for name, password in (("records", of_redis), ("queues", of_broker)):
        admin.execute_command(
            "ACL", "SETUSER", name, "on", "resetpass", f">{password}", "+@all", "~*", "&*"
        )


def url(server: Valkey, user: str, password: str, database: int) -> str:
    return f"redis://{user}:{quote(password, safe='')}@127.0.0.1:{server.port}/{database}"


def settings(folder: Path, smtp_port: int) -> dict[str, str]:
    return {
        "DATA_DIR": str(folder / "data"),
        "SECRET_KEY": KEY,
        "SECRET_KEY_FALLBACKS": OLD_KEY,
        "MAIL_SERVER": "127.0.0.1",
        "MAIL_PORT": str(smtp_port),
        "MAIL_USERNAME": "ops",
        "MAIL_PASSWORD": MAIL,
        "MAIL_TIMEOUT_SECONDS": "0.5",
        "MAIL_RETRY_SECONDS": "0.1",
    }


def test_a_system_whose_connections_all_fail_tells_no_secret(
    valkey_with_users: Valkey, tmp_path: Path
):
    server = valkey_with_users
    admin = redis.Redis.from_url(server.url, decode_responses=True)
    set_passwords(admin, REDIS, BROKER)
    echo = f"535 5.7.8 what is {MAIL}, {forms(MAIL, 'ops')[0]}?"
    with SmtpServer(auth=echo) as smtp, ExitStack() as stack:
        urls = {
            "REDIS_URL": url(server, "records", REDIS, 0),
            "CELERY_BROKER_URL": url(server, "queues", BROKER, 1),
        }
        env = settings(tmp_path, smtp.port) | urls
        mailer = stack.enter_context(
            running(worker(tmp_path, env, "mail", "worker", "--loglevel", "DEBUG"))
        )
        process, address = web(tmp_path, env)
        stack.enter_context(running(process))
        visitor = Visitor(address)
        task_id = start_email(visitor)["task_id"]
        wait_for(
            lambda: (
                "refuses the login"
                in ((visitor.status(task_id)["error"] or {}).get("message") or "")
            )
        )
        for step, answer in (("connect", "nonsense"), ("auth", DROP)):
            attempt = visitor.status(task_id)["attempt"]
            smtp.replies |= {"connect": "220 ready", "auth": echo, step: answer}
            wait_for(lambda n=attempt: visitor.status(task_id)["attempt"] > n, 30)

        set_passwords(admin, "another", "another")
        admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        admin.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        wait_for(lambda: not answers(f"{address}/readyz"))
        wait_for(
            lambda: (
                "WRONGPASS" in mailer.output() or "invalid username-password" in mailer.output()
            ),
            30,
        )
        set_passwords(admin, REDIS, BROKER)
        wait_for(lambda: answers(f"{address}/readyz"), 30)

    said = mailer.output() + process.output()
    client = connect(server.url)
    kept = everything(Records(client, 7))
    client.close()
    assert "***" in said
    assert "***" in kept
    assert told(said) == []
    assert told(kept) == []


@pytest.mark.parametrize(
    ("way", "program"),
    [
        ("wrong password", ["wsgi.py"]),
        ("tls", ["wsgi.py"]),
        ("no redis", ["-m", "app.doctor"]),
        ("refused", ["-m", "app.doctor"]),
    ],
)
def test_a_process_that_cannot_start_tells_no_secret(
    valkey_with_users: Valkey, tmp_path: Path, way: str, program: list[str]
):
    there = f"records:{quote(REDIS, safe='')}@127.0.0.1"
    port = valkey_with_users.port
    urls = {
        "refused": f"redis://{there}:{free_port()}/0",
        "wrong password": f"redis://{there.replace('records', 'nobody')}:{port}/0",
        "no redis": f"redis://{there}:{port}x/0",
        "tls": f"rediss://{there}:{port}/0",
    }
    broker = f"amqp://ops:{quote(BROKER, safe='')}@127.0.0.1:{free_port()}//"
    env = settings(tmp_path, free_port()) | {"REDIS_URL": urls[way], "CELERY_BROKER_URL": broker}
    env |= {"PORT": str(free_port())}
    try:
        ended = subprocess.run(
            [sys.executable, *program],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
            timeout=3,
            check=False,
        )
        said = ended.stdout + ended.stderr
    except subprocess.TimeoutExpired as still_there:
        said = b"".join((still_there.stdout or b"", still_there.stderr or b"")).decode()

    assert told(said) == []
