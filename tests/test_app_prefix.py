"""REDIS_KEY_PREFIX: two reference applications share a Redis and do not see each other."""

from __future__ import annotations

import os

import pytest
from flask import Flask

from app import config, create_app, doctor
from headway.exceptions import ConfigError
from headway.store.checks import Mark
from headway.store.records import Records
from tests.by_make import by_make


@pytest.fixture
def shop(app: Flask, env: dict[str, str]) -> Flask:
    """A second application, beside `app` in its Redis; `app` comes first, as the default."""
    return create_app({**env, "REDIS_KEY_PREFIX": "shop"})


def test_all_that_an_app_has_begins_with_its_prefix(shop: Flask, records: Records):
    records.client.flushdb()

    answer = shop.test_client().post("/longtask")

    assert answer.status_code == 202
    names = {str(key) for key in records.client.scan_iter("*")}
    assert {name for name in names if not name.startswith("shop_")} == set()
    assert {"shop_celery", f"shop_headway:task:{answer.get_json()['task_id']}"} <= names


def test_two_apps_do_not_see_each_other(app: Flask, shop: Flask):
    shops = shop.test_client().post("/longtask").get_json()["task_id"]
    plain = app.test_client().post("/longtask").get_json()["task_id"]

    records = app.extensions["headway"].records
    shop_records = shop.extensions["headway"].records
    assert [stored is None for stored in records.read([shops, plain])] == [True, False]
    assert [stored is None for stored in shop_records.read([shops, plain])] == [False, True]
    assert records.queries.overview()["queued"] == shop_records.queries.overview()["queued"] == 1


def test_the_commands_look_at_the_apps_own(
    env: dict[str, str], records: Records, monkeypatch: pytest.MonkeyPatch
):
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    records.client.hset("shop_headway:paused", mapping={"since": "1", "data_of": "1"})

    assert "Nothing is paused." in by_make("paused", env).stdout
    monkeypatch.setenv("REDIS_KEY_PREFIX", "shop")
    assert "Paused since 1970" in by_make("paused", {**env, "REDIS_KEY_PREFIX": "shop"}).stdout
    marks = {finding.mark for finding in doctor.check_redis(config.load(os.environ))}
    assert Mark.BAD not in marks


@pytest.mark.parametrize(
    ("prefix", "ended"),
    [("", ""), ("shop", "shop_"), ("a:", "a:")],
)
def test_a_prefix_gets_a_separator(prefix: str, ended: str, env: dict[str, str]):
    settings = config.load({**env, "REDIS_KEY_PREFIX": prefix})

    assert settings["REDIS_KEY_PREFIX"] == ended


def test_a_prefix_that_is_none_is_refused(env: dict[str, str]):
    with pytest.raises(ConfigError, match=r"REDIS_KEY_PREFIX: 'a\*_' may hold letters"):
        config.load({**env, "REDIS_KEY_PREFIX": "a*"})
