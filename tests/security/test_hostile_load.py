"""The short form of `python -m bench.hostile`: each kind of hostile client, beside good ones."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bench.attackers import REQUESTS, SOCKETS
from bench.hostile import PREPARED, load
from tests.security.conftest import Served

SOCKETS_OPEN = 4 * len(SOCKETS)
REQUESTS_OPEN = 4 * len(REQUESTS)
# The bounds for 700 hostile clients are 20 MB and 1 MB. These are 52, of each kind alike: their
# share is 1.5 MB, and the allocator takes memory by the megabyte.
MAX_SHORT_GROWTH = 4_000_000
MAX_SHORT_LOG = 10_000


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    return PREPARED


def test_good_clients_are_served_and_nothing_is_kept(served: Served, tmp_path: Path):
    found = asyncio.run(
        load(
            served.process,
            served.address,
            tmp_path,
            sockets=SOCKETS_OPEN,
            requests=REQUESTS_OPEN,
            good=3,
            seconds=3.0,
            tasks=20,
        )
    )

    assert list(found.misses()) == []
    assert found.connections > (SOCKETS_OPEN + REQUESTS_OPEN) // 2  # some are cut, and come back
    assert found.growth < MAX_SHORT_GROWTH
    assert found.log < MAX_SHORT_LOG
    assert all(found.attacked.values())
