"""Each secret that is kept here is replaced as docs/security.md says; the old one opens nothing.

SECRET_KEY is replaced in tests/test_cookies.py and tests/test_tokens.py.
"""

from __future__ import annotations

import stat
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
import requests

import embedded
from app import config, create_app
from headway.masking import masked
from tests.processes import Process, Valkey, running, wait_for, web, worker
from tests.security.test_embedded import ONCE, answers_to, command_of

WITH_MAIL = {"MAIL_SERVER": "mail.example"}
OLD = "0ld-password-of-the-test"
NEW = "n3w-password-of-the-test"


def start_and_finish(visitor: requests.Session, address: str) -> str:
    """Start a task, wait until it has succeeded, and return its status endpoint's path."""
    path = f"/status/{visitor.post(f'{address}/longtask').json()['task_id']}"
    wait_for(lambda: visitor.get(address + path).json()["phase"] == "succeeded")
    return path


def test_the_password_of_the_embedded_valkey_is_replaced_and_its_data_stays(tmp_path: Path):
    before = str(embedded.choose_services(tmp_path, WITH_MAIL)["redis_url"])
    with (
        running(
            Process(command_of(embedded.valkey(before, tmp_path, 64)), tmp_path / "log")
        ) as valkey,
        redis.Redis.from_url(before) as client,
    ):
        valkey.wait_until(lambda: answers_to(client))
        client.set("kept", "yes")

    (tmp_path / embedded.PASSWORD).unlink()
    now = str(embedded.choose_services(tmp_path, WITH_MAIL)["redis_url"])
    with (
        running(
            Process(command_of(embedded.valkey(now, tmp_path, 64)), tmp_path / "log")
        ) as valkey,
        redis.Redis.from_url(now, decode_responses=True) as client,
    ):
        valkey.wait_until(lambda: answers_to(client))
        kept = client.get("kept")
        old = urlsplit(before).password
        with (
            redis.Redis(port=urlsplit(now).port or 0, password=old, retry=ONCE) as stranger,
            pytest.raises(redis.AuthenticationError),
        ):
            stranger.ping()

    assert kept == "yes"
    assert stat.S_IMODE((tmp_path / embedded.PASSWORD).stat().st_mode) == 0o600
    config.load({"DATA_DIR": str(tmp_path)})
    assert urlsplit(now).password not in masked(f"cannot reach {now}")


def test_a_web_push_key_that_is_removed_is_made_again_and_told_to_browsers(
    env: dict[str, str], tmp_path: Path
):
    path = tmp_path / "data" / "push_key"
    before = create_app(env).test_client().get("/push").get_json()["key"]

    path.unlink()
    now = create_app(env).test_client().get("/push").get_json()["key"]

    assert before != now
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_password_of_a_redis_of_ones_own_is_replaced_while_tasks_go_on(tmp_path: Path):
    valkey = Valkey(tmp_path)
    visitor = requests.Session()
    common = {
        "DATA_DIR": str(tmp_path),
        "SECRET_KEY": "a secret for the tests",
        "LONG_TASK_STEP_SECONDS": "0.01",
    }
    urls = {word: f"redis://shop:{word}@127.0.0.1:{valkey.port}/0" for word in (OLD, NEW)}
    envs = {word: {**common, "REDIS_URL": url} for word, url in urls.items()}
    with running(valkey.process), valkey.connect() as admin:
        admin.execute_command("ACL", "SETUSER", "shop", "on", f">{OLD}", "~*", "&*", "+@all")
        old_web, old_address = web(tmp_path, envs[OLD])
        with running(old_web), running(worker(tmp_path, envs[OLD])) as old_worker:
            before = start_and_finish(visitor, old_address)

            admin.execute_command("ACL", "SETUSER", "shop", f">{NEW}")
            new_web, address = web(tmp_path, envs[NEW])
            with running(new_web), running(worker(tmp_path, envs[NEW])) as new_worker:
                start_and_finish(visitor, old_address)
                old_worker.stop()
                old_web.stop()
                admin.execute_command("ACL", "SETUSER", "shop", f"<{OLD}")
                admin.execute_command("CLIENT", "KILL", "USER", "shop")

                start_and_finish(visitor, address)
                kept = visitor.get(address + before).json()["phase"]
                with (
                    redis.Redis.from_url(urls[OLD]) as stranger,
                    pytest.raises(redis.AuthenticationError),
                ):
                    stranger.ping()
        logs = [each.output() for each in (old_web, old_worker, new_web, new_worker)]

    assert kept == "succeeded"
    assert [word for word in (OLD, NEW) if word in "".join(logs)] == []
