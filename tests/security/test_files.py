"""What lies on the disk, and what production starts with."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

import run
from app import config, embedded
from headway.exceptions import ConfigError

PRODUCTION = {
    "APP_ENV": "production",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "MAIL_SERVER": "mail.example",
    "SECRET_KEY": "0123456789abcdef0123456789abcdef",
}


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
        embedded.valkey(services["redis_url"], folder)

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


def test_production_says_that_plain_http_keeps_no_cookies():
    settings = config.load(PRODUCTION)

    assert "over https only" in (config.cookie_warning(settings) or "")


def test_production_starts_with_a_random_secret():
    assert config.load(PRODUCTION | {"FLASK_DEBUG": "0"})["SESSION_COOKIE_SECURE"]
