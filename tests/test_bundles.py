"""What the application's pages load: few files, built by `make bundle`, and kept by browsers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import BrowserContext

from app import bundles
from headway import ConfigError
from tests.processes import ROOT

# What it is when there is a body to be drawn.
NOTE_FIRST_THEME = """new MutationObserver(() => {
  if (document.body) window.firstTheme ??= document.documentElement.dataset.theme ?? "none";
}).observe(document, { childList: true, subtree: true })"""
LOADED = re.compile(r'<(?:script|link)[^>]* (?:src|href)="([^"]+)"')


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of bundles of the test's own."""
    monkeypatch.setattr(bundles, "STATIC", tmp_path)
    folder = tmp_path / bundles.FOLDER
    folder.mkdir()
    for name in bundles.NAMES:
        (folder / name).write_text(f"/* {name} */")
    return folder


def bundled(client: FlaskClient, path: str = "/") -> dict[str, str]:
    """Return the addresses of a page's bundles by name."""
    found = LOADED.findall(client.get(path, headers={"Accept": "text/html"}).text)
    return {
        match[1]: address
        for address in found
        if (match := re.fullmatch(r"/static/bundles/([^?]+)\?v=[0-9a-f]{12}", address))
    }


@pytest.mark.parametrize("path", ["/", "/inbox", "/start", "/nowhere"])
def test_each_page_loads_each_bundle(client: FlaskClient, path: str):
    assert tuple(bundled(client, path)) == bundles.NAMES


@pytest.mark.parametrize(("address", "scripts"), [("/", 2), ("/?lang=zh-Hans", 3)])
def test_a_browser_asks_for_two_scripts_and_the_words_of_another_language(
    context: BrowserContext, web_address: str, address: str, scripts: int
):
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.resource_type))
    page = context.new_page()

    page.goto(web_address + address)
    page.locator("#connection[data-state=live]").wait_for()

    assert [asked.count(kind) for kind in ("document", "stylesheet", "script")] == [1, 1, scripts]


def test_a_chosen_theme_is_there_before_anything_is_drawn(
    context: BrowserContext, web_address: str
):
    page = context.new_page()
    page.route("**/app.js*", lambda route: route.abort())
    page.add_init_script("localStorage.setItem('headway-theme', 'dark')")
    page.add_init_script(NOTE_FIRST_THEME)

    page.goto(web_address)

    assert page.evaluate("firstTheme") == "dark"


@pytest.mark.parametrize("name", bundles.NAMES)
def test_browsers_keep_a_version_for_a_year_and_ask_for_others(client: FlaskClient, name: str):
    address = bundled(client)[name]
    version = address.rpartition("=")[2]

    kept = client.get(address, buffered=True)
    again = client.get(address, headers={"If-None-Match": kept.headers["ETag"]}, buffered=True)
    others = [
        client.get(f"/static/bundles/{name}{query}", buffered=True)
        for query in ("", "?v=", f"?v={version}0", "?v=0123456789ab")
    ]

    assert {each.headers["Cache-Control"] for each in (kept, again)} == {bundles.FOREVER}
    assert (kept.status_code, again.status_code) == (200, 304)
    assert {(each.status_code, each.headers["Cache-Control"]) for each in others} == {
        (200, "no-cache")
    }
    missing = client.get(f"/static/bundles/nothing.js?v={version}")
    assert (missing.status_code, missing.headers.get("Cache-Control")) == (404, None)


def test_one_that_is_built_anew_has_another_address(built: Path, client: FlaskClient):
    before = bundled(client)

    (built / "app.js").write_text("// changed")
    os.utime(built / "app.js", ns=(1, 1))

    after = bundled(client)
    assert {name for name in before if before[name] != after[name]} == {"app.js"}


@pytest.mark.parametrize("name", bundles.NAMES)
def test_one_that_is_not_built_is_said(built: Path, name: str):
    bundles.check_bundles()
    (built / name).unlink()

    with pytest.raises(ConfigError, match=rf"static/bundles/{name} is not built: run make install"):
        bundles.check_bundles()


def test_a_web_process_does_not_start_without_them(env: dict[str, str], tmp_path: Path):
    code = (
        f"from app import bundles; bundles.STATIC = bundles.ROOT / {str(tmp_path)!r}; import wsgi"
    )

    said = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **env},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )

    assert said.returncode == 1
    assert "Headway: static/bundles/page.css is not built: run make install." in said.stderr
