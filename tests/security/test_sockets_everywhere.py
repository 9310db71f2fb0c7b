"""What one client's websockets may be at all web processes together."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from headway.engine.quotas import SocketQuotas
from headway.store.errors import RedisUnavailable
from headway.store.keys import PLAIN
from headway.store.records import Records
from headway.store.sockets import COUNTS_MS, Count, SocketRecords
from tests.browser import Visitor
from tests.processes import Valkey, running, wait_for, web
from tests.security.test_socket_limits import is_let_in, opened

MOST = 3
OWNER: dict[str, Any] = {"names": ("owner:ann", "address:192.0.2.1")}


def quotas_of(environ: dict[str, Any]) -> Mapping[str, int]:
    return dict.fromkeys(environ["names"], MOST)


def process(records: Records) -> SocketQuotas:
    """Return the counts of one more web process."""
    return SocketQuotas(quotas_of, SocketRecords(records.functions).note)


def hashes(records: Records) -> list[str]:
    return [str(key) for key in records.client.scan_iter(records.keys.sockets("*"))]


def test_websockets_are_counted_across_web_processes(valkey: Valkey, tmp_path: Path):
    env = {
        "REDIS_URL": valkey.url,
        "DATA_DIR": str(tmp_path),
        "SECRET_KEY": "a secret for the tests",
        "RATE_LIMITS": "on",
        "OWNER_SOCKETS": "2",
    }
    with ExitStack() as stack:
        addresses = []
        for _ in range(2):
            one, address = web(tmp_path, env)
            stack.enter_context(running(one))
            addresses.append(address)
        cookies = Visitor(addresses[0]).http.cookies
        cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
        for address, expected in zip(addresses * 2, (101, 101, 429, 429), strict=True):
            status, client = opened(address, cookie)
            stack.enter_context(closing(client))
            assert status == expected
        assert is_let_in(addresses[0])  # nobody's, and not this owner's
        in_redis = stack.enter_context(valkey.connect())
        keys = list(in_redis.scan_iter(PLAIN.sockets("*")))
        assert len(keys) == 2
        left = [in_redis.pttl(keys[0])]
        wait_for(lambda: left.append(in_redis.pttl(keys[0])) or left[-1] > left[-2])  # renewed

        one.stop()

        # At once, and not as its time runs out.
        assert len(list(in_redis.scan_iter(PLAIN.sockets("*")))) == 1
        assert is_let_in(addresses[0], cookie)


def test_only_so_many_enter_and_who_leaves_makes_room(records: Records):
    first, second = process(records), process(records)

    entered = [(first, "a"), (second, "b"), (first, "c")]

    assert [each.enter(name, OWNER) for each, name in entered] == [True] * MOST
    assert not first.enter("d", OWNER)
    assert not second.enter("d", OWNER)
    assert second.enter("e", {"names": ("owner:bob",)})
    first.leave("a")
    first.renew()
    assert second.enter("f", OWNER)
    assert not first.enter("g", OWNER)


def test_what_is_refused_at_one_name_counts_at_none(records: Records):
    first, second = process(records), process(records)
    for name in range(MOST):
        assert first.enter(name, {"names": ("address:192.0.2.1",)})

    assert not second.enter("b", OWNER)
    second.renew()

    for name in range(MOST):
        assert second.enter(name, {"names": ("owner:ann",)})


def test_a_process_that_is_gone_leaves_no_count(records: Records):
    gone, left = process(records), process(records)
    for name in range(MOST):
        gone.enter(name, OWNER)
    [own] = hashes(records)
    assert 0 < records.client.pttl(own) <= COUNTS_MS
    assert not left.enter("a", OWNER)

    records.client.pexpire(own, 1)  # as its time runs out
    wait_for(lambda: not records.client.exists(own))

    assert left.enter("a", OWNER)
    assert len(hashes(records)) == records.client.scard(records.keys.shared("sockets")) == 1


def test_a_heartbeat_renews_the_counts_and_tells_a_redis_that_lost_them(records: Records):
    first, second = process(records), process(records)
    for name in range(MOST):
        first.enter(name, OWNER)
    [own] = hashes(records)
    records.client.pexpire(own, COUNTS_MS // 10)
    first.renew()
    assert records.client.pttl(own) > COUNTS_MS // 10
    records.client.flushall()

    for _ in range(2):
        first.renew()

    assert not second.enter("a", OWNER)


def test_without_redis_each_process_counts_its_own(records: Records):
    asked: list[Mapping[str, Count]] = []
    is_away = [True]

    def note(counts: Mapping[str, Count]) -> tuple[bool, bool]:
        asked.append(counts)
        if is_away[0]:
            raise RedisUnavailable("it is away")
        return SocketRecords(records.functions).note(counts)

    quotas = SocketQuotas(quotas_of, note)

    assert [quotas.enter(name, OWNER) for name in range(MOST + 1)] == [True] * MOST + [False]
    assert len(asked) == 1  # a handshake waits for it once, not each
    with pytest.raises(RedisUnavailable):
        quotas.renew()
    is_away[0] = False
    quotas.renew()
    assert not process(records).enter("a", OWNER)


def test_counts_that_arrive_out_of_order_are_told_again(records: Records):
    late: list[Mapping[str, Count]] = []
    own = SocketRecords(records.functions)

    def note(counts: Mapping[str, Count]) -> tuple[bool, bool]:
        if not late:
            late.append(counts)
            assert quotas.enter("b", OWNER)  # arrives before the call that was made before it
        return own.note(counts)

    quotas = SocketQuotas(quotas_of, note)
    assert quotas.enter("a", OWNER)
    quotas.renew()

    [key] = hashes(records)
    assert set(records.client.hgetall(key).values()) == {"2"}


def test_who_has_left_takes_no_place_in_redis(records: Records):
    quotas = process(records)
    quotas.enter("a", OWNER)

    quotas.leave("a")
    quotas.renew()

    assert hashes(records) == []
    assert not records.client.exists(records.keys.shared("sockets"))


@pytest.mark.parametrize("junk", ["junk", "nan", "1e999"])
def test_junk_in_a_count_is_none(records: Records, junk: str):
    gone, left = process(records), process(records)
    gone.enter("a", OWNER)
    [own] = hashes(records)

    records.client.hset(own, "owner:ann", junk)

    assert left.enter("b", OWNER)
