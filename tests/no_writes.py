"""A Redis that answers and takes no writes, in each way in which one comes to that."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import redis

from tests.processes import Valkey, wait_for


@contextmanager
def full(server: Valkey) -> Iterator[None]:
    """Keep a Redis out of memory."""
    with redis.Redis.from_url(server.url) as client:
        client.config_set("maxmemory", 1)
        try:
            yield
        finally:
            client.config_set("maxmemory", 0)


@contextmanager
def read_only(server: Valkey) -> Iterator[None]:
    """Keep a Redis the replica of one that does not answer."""
    with redis.Redis.from_url(server.url) as client:
        client.replicaof("127.0.0.1", "1")
        try:
            yield
        finally:
            client.replicaof("NO", "ONE")


@contextmanager
def without_replicas(server: Valkey) -> Iterator[None]:
    """Have a Redis wait for a replica that does not come."""
    with redis.Redis.from_url(server.url) as client:
        client.config_set("min-replicas-to-write", 1)
        try:
            yield
        finally:
            client.config_set("min-replicas-to-write", 0)


@contextmanager
def unsaved(server: Valkey) -> Iterator[None]:
    """Take away a Redis's folder, so that its snapshot fails; what it holds in memory stays."""
    away = Path(f"{server.folder}-away")
    with redis.Redis.from_url(server.url) as client:
        # A running server follows its folder to another name, but not into nothing.
        server.folder.rename(away)
        shutil.rmtree(away)
        client.config_set("save", "3600 1")
        client.bgsave()
        wait_for(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err")
        try:
            yield
        finally:
            client.config_set("save", "")


WAYS: dict[str, Callable[[Valkey], AbstractContextManager[None]]] = {
    "full": full,
    "read-only": read_only,
    "without replicas": without_replicas,
    "unsaved": unsaved,  # last: its folder is gone
}
