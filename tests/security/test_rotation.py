"""Each secret that is kept here is replaced as docs/security.md says; the old one opens nothing.

SECRET_KEY is replaced in tests/test_cookies.py and tests/test_tokens.py.
"""

from __future__ import annotations

import stat
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from app import config, create_app, embedded
from headway.masking import masked
from tests.processes import Process, running
from tests.security.test_embedded import answers_to, command_of

WITH_MAIL = {"MAIL_SERVER": "mail.example"}


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
            redis.Redis(port=urlsplit(now).port or 0, password=old) as stranger,
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
