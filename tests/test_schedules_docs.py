"""docs/schedules.md: its tasks run by themselves, and its commands say what the page says."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import requests
from redis import Redis

from tests.documents import Followed, module_of
from tests.processes import Valkey, wait_for

PAGE = "docs/schedules.md"
LINE = re.compile(r"remove_old_carts  every 2 s  next .* UTC  last .* UTC [0-9a-f-]{36}")


def test_the_pages_tasks_run_by_themselves(valkey: Valkey, tmp_path: Path):
    with ExitStack() as stack:
        reader = Followed(PAGE, tmp_path, valkey)
        address = f"{reader.run(stack, 'shop')}/headway"

        def last_run() -> str:
            found = requests.get(f"{address}/schedules", timeout=10).json()["schedules"]
            known = {one["name"]: one["task_id"] for one in found}
            return known.get("remove_old_carts") or ""

        def succeeded(task_id: str) -> bool:
            shown = requests.get(f"{address}/status/{task_id}", timeout=10).json()
            return shown.get("phase") == "succeeded"

        first = wait_for(last_run)
        wait_for(lambda: succeeded(first))
        wait_for(lambda: last_run() != first)
        said = reader.say("headway -A shop:celery schedules")
        paused = reader.say("headway -A shop:celery schedules --pause nightly_report")

    assert "nightly_report  30 2 * * mon-fri  next" in said
    assert LINE.search(said), said
    assert "nightly_report  30 2 * * mon-fri  paused" in paused


def test_a_visitor_starts_what_no_check_forbids(redis_url: str, monkeypatch: Any):
    monkeypatch.setenv("REDIS_URL", redis_url)

    with module_of(PAGE, "shop.py") as shop:
        client = shop.app.test_client()

        def start(name: str) -> int:
            return client.post("/headway/tasks", json={"name": name}).status_code

        as_operator = start("nightly_report")
        monkeypatch.setattr(shop, "is_operator", lambda: False)
        as_visitor = [start("nightly_report"), start("remove_old_carts")]
        shop.celery.tasks["nightly_report"].delay()

    assert (as_operator, as_visitor) == (202, [403, 202])
    with Redis.from_url(redis_url) as client:
        assert client.llen("celery") == 3
