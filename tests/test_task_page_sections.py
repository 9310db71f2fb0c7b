"""In which order a task's page says things: how it ended first, then how it came to that."""

from __future__ import annotations

import re

from flask.testing import FlaskClient

HTML = {"Accept": "text/html"}
TEMPLATE = re.compile(r"<template.*?</template>", re.DOTALL)
SECTION = re.compile(r'<section(?: id="([a-z-]+)")?|<div data-part="(streams)"|<headway-(task) ')
ARGUMENTS = ""  # has no id
ORDER = [
    "task",
    "question",
    "outcome",
    "parts",
    "plot",
    "streams",
    "files",
    "timeline",
    "log",
    ARGUMENTS,
    "read-it",
]


def test_what_came_of_a_task_stands_before_how_it_came_to_that(client: FlaskClient):
    client.get("/")
    body = {"name": "send_async_email", "args": {"email": "ada@example.com"}, "countdown": 3600}
    task_id = client.post("/tasks", json=body).get_json()["task_id"]

    page = client.get(f"/tasks/{task_id}", headers=HTML).text

    assert ["".join(found) for found in SECTION.findall(TEMPLATE.sub("", page))] == ORDER
