"""Connections to Redis: one that has ended is not used again, and calls on a line are answered
in their order.
"""

from __future__ import annotations

import time

import pytest

from headway.store.connection import FunctionPipeline
from headway.store.errors import Unavailable
from headway.store.functions import LIBRARY_DIGEST
from headway.store.keys import PLAIN
from headway.store.records import Records
from tests.processes import wait_for


@pytest.fixture
def line(records: Records) -> FunctionPipeline:
    records.read(["a-task"])  # which loads the functions
    return records.client.function_pipeline()


def call(line: FunctionPipeline, times: int) -> None:
    """Call a function that answers with so many empty strings."""
    line.call(f"newest_lines_{LIBRARY_DIGEST}", ["no-log"] * times, [PLAIN.prefix])


def free_connections(records: Records) -> int:
    return records.client.connection_pool.pool.qsize()


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


def test_calls_on_a_line_are_answered_in_their_order_on_one_connection(
    records: Records, line: FunctionPipeline
):
    before = free_connections(records)
    call(line, 1)
    wait_for(lambda: line.has_reply)
    call(line, 2)

    assert free_connections(records) == before - 1
    assert [line.reply(), line.reply()] == [[""], ["", ""]]
    assert not line.has_reply
    assert free_connections(records) == before


def test_a_line_whose_connection_ends_says_so_to_each_call_and_takes_another(
    records: Records, line: FunctionPipeline
):
    before = free_connections(records)
    call(line, 1)
    wait_for(lambda: line.has_reply)
    call(line, 2)
    line._connection.disconnect()

    assert not line.has_reply
    for _ in range(2):
        with pytest.raises(Unavailable):
            line.reply()
    call(line, 3)
    assert line.reply() == ["", "", ""]
    assert free_connections(records) == before
