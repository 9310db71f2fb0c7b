"""Switches a Celery app to another broker and another Redis, and back."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from celery import Celery
from kombu.pools import ProducerPool

from headway.celery.backend import LiveBackend
from headway.celery.storing.publishing import record_sends
from headway.exceptions import ConfigError
from headway.system import live_backend

BROKER_VARIABLES = ("CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL")
MAX_CONNECTIONS = 10  # to the broker


def backend_of(app: Celery) -> LiveBackend:
    """Return the result backend of an app. Raises ConfigError if it is not Headway's."""
    try:
        return live_backend(app)
    except ConfigError as error:
        raise ConfigError(
            f"{error} (headway_eager and headway_run do not connect to it.) Where the Celery app "
            f"{app.main!r} is not yours, set headway_app in pytest's settings, or override the "
            "fixture headway_celery_app."
        ) from None


@contextmanager
def switched(
    app: Celery,
    broker_url: str,
    other: LiveBackend,
    env: Mapping[str, str],
) -> Iterator[LiveBackend]:
    """Make `app` send to `broker_url`, and its backend work like `other`, during the block.

    The backend stays the same object, and its records get the other's client, because a Flask app
    holds both. `env` is for processes that are started meanwhile.
    """
    backend = backend_of(app)
    own = dict(backend.__dict__)
    records = backend.records
    client = records.client
    with (
        patch.dict(os.environ, {**dict.fromkeys(BROKER_VARIABLES, broker_url), **env}),
        _own_pools(app),
        _sending(app),
    ):
        try:
            _become(backend, other.__dict__)
            records.client = other.records.client
            record_sends(app, other.recorder)
            with patch.object(app, "_backend_cache", backend):  # in other threads too
                yield backend
        finally:
            records.client = client
            _become(backend, own)
            record_sends(app, backend.recorder)


def _become(backend: LiveBackend, attributes: Mapping[str, Any]) -> None:
    backend.__dict__.clear()
    backend.__dict__.update(attributes)


@contextmanager
def _own_pools(app: Celery) -> Iterator[None]:
    """Make an app open new connections to its broker during the block, and close them after it."""
    connections = app.connection_for_write().Pool(MAX_CONNECTIONS)
    producers = ProducerPool(connections, limit=MAX_CONNECTIONS)
    with (
        patch.object(app, "_pool", connections),
        patch.object(app.amqp, "_producer_pool", producers),
    ):
        try:
            yield
        finally:
            producers.force_close_all()
            connections.force_close_all()


@contextmanager
def _sending(app: Celery) -> Iterator[None]:
    """Make an app send its tasks during the block, whatever `task_always_eager` is set to."""
    setting = {"task_always_eager": False}
    app.conf.maps.insert(0, setting)
    try:
        yield
    finally:
        app.conf.maps[:] = [each for each in app.conf.maps if each is not setting]
