"""Email addresses, where they are to be masked: in whatever people read of logs and tasks."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from app import config
from headway import masking
from headway.celery.error_text import error_of
from headway.snapshot import one_line, title_line
from headway.store.records import Records
from tests.by_hand import HERE, claimed, shown
from tests.by_records import MESSAGE
from tests.large import celery_app, start
from tests.test_masking import everything

ADDRESS = "ada.lovelace+märked@example.com"
SHOWN = "***@example.com"


@pytest.fixture(autouse=True)
def masked_addresses() -> Iterator[None]:
    masking.mask_addresses()
    yield
    masking.mask_addresses(False)


def test_the_setting_says_so(env: dict[str, str]):
    config.load(env)
    assert masking.mask(ADDRESS) == ADDRESS

    config.load({**env, "MASK_ADDRESSES": "1"})
    assert masking.mask(f"to <{ADDRESS}>, {ADDRESS}") == f"to <{SHOWN}>, {SHOWN}"
    assert masking.mask("3 @ 5, @ada, redis://ops:x@db/0") == "3 @ 5, @ada, redis://***@db/0"


def test_no_log_and_no_traceback_tells_one(caplog: pytest.LogCaptureFixture):
    before = logging.getLogRecordFactory()
    logging.setLogRecordFactory(masking.MaskedRecord)
    try:
        raise ValueError(f"no such user: {ADDRESS}")
    except ValueError:
        logging.getLogger("masked").exception("An email to %s failed", ADDRESS)
    finally:
        logging.setLogRecordFactory(before)

    assert "ada" not in caplog.text
    assert caplog.text.count(SHOWN) == 2


def test_no_text_of_a_task_tells_one(records: Records):
    message: Any = {**MESSAGE, "args": [], "kwargs": {}}
    task_id = claimed(records, message)
    records.output.log(task_id, HERE, [("INFO", f"sent to {ADDRESS}")])

    assert ADDRESS not in everything(records)
    assert SHOWN in everything(records)
    assert one_line(f"Sending to {ADDRESS}") == f"Sending to {SHOWN}"
    assert title_line(f"E-mail to {ADDRESS}") == f"E-mail to {SHOWN}"
    assert error_of(ValueError(f"refused: {ADDRESS}"))["message"] == f"refused: {SHOWN}"


def test_no_status_or_failure_of_a_task_tells_one(records: Records, redis_url: str):
    backend = celery_app(redis_url).backend
    running = start(records)
    failed = start(records)
    status = f"Writing to {ADDRESS}"
    backend.store_result(running, {"current": 1, "total": 2, "status": status}, "PROGRESS")
    backend.mark_as_failure(failed, ValueError(ADDRESS), f"Traceback: {ADDRESS}")

    now, ended = shown(records, running), shown(records, failed)
    assert now is not None
    assert now.status == f"Writing to {SHOWN}"
    assert ended is not None
    assert ended.error == {"type": "ValueError", "message": SHOWN}


@pytest.mark.parametrize("at", range(1, len(ADDRESS)))
def test_two_writes_of_a_stream_that_part_one_tell_none(at: int):
    text = f"to {ADDRESS} now"
    first = text[: 3 + at]
    end = masking.closed_end(first)

    shown = masking.mask(first[:end]) + masking.mask(first[end:] + text[3 + at :])

    assert shown == f"to {SHOWN} now"


def test_what_a_task_works_with_stays():
    value = {"to": [ADDRESS]}

    assert masking.masked(value) == value
    assert not masking.holds_secret(ADDRESS)


def test_masking_long_words_costs_linear_time():
    assert len(masking.mask("a" * 1_000_000 + "@" + "b" * 1_000_000)) > 1_000_000
