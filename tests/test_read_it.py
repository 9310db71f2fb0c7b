"""What the task page offers to read a task elsewhere: a link, and commands run as a reader does."""

from __future__ import annotations

import html
import re
import subprocess
import sys

import pytest

from headway.store.records import Records
from tests.browser import Visitor
from tests.by_hand import hand_task, write

HTML = {"Accept": "text/html"}


@pytest.fixture
def visitor(web_address: str) -> Visitor:
    return Visitor(web_address)


def act(visitor: Visitor, task_id: str, action: str) -> str:
    answer = visitor.http.post(
        f"{visitor.address}/tasks/{task_id}", data={"action": action}, headers=HTML, timeout=10
    )
    assert answer.status_code == 200, answer.text
    return answer.text


def snippet(page: str, name: str) -> str:
    found = re.search(rf'aria-label="{name} that reads its status">(.*?)</pre>', page, re.DOTALL)
    assert found is not None
    return html.unescape(found[1])


def test_a_link_and_the_commands_beside_it_work_until_they_are_withdrawn(
    visitor: Visitor, shared_records: Records
):
    task_id = hand_task(shared_records, visitor)
    write(shared_records, task_id, 420)

    page = act(visitor, task_id, "share")
    found = re.search(r'readonly value="([^"]*)"', page)
    assert found is not None
    link = html.unescape(found[1])
    stranger = Visitor(visitor.address)
    commands = (
        ["sh", "-c", snippet(page, "Command")],
        [sys.executable, "-c", snippet(page, "Python program")],
    )

    shared = stranger.http.get(link, headers=HTML, timeout=10)
    said = [
        subprocess.run(command, capture_output=True, text=True, timeout=30).stdout
        for command in commands
    ]
    assert "No link opens this task any more." in act(visitor, task_id, "unshare")
    withdrawn = stranger.http.get(link, headers=HTML, timeout=10)

    assert shared.status_code == 200
    assert "Make a link" not in shared.text
    assert f'"task_id":"{task_id}"' in said[0]
    assert said[1] == "running 420 1000\n"
    assert withdrawn.status_code == 404


def test_nobody_else_makes_or_withdraws_links(visitor: Visitor, shared_records: Records):
    task_id = hand_task(shared_records, visitor)
    link = re.search(r'readonly value="([^"]*)"', act(visitor, task_id, "share"))
    assert link is not None
    token = html.unescape(link[1]).partition("?token=")[2]
    stranger = Visitor(visitor.address)

    for action in ("share", "unshare"):
        for query in ("", f"?token={token}"):
            answer = stranger.http.post(
                f"{visitor.address}/tasks/{task_id}{query}",
                data={"action": action},
                headers=HTML,
                timeout=10,
            )
            assert answer.status_code == 404
