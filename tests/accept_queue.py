"""The accept queue of a web process, with no server behind it, at the socket HEADWAY_LISTEN_FD:
`python -m tests.accept_queue`.

Each line of input, "next" or "stop", is answered by one: the port of the client that is let in, or
nothing.
"""

from __future__ import annotations

import os
import socket
import sys

from headway.patching import patch_for

patch_for("eventlet")

from eventlet import tpool

from headway.web.server.serve_eventlet import AcceptQueue

queue = AcceptQueue(socket.socket(-1, fileno=int(os.environ["HEADWAY_LISTEN_FD"])))
while line := tpool.execute(sys.stdin.readline):
    if line.strip() == "next":
        print(queue.accept()[1][1], flush=True)
    else:
        queue.stop()
        print(flush=True)
