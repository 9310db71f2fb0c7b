"""The application's page and a task with parts, which ends with the last of these."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from headway.snapshot import Phase
from headway.store.records import Records
from tests.page import card_of, is_in, open_live, start_by_hand
from tests.test_parts import begun, end


def test_the_end_of_a_task_is_told_once_its_last_part_has_ended(
    page: Page, web_address: str, shared_records: Records
):
    open_live(page, web_address)
    task_id = start_by_hand(page, web_address, shared_records)
    owner = str(shared_records.client.hget(shared_records.keys.record(task_id), "owner"))
    part = begun(shared_records, parent=task_id, owner=owner)
    card = card_of(page, task_id)
    is_in(card, "running")

    end(shared_records, task_id)
    expect(card).to_contain_text("0 of 1 part")
    is_in(card, "running")
    expect(page).to_have_title(re.compile(r"^\(Running\) Long task"))
    end(shared_records, part, Phase.FAILED)

    is_in(card, "failed")
    expect(page.locator("#alarm")).to_contain_text("1 of 1 parts failed")
    expect(page.locator("#announcer")).not_to_contain_text("Done")
