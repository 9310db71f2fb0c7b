"""A web process: `python wsgi.py` serves on the socket of `run.py`, or else at HOST and PORT."""

import os

from headway.patching import patch_for

# Read here as in app/config.py, which cannot be imported yet: its imports must find the patched
# standard library.
MODE = os.environ.get("SOCKETIO_ASYNC_MODE", "eventlet")
patch_for(MODE)

# Below the patch, on purpose.
import logging
import socket
import sys
from pathlib import Path

from headway import ConfigError
from headway.secrets import guard_process
from headway.server import CannotListen, address_of, listen, serve
from load_code import describe
from problem_server import serve_problem

# Of run.py, where code is edited: what the page says is wrong with it.
CODE_PROBLEM = os.environ.get("HEADWAY_CODE_PROBLEM")
guard_process()
try:
    from app import create_app
    from app.bundles import check_bundles
    from app.code_problem import show_code_problem
    from app.config import check_surroundings
except Exception as error:
    if CODE_PROBLEM:
        inherited = socket.socket(-1, fileno=int(os.environ["HEADWAY_LISTEN_FD"]))
        serve_problem(describe(error), inherited)
    raise
try:
    check_bundles()
    app = create_app()
except ConfigError as error:
    sys.exit(f"Headway: {error}")
if CODE_PROBLEM:
    show_code_problem(app, Path(CODE_PROBLEM))


def is_inherited() -> bool:
    """Whether the listening socket is shared with other processes."""
    return "HEADWAY_LISTEN_FD" in os.environ


def open_listener() -> socket.socket:
    """Return the inherited listening socket, or one of our own."""
    if is_inherited():
        # -1 lets Python detect the family.
        return socket.socket(-1, fileno=int(os.environ["HEADWAY_LISTEN_FD"]))
    port = app.config["PORT"]
    try:
        listener = listen(app.config["HOST"], port, f"another: make run PORT={port + 1}")
    except CannotListen as error:
        sys.exit(f"Headway: {error}")
    print(f"Headway serves {address_of(listener)}", flush=True)
    return listener


def main() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        check_surroundings(app.config)
    except ConfigError as error:
        sys.exit(f"Headway: {error}")
    serve(app, open_listener(), is_shared=is_inherited())


if __name__ == "__main__":
    main()
