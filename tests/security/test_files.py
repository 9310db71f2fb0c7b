"""What lies on the disk, and what production starts with."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import embedded
import run
from app import config
from headway.exceptions import ConfigError
from tests.processes import ROOT

PRODUCTION = {
    "APP_ENV": "production",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "MAIL_SERVER": "mail.example",
    "SECRET_KEY": "0123456789abcdef0123456789abcdef",
}

BEHIND_PROXY = {"TRUSTED_PROXIES": "1", "TRUSTED_HOSTS": "tasks.example"}


def modes(folder: Path) -> dict[str, str]:
    """Return what others than the owner may do, by path, where they may do anything."""
    return {
        str(path): oct(mode)
        for path in (folder, *folder.rglob("*"))
        if (mode := stat.S_IMODE(path.stat().st_mode)) & 0o077
    }


@pytest.mark.parametrize("exists", [True, False])
def test_the_data_folder_and_what_is_in_it_are_the_owners_alone(tmp_path: Path, exists: bool):
    folder = tmp_path / "data"
    if exists:
        folder.mkdir(mode=0o755)

    with run.lock(folder):
        services = embedded.choose_services(folder, {})
        config.load({"DATA_DIR": str(folder)})
        embedded.valkey(services["redis_url"], folder, 64)

    assert {path.name for path in folder.iterdir()} == {
        "run.lock",
        "services.json",
        "secret_key",
        "valkey",
        "valkey.conf",
        "valkey_password",
    }
    assert modes(folder) == {}


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("SECRET_KEY", "a" * 32, "SECRET_KEY must be a random secret"),
        ("SECRET_KEY", "abab" * 16, "SECRET_KEY must be a random secret"),
        ("SECRET_KEY", "short", "SECRET_KEY must be a random secret"),
        ("SECRET_KEY", "", "SECRET_KEY must be a random secret"),
        ("SECRET_KEY_FALLBACKS", "a" * 32, "SECRET_KEY_FALLBACKS holds a weak key"),
        ("FLASK_DEBUG", "1", "FLASK_DEBUG is for development"),
        ("FLASK_DEBUG", "true", "FLASK_DEBUG is for development"),
    ],
)
def test_production_refuses_what_is_unsafe_in_one_line(name: str, value: str, says: str):
    with pytest.raises(ConfigError) as refused:
        config.load(PRODUCTION | {name: value})

    assert str(refused.value).startswith(says)
    assert "\n" not in str(refused.value)
    assert value == "" or value not in str(refused.value) or name == "FLASK_DEBUG"


def test_production_refuses_plain_http_unless_that_is_said():
    with pytest.raises(ConfigError, match=r"over https: .* TRUSTED_PROXIES .* ALLOW_PLAIN_HTTP=1"):
        config.refuse_unsafe_serving(config.load(PRODUCTION))

    said = config.load(PRODUCTION | {"ALLOW_PLAIN_HTTP": "1"})
    config.refuse_unsafe_serving(said)
    assert said["SESSION_COOKIE_SECURE"] is False  # or browsers would keep no cookie at all
    config.refuse_unsafe_serving(config.load(PRODUCTION | BEHIND_PROXY))
    config.refuse_unsafe_serving(config.load(PRODUCTION | {"APP_ENV": "development"}))


def test_production_behind_a_proxy_names_its_hosts_or_says_that_it_takes_any():
    unnamed = {"TRUSTED_PROXIES": "1"}
    with pytest.raises(ConfigError, match="In production set TRUSTED_HOSTS to the names"):
        config.refuse_unsafe_serving(config.load(PRODUCTION | unnamed))

    config.refuse_unsafe_serving(config.load(PRODUCTION | unnamed | {"TRUSTED_HOSTS": "*"}))
    config.refuse_unsafe_serving(config.load(PRODUCTION | unnamed | {"APP_ENV": "development"}))


@pytest.mark.parametrize(
    ("proxies", "says"),
    [
        ("0", "In production browsers must reach Headway over https"),
        ("1", "In production set TRUSTED_HOSTS to the names"),
    ],
    ids=["plain http", "any host"],
)
@pytest.mark.parametrize(
    ("program", "services"),
    [("run.py", {}), ("run.py", {"REDIS_URL": "", "ALLOW_EMBEDDED_VALKEY": "1"}), ("wsgi.py", {})],
    ids=["make run", "make run with Valkey", "make web"],
)
def test_each_way_to_serve_production_unsafely_is_refused(
    tmp_path: Path, program: str, services: dict[str, str], proxies: str, says: str
):
    env = {**os.environ, **PRODUCTION, **services, "DATA_DIR": str(tmp_path), "PORT": "1"}
    env["TRUSTED_PROXIES"] = proxies

    ended = subprocess.run(
        [sys.executable, program], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )

    assert ended.returncode
    [line] = ended.stderr.splitlines()
    assert line.startswith(f"Headway: {says}")


def test_production_starts_with_a_random_secret():
    assert config.load(PRODUCTION | {"FLASK_DEBUG": "0"})["SESSION_COOKIE_SECURE"]
