"""The functions that an app registers: who a request is of, and who sees tasks without an owner."""

from __future__ import annotations

import pytest
from celery import Celery
from flask import Flask, request

from headway import Headway
from headway.celery.messages.sends import load_owner_by, nobody
from headway.store.model import Sent

ADAS = "7f3a1c52-adas"
NOBODYS = "7f3a1c52-nobodys"


@pytest.mark.parametrize("registers_first", [True, False])
def test_they_are_asked_whether_registered_before_or_after(redis_url: str, registers_first: bool):
    app = Flask("shop")
    headway = Headway()
    celery = Celery("shop", broker=redis_url, backend=f"headway+{redis_url}", set_as_current=False)

    def register() -> None:
        headway.owner_loader(lambda: request.headers.get("X-User"))
        headway.visible(lambda: request.headers.get("X-User") == "operator")

    if registers_first:
        register()
    headway.init_app(app, celery=celery)
    if not registers_first:
        register()
    load_owner_by(nobody)
    for task_id, owner in ((ADAS, "ada"), (NOBODYS, "")):
        sent = Sent("add", "", owner, "celery", "", "", 4)
        celery.backend.records.starts.enqueue(task_id, sent)

    codes = {
        user: [
            app.test_client()
            .get(f"/headway/status/{task_id}", headers={"X-User": user})
            .status_code
            for task_id in (ADAS, NOBODYS)
        ]
        for user in ("ada", "bob", "operator")
    }

    assert codes == {"ada": [200, 404], "bob": [404, 404], "operator": [404, 200]}
