"""The task page of a project that has no page of its own, below a path."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from headway import token
from headway.store.records import Records
from tests.by_hand import claim, write
from tests.processes import Valkey
from tests.terminal import create
from tests.test_serve import SECRET, Served

TASK = "7f3a1c52-ada"


@pytest.fixture(scope="module")
def served(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = Served(tmp_path_factory.mktemp("serve"), valkey.url, "--prefix", "/a/b")
    yield served
    served.process.kill()


def test_a_project_without_a_page_of_its_own_has_it_below_its_prefix(
    page: Page, served: Served, shared_records: Records
):
    create(shared_records, TASK, "ada")
    claim(shared_records, TASK)
    link = f"{served.address}/tasks/{TASK}?token={token(owner='ada', secret_key=SECRET)}"
    failures: list[str] = []
    page.on("response", lambda got: failures.append(got.url) if got.status >= 400 else None)

    page.goto(link)
    expect(page.locator("[data-part=connection]")).to_have_text(re.compile("Live"))
    write(shared_records, TASK, 420)

    expect(page.locator("headway-task")).to_contain_text("42")
    box = page.get_by_label("Follow").bounding_box()
    assert box is not None
    assert abs(box["width"] - box["height"]) < 2  # not stretched
    assert box["width"] < 30
    # The page's own style sheet says it: no frame of an application does.
    expect(page.locator("#plot .plotted")).to_have_css("display", "grid")
    assert failures == []
