"""The example of docs/languages.md, as its reader runs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from headway.texts import add_translations
from tests.documents import Followed
from tests.processes import Valkey


@pytest.fixture(scope="module")
def address(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("languages")
        yield Followed("docs/languages.md", folder, valkey).run(stack, "shop")


def test_a_project_speaks_with_texts_of_its_own(page: Page, address: str):
    page.goto(f"{address}/headway/start?lang=zh-Hans")
    expect(page.get_by_text("清点店铺货架上的商品。")).to_be_visible()
    page.get_by_role("link", name="盘点").click()
    page.get_by_label("店铺").fill("Leiden")
    page.locator("form button").last.click()
    expect(page.get_by_text("Leiden 没有店铺。")).to_be_visible()

    page.get_by_label("店铺").fill("Delft")
    page.locator("form button").last.click()

    expect(page.get_by_role("heading", name="Stocktake in Delft")).to_be_visible()
    expect(page.locator("headway-task")).to_have_attribute("data-phase", "succeeded")


@pytest.mark.parametrize("text", ["{", "[]", '{"Shop": 1}'])
def test_a_file_that_is_no_object_of_texts_is_refused_at_once(tmp_path: Path, text: str):
    (tmp_path / "de.json").write_text(text)

    with pytest.raises(ValueError, match=r"de\.json"):
        add_translations(tmp_path)
