"""The OpenAPI document is as strict as the server: what it takes is done, all else is a 400.

Each operation of the document is walked, so that a new one cannot forget it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from app import create_app
from headway.state import state_of
from headway.web.api.operations import OPERATIONS
from tests.described_server import PLACES, DescribedServer, Operation, Request, can_be_sent
from tests.processes import Valkey

# What a valid request may get besides 2xx: something is not there, or is not so now.
NOT_NOW = {304, 404, 409, 412, 422}
# What a bad header gets where that is no 400, by its name.
OWN_STATUS = {"Tus-Resumable": 412, "X-HTTP-Method-Override": 405}
# A result needs a worker.
NEVER_DONE = {"/tasks/{task_id}/result"}

walked = settings(
    max_examples=15,
    phases=[Phase.generate],
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def app(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Flask:
    folder = tmp_path_factory.mktemp("described")
    app = create_app(
        {
            "REDIS_URL": valkey.url,
            "DATA_DIR": str(folder),
            "SECRET_KEY": "a secret for the tests",
            "HEADWAY_PUSH_KEY": str(folder / "push_key"),
        }
    )
    # For /readyz: here nothing listens to Redis.
    state_of(app).manager.heartbeat.round_trip = lambda seconds: True
    return app


@pytest.fixture(scope="module")
def server(app: Flask) -> DescribedServer:
    return DescribedServer(app)


@pytest.fixture(params=range(len(OPERATIONS)))
def operation(request: pytest.FixtureRequest, server: DescribedServer) -> Operation:
    """Each operation of the document."""
    return list(server.operations())[request.param]


def test_what_is_as_described_is_done(server: DescribedServer, operation: Operation):
    statuses = set()

    @walked
    @given(st.data(), st.booleans())
    def walk(data: st.DataObject, whole: bool) -> None:
        request = data.draw(DescribedServer.requests(server, operation, whole=whole))
        answer = server.send(operation, request)
        assert answer.status_code < 300 or answer.status_code in NOT_NOW, (request, answer.text)
        statuses.add(answer.status_code)

    walk()
    assert operation.path in NEVER_DONE or any(status < 300 for status in statuses), statuses


def test_what_is_beyond_a_bound_is_refused(server: DescribedServer, operation: Operation):
    @settings(walked, max_examples=4)
    @given(st.data())
    def walk(data: st.DataObject) -> None:
        request = data.draw(DescribedServer.requests(server, operation, whole=True))
        wrong_ones = list(unfit(server, operation, request))
        if operation.body and "allOf" in operation.body:
            wrong_ones.append(("body", data.draw(server.schemas.without_a_part(operation.body))))
        for place, wrong in wrong_ones:
            sent = request._replace(**{place: wrong})
            answer = server.send(operation, sent)
            assert answer.status_code in expected(place, request, wrong), (sent, answer.text)
            assert answer.get_json()["error"]["message"]

    walk()


def unfit(
    server: DescribedServer, operation: Operation, request: Request
) -> Iterator[tuple[str, Any]]:
    """Yield what may not stand in a place of a request, with the place."""
    for place in PLACES:
        schema = operation.parameters[place]
        for wrong in server.schemas.broken(schema, getattr(request, place)):
            if can_be_sent(place, schema, wrong):
                yield place, wrong
    if operation.body and operation.body_type == "application/json":
        for wrong in server.schemas.broken(operation.body, request.body):
            if wrong is not None:
                yield "body", wrong


def expected(place: str, request: Request, wrong: Any) -> set[int]:
    if place != "header":
        return {400}
    names = [name for name in request.header if request.header[name] != wrong.get(name)]
    return {OWN_STATUS.get(name, 400) for name in names}
