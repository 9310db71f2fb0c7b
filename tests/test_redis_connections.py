"""The fixtures know each open connection to Redis, so that none is left to the garbage
collector.
"""

from __future__ import annotations

from headway.store.connection import connect
from tests.conftest import CONNECTIONS


def test_a_connection_that_connects_again_is_known_again(redis_url: str):
    with connect(redis_url) as client:
        client.ping()
        (connection,) = client.connection_pool._connections
        connection.disconnect()
        known = len(CONNECTIONS)

        client.ping()

        assert CONNECTIONS[known:] == [connection]
