"""The short form of `python -m bench.hostile`: each kind of hostile client, beside good ones."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bench.attackers import REQUESTS, SOCKETS
from bench.hostile import PREPARED, load
from tests.security.conftest import Served


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    return PREPARED


def test_good_clients_are_served_and_nothing_is_kept(served: Served, tmp_path: Path):
    found = asyncio.run(
        load(
            served.process,
            served.address,
            tmp_path,
            sockets=4 * len(SOCKETS),
            requests=4 * len(REQUESTS),
            good=3,
            seconds=3.0,
            tasks=20,
        )
    )

    assert list(found.misses()) == []
    assert all(found.attacked.values())
