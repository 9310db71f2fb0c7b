"""Settings: their defaults, their sources, and what is refused."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from app import config, create_app
from headway.exceptions import ConfigError

STRONG = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"DATA_DIR": str(tmp_path), "REDIS_URL": "redis://127.0.0.1:6379/0"}


@pytest.fixture
def production(env: dict[str, str]) -> dict[str, str]:
    return env | {"APP_ENV": "production", "SECRET_KEY": STRONG, "MAIL_SERVER": "smtp.example.com"}


def test_a_secret_is_made_once_and_kept(env: dict[str, str], tmp_path: Path):
    first = config.load(env)["SECRET_KEY"]
    second = config.load(env)["SECRET_KEY"]

    assert first == second
    assert len(first) >= 32
    assert (tmp_path / "secret_key").stat().st_mode & 0o077 == 0


def test_processes_that_start_at_once_agree_on_the_secret(env: dict[str, str]):
    keys: list[str] = []
    threads = [
        threading.Thread(target=lambda: keys.append(config.load(env)["SECRET_KEY"]))
        for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(keys)) == 1
    assert all(keys)
    assert len(keys) == 16


def test_embedded_services_are_found_where_make_run_wrote_them(tmp_path: Path):
    services = {"redis_url": "redis://127.0.0.1:6390/0", "inbox_port": 2525}
    (tmp_path / "services.json").write_text(json.dumps(services))

    settings = config.load({"DATA_DIR": str(tmp_path)})

    assert settings["REDIS_URL"] == settings["CELERY_BROKER_URL"] == "redis://127.0.0.1:6390/0"
    assert (settings["MAIL_SERVER"], settings["MAIL_PORT"]) == ("127.0.0.1", 2525)
    assert settings["MAIL_INBOX"] == tmp_path / "inbox"


def test_without_any_redis_the_message_says_what_to_do(tmp_path: Path):
    with pytest.raises(ConfigError, match="make run"):
        config.load({"DATA_DIR": str(tmp_path)})


def test_a_mail_server_turns_the_inbox_off(env: dict[str, str]):
    settings = config.load(
        env | {"MAIL_SERVER": "smtp.example.com", "MAIL_PORT": "587", "MAIL_USE_TLS": "true"}
    )

    assert (settings["MAIL_INBOX"], settings["MAIL_PORT"], settings["MAIL_USE_TLS"]) == (
        None,
        587,
        True,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "0"),
        ("PORT", "65536"),
        ("PORT", "http"),
        ("PORT", "5000.5"),
        ("WEB_PROCESSES", "-1"),
        ("WORKER_CONCURRENCY", "0"),
        ("LONG_TASK_STEP_SECONDS", "nan"),
        ("LONG_TASK_STEP_SECONDS", "1e309"),
        ("LONG_TASK_STEPS", "many"),
        ("TASK_TTL_DAYS", "0"),
        ("MAIL_USE_TLS", "perhaps"),
        ("SOCKETIO_ASYNC_MODE", "asyncio"),
        ("APP_ENV", "staging"),
        ("REDIS_URL", "valkey://127.0.0.1"),
        ("REDIS_URL", "http://127.0.0.1"),
    ],
)
def test_a_wrong_setting_is_named(env: dict[str, str], name: str, value: str):
    with pytest.raises(ConfigError, match=name):
        config.load(env | {name: value})


def test_tls_and_ssl_exclude_each_other(env: dict[str, str]):
    with pytest.raises(ConfigError, match="MAIL_USE_TLS"):
        config.load(
            env | {"MAIL_SERVER": "smtp.example.com", "MAIL_USE_TLS": "1", "MAIL_USE_SSL": "1"}
        )


def test_production_starts_when_all_is_set(production: dict[str, str]):
    settings = config.load(production)

    assert settings["SESSION_COOKIE_SECURE"] is True


@pytest.mark.parametrize("secret", ["", "dev", "top-secret!", "CHANGE-ME", "short"])
def test_production_refuses_a_weak_secret(production: dict[str, str], secret: str):
    with pytest.raises(ConfigError, match="SECRET_KEY"):
        config.load(production | {"SECRET_KEY": secret})


def test_production_refuses_the_development_inbox(production: dict[str, str]):
    with pytest.raises(ConfigError, match="MAIL_SERVER"):
        config.load(production | {"MAIL_SERVER": ""})


def test_production_takes_the_embedded_valkey_only_by_name(
    production: dict[str, str], tmp_path: Path
):
    services = tmp_path / "services.json"
    services.write_text('{"redis_url": "redis://:a-password@127.0.0.1:6390/0"}')
    embedded = {key: value for key, value in production.items() if key != "REDIS_URL"}

    with pytest.raises(ConfigError, match="ALLOW_EMBEDDED_VALKEY"):
        config.load(embedded)
    assert config.load(embedded | {"ALLOW_EMBEDDED_VALKEY": "1"})["REDIS_URL"]
    services.write_text('{"redis_url": "redis://127.0.0.1:6390/0"}')
    with pytest.raises(ConfigError, match="no password"):
        config.load(embedded | {"ALLOW_EMBEDDED_VALKEY": "1"})


def test_a_backend_that_is_not_headways_is_refused(
    env: dict[str, str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CELERY_RESULT_BACKEND", "redis://127.0.0.1:6379/5")

    with pytest.raises(ConfigError, match="CELERY_RESULT_BACKEND"):
        create_app(env)
