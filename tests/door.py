"""The door of a web process, with no server behind it: `python -m tests.door`, at the socket
HEADWAY_LISTEN_FD.

Each line of input, "next" or "shut", is answered by one: the port of the client that is let in, or
nothing.
"""

from __future__ import annotations

import sys

from eventlet import tpool

import wsgi

door = wsgi.AcceptQueue(wsgi.open_listener())
while line := tpool.execute(sys.stdin.readline):
    if line.strip() == "next":
        print(door.accept()[1][1], flush=True)
    else:
        door.stop()
        print(flush=True)
