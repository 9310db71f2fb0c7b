"""The example of docs/away.md tells browsers, until their owner logs out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.documents import files_of
from tests.push_service import FakeBrowser


def test_the_example_keeps_a_browser_until_its_owner_logs_out(redis_url: str, tmp_path: Path):
    text = files_of("docs/away.md")["shop.py"]
    text = text.replace("redis://localhost:6379/0", redis_url).replace("/var/lib", str(tmp_path))
    shop: dict[str, Any] = {"__name__": "shop"}
    exec(text, shop)
    client = shop["app"].test_client()
    with client.session_transaction() as session:
        session["user"] = "ada"

    browser = FakeBrowser()
    kept = client.post("/headway/push", json=browser.said).status_code
    devices = shop["celery"].backend.records.devices
    before = devices.of("ada")
    client.post("/logout")

    assert (kept, before, devices.of("ada")) == (204, [browser.subscription], [])
    assert (tmp_path / "shop" / "push_key").exists()
