"""Connections to Redis: one that has ended is not used again, and each call gives its own back."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from headway.store.connection import FunctionPipeline
from headway.store.errors import RedisUnavailable
from headway.store.functions import LIBRARY_DIGEST
from headway.store.keys import PLAIN
from headway.store.records import Records


def begin(
    records: Records, times: int, pipeline: FunctionPipeline | None = None
) -> Callable[[], Any]:
    """Send a call of a function that answers with so many empty strings."""
    return (pipeline or records.client).begin_function(
        f"newest_lines_{LIBRARY_DIGEST}", ["no-log"] * times, [PLAIN.prefix]
    )


def free_connections(records: Records) -> int:
    return len(records.client.connection_pool.pool.queue)


def test_a_connection_that_redis_has_closed_or_that_holds_a_stray_reply_is_not_used_again(
    records: Records,
):
    assert records.read(["a-task"]) == [None]
    records.client.client_kill_filter(_type="normal")

    assert records.read(["a-task"]) == [None]

    connection = records.client.connection_pool.get_connection()
    connection.send_command("PING")  # whose reply nobody takes
    records.client.connection_pool.release(connection)
    time.sleep(0.1)

    assert records.read(["a-task"]) == [None]


def test_a_call_has_a_connection_of_its_own_until_its_reply_is_read(records: Records):
    records.read(["a-task"])  # which loads the functions
    before = free_connections(records)
    first = begin(records, 1)
    second = begin(records, 2)

    assert free_connections(records) == before - 2
    assert [second(), first()] == [["", ""], [""]]
    assert free_connections(records) == before


def test_a_call_whose_connection_ends_says_so_and_the_next_takes_another(records: Records):
    records.read(["a-task"])
    before = free_connections(records)
    reply = begin(records, 1)
    records.client.connection_pool.disconnect(inuse_connections=True)

    with pytest.raises(RedisUnavailable):
        reply()
    assert begin(records, 2)() == ["", ""]
    assert free_connections(records) == before


def test_a_call_that_cannot_be_packed_keeps_no_connection(records: Records):
    before = free_connections(records)

    with pytest.raises(TypeError):
        records.client.begin_function("read", [], [object()])

    assert free_connections(records) == before


def test_calls_on_a_line_share_a_connection_until_all_their_replies_are_read(records: Records):
    records.read(["a-task"])
    before = free_connections(records)
    pipeline = records.client.function_pipeline()
    first, second = begin(records, 1, pipeline), begin(records, 2, pipeline)

    assert free_connections(records) == before - 1
    assert [first(), second()] == [[""], ["", ""]]
    assert free_connections(records) == before

    assert begin(records, 3, pipeline)() == ["", "", ""]


def test_a_line_that_loses_its_connection_loses_the_replies_and_takes_another(records: Records):
    records.read(["a-task"])
    before = free_connections(records)
    pipeline = records.client.function_pipeline()
    lost = [begin(records, 1, pipeline), begin(records, 2, pipeline)]
    records.client.connection_pool.disconnect(inuse_connections=True)

    with pytest.raises(RedisUnavailable):
        lost[0]()
    third = begin(records, 3, pipeline)
    with pytest.raises(RedisUnavailable):  # and not the third's
        lost[1]()

    assert third() == ["", "", ""]
    assert free_connections(records) == before


def test_a_closed_line_gives_its_connection_back_with_no_reply_on_it(records: Records):
    records.read(["a-task"])
    before = free_connections(records)
    pipeline = records.client.function_pipeline()
    begin(records, 1, pipeline)
    pipeline.close()

    assert free_connections(records) == before
    assert begin(records, 2)() == ["", ""]
