"""One web process for the attacks of a file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from headway.web.api import health
from tests.processes import Process, Valkey, running, web


class Served(NamedTuple):
    process: Process
    address: str


@pytest.fixture(autouse=True)
def no_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have `/readyz` wait for no heartbeat: in a test's own process none comes back."""
    monkeypatch.setattr(health, "PROOF_SECONDS", 0.0)


@pytest.fixture(scope="module")
def settings() -> dict[str, str]:
    """Settings of the web process; a file may have its own."""
    return {}


@pytest.fixture(scope="module")
def served(
    valkey: Valkey, tmp_path_factory: pytest.TempPathFactory, settings: dict[str, str]
) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("web")
    env = {
        "REDIS_URL": valkey.url,
        "DATA_DIR": str(folder),
        "SECRET_KEY": "a secret for the tests",
        **settings,
    }
    process, address = web(folder, env)
    with running(process):
        yield Served(process, address)
