"""docs/terminal.md: each of its examples is run, in their order, with a worker of the project
on that page.
"""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

from headway.cli.errors import ExitCode
from tests.processes import ROOT, Valkey, running, worker

PAGE = (ROOT / "docs" / "terminal.md").read_text()
TASK_ID = "7f0b2a3e-5c1d-4e8f-9a6b-2d3c4e5f6a7b"
TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")
# Between the first line of a task and its last, lines come as they may.
UNDERWAY = re.compile(r"^<time>  (?:queued|running)\b.*\n", re.MULTILINE)


def examples() -> list[tuple[str, str]]:
    """Return the page's commands, and what it says that they say."""
    blocks = "".join(re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL))
    found = [part.partition("\n") for part in re.split(r"^\$ ", blocks, flags=re.MULTILINE)[1:]]
    return [(command, said) for command, _, said in found]


def plain(said: str) -> str:
    """Return a text with a word for each time, and without what may come or not."""
    return UNDERWAY.sub("", TIME.sub("<time>", said))


def test_the_pages_examples_say_what_it_says(valkey: Valkey, redis_url: str, tmp_path: Path):
    [project] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "shop.py").write_text(project)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {"REDIS_URL": redis_url, "PYTHONPATH": str(ROOT), "PATH": path}
    real = {"redis://localhost:6379/0": redis_url, "localhost:6379": f"127.0.0.1:{valkey.port}"}

    def run(command: str) -> str:
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=tmp_path,
            env=os.environ | env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        return done.stdout

    with running(worker(tmp_path, env, "celery", "shop", root=tmp_path)):
        for command, expected in examples():
            for shown, there in real.items():
                command, expected = command.replace(shown, there), expected.replace(shown, there)
            said = run(command)
            if command.startswith("headway -A shop start") and "--watch" in command:
                real[TASK_ID] = said.splitlines()[0]
                expected = expected.replace(TASK_ID, real[TASK_ID])
            matches = doctest.OutputChecker().check_output(
                plain(expected), plain(said), doctest.ELLIPSIS
            )
            assert matches, f"{command}\n{said}"


def test_the_page_has_each_exit_code():
    [table] = re.findall(r"## Exit codes\n(.*?)\n\n`start", PAGE, re.DOTALL)

    assert [int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)] == list(
        ExitCode
    )
