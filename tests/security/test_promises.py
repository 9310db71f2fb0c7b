"""docs/security.md names the test of each promise and each known attack; the attacks are many."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tests.processes import ROOT
from tests.security import (
    test_bare_app,
    test_csv_bombs,
    test_half_characters,
    test_heads,
    test_hostile_mail_server,
    test_hostile_messages,
    test_hosts,
    test_junk_in_queues,
    test_memory,
    test_push_endpoints,
    test_redis_input,
    test_resumable_uploads,
    test_served_sockets,
    test_small_bodies,
)

TESTS = ROOT / "tests"
NAMED = re.compile(r"`(?:tests/)?((?:\w+/)?(?:test_\w+\.py|\w+\.test\.js))(?:::(\w+))?`")

# Which parameter of a test is the attack. The others are endpoints that it is tried at.
ATTACKS: list[tuple[Callable[..., None], str]] = [
    (test_bare_app.test_json_that_is_too_deep_is_refused, "depth"),
    (test_bare_app.test_of_thousands_that_are_wrong_the_first_are_said, "args"),
    (test_csv_bombs.test_a_row_that_would_make_an_email_enormous_gets_none, "subject"),
    (test_csv_bombs.test_no_cell_is_two_addresses_or_a_command, "address"),
    (test_csv_bombs.test_no_field_adds_a_header_or_is_filled_twice, "name"),
    (test_csv_bombs.test_no_file_fills_the_memory_of_a_worker, "bomb"),
    (test_half_characters.test_half_a_character_is_a_bad_request, "half"),
    (test_resumable_uploads.test_a_number_that_is_none_begins_and_moves_nothing, "number"),
    (test_resumable_uploads.test_metadata_that_is_none_is_refused_or_names_nothing, "metadata"),
    (test_resumable_uploads.test_no_name_becomes_a_path_or_hides_what_it_is, "name"),
    (test_resumable_uploads.test_no_upload_is_asked_for_by_what_is_no_id, "upload_id"),
    (test_heads.test_a_bad_head_is_refused_and_what_follows_is_no_request, "attack"),
    (test_heads.test_a_head_that_is_too_large_is_refused, "attack"),
    (test_heads.test_after_a_bad_chunk_nothing_is_read, "attack"),
    (test_heads.test_what_comes_byte_by_byte_is_cut, "begun"),
    (test_hostile_mail_server.test_what_never_ends_is_cut_and_not_kept, "attack"),
    (test_hostile_mail_server.test_whatever_is_said_at_any_step_is_one_clear_line, "said"),
    (
        test_hostile_mail_server.test_where_encryption_is_taken_away_neither_login_nor_email_is_sent,
        "hello",
    ),
    (test_hostile_messages.test_whatever_a_message_is_the_inbox_is_shown, "message"),
    (test_hosts.test_another_name_gets_in_nowhere, "host"),
    (test_junk_in_queues.test_what_is_no_message_is_taken_and_the_next_is_run, "junk"),
    (test_memory.test_odd_tags_are_no_error, "tags"),
    (test_push_endpoints.test_only_https_of_a_named_host_is_taken, "endpoint"),
    (test_push_endpoints.test_only_whole_keys_are_taken, "keys"),
    (test_push_endpoints.test_no_other_address_than_a_public_one_is_connected_to, "address"),
    (test_redis_input.test_what_is_no_event_of_a_room_goes_no_further, "junk"),
    (test_redis_input.test_a_damaged_record_is_not_shown_and_the_others_are, "damage"),
    (test_served_sockets.test_an_odd_packet_ends_its_websocket_alone, "said"),
    (test_served_sockets.test_another_site_opens_no_websocket_whatever_token_it_shows, "origin"),
    (test_served_sockets.test_another_transport_or_version_is_refused, "query"),
    (test_served_sockets.test_what_is_no_token_opens_nothing, "shown"),
    (test_small_bodies.test_a_small_body_that_ends_too_early_is_told_so, "begun"),
]


def named_tests() -> list[tuple[str, str]]:
    """Return (file, test or "") of each test that docs/security.md names."""
    return NAMED.findall((ROOT / "docs/security.md").read_text())


def inputs(test: Any, parameter: str) -> set[str]:
    """Return the distinct values that a parametrised test tries, however many endpoints it has."""
    [values] = [
        mark.args[1]
        for mark in test.pytestmark
        if mark.name == "parametrize" and parameter in mark.args[0]
    ]
    return {repr(value) for value in values}


def test_at_least_a_hundred_attacks_are_tried():
    assert sum(len(inputs(*attack)) for attack in ATTACKS) >= 100


def is_there(file: str, test: str) -> bool:
    texts = [path.read_text() for path in TESTS.rglob(file)]
    return any(not test or f"def {test}(" in text for text in texts)


def test_each_test_that_a_promise_names_is_there():
    assert [named for named in named_tests() if not is_there(*named)] == []


def test_each_promise_names_a_test():
    """Each row of the page's tables but that of the threat model and the headings."""
    text = (ROOT / "docs/security.md").read_text()
    rows = [
        line for line in text.split("## Limits of a visitor")[1].splitlines() if line[:2] == "| "
    ]
    promises = [row for row in rows if not row.endswith("| test |")]

    assert len(promises) > 60
    assert [row for row in promises if not NAMED.search(row.rsplit(" | ", 1)[1])] == []


def test_each_file_of_attacks_stands_beside_its_promise():
    files = {path.name for path in (TESTS / "security").glob("test_*.py")}

    assert files <= {file.rpartition("/")[2] for file, _ in named_tests()}
