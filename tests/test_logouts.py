"""A user who logs out, or changes the password, is not shown more on pages that are still open."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from headway.push.revocations import CLOCKS_APART_SECONDS, LOGIN, Login, Revocations
from headway.store.records import Records


class Manager:
    """What the revocations ask of a web process's manager: sockets of ada and of bob."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self.channel_of = records.keys.channel
        self.subscriber = SimpleNamespace(session=0)
        self.ended: list[str] = []
        environ = {name: {LOGIN: Login(name, time.time())} for name in ("ada", "bob")}
        eio = SimpleNamespace(end=lambda _, eio_sids: self.ended.extend(eio_sids))
        self.server: Any = SimpleNamespace(environ=environ, eio=eio)


@pytest.fixture
def manager(shared_records: Records) -> Manager:
    for owner in ("ada", "bob"):
        shared_records.client.delete(shared_records.keys.revoked(f"login:{owner}", "*"))
    return Manager(shared_records)


def test_only_the_sockets_of_who_has_logged_out_are_ended(manager: Manager):
    Revocations(manager).receive(f"{time.time() * 1e6:.0f} * login:ada".encode())

    assert manager.ended == ["ada"]


@pytest.mark.parametrize("owner", ["a b", "a\nb", "a:b *", "\u00e4", "x" * 5000])
def test_an_owner_may_be_any_text(manager: Manager, shared_records: Records, owner: str):
    shared_records.client.delete(shared_records.keys.revoked(f"login:{owner}", "*"))
    manager.server.environ["odd"] = {LOGIN: Login(owner, time.time())}
    revocations = Revocations(manager)
    revocations.receive(f"{time.time() * 1e6:.0f} * login:{owner}".encode())
    shared_records.tokens.log_out(owner)
    manager.subscriber.session = 1  # connected again
    revocations.check()

    assert manager.ended == ["odd", "odd"]


def test_a_logout_that_its_process_did_not_hear_is_read(manager: Manager, shared_records: Records):
    revocations = Revocations(manager)
    revocations.check()
    shared_records.tokens.log_out("ada")
    revocations.check()
    assert manager.ended == []

    manager.subscriber.session = 1  # connected again
    revocations.check()

    assert manager.ended == ["ada"]


@pytest.mark.parametrize(("apart", "ended"), [(-1, ["ada"]), (1, [])])
def test_hosts_whose_clocks_are_apart_agree_on_which_came_first(
    manager: Manager, apart: float, ended: list[str]
):
    """A socket may seem to be opened after the logout that ends it."""
    opened = time.time() + CLOCKS_APART_SECONDS + apart
    manager.server.environ["ada"] = {LOGIN: Login("ada", opened)}

    Revocations(manager).receive(f"{time.time() * 1e6:.0f} * login:ada".encode())

    assert manager.ended == ended


def test_tokens_of_who_has_logged_out_are_not_revoked(shared_records: Records):
    shared_records.tokens.log_out("ada")

    claims = ["1 x owner:ada", "1 x task:ada"]
    assert shared_records.tokens.begin_check(claims)() == [False, False]
