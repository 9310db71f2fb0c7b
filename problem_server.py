"""Serves the reason, during development, when a web process cannot load the application's code.

`run.py` starts the process again once the code has been edited.
"""

from __future__ import annotations

import json
import socket
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="refresh" content="1">
<meta name="color-scheme" content="light dark">
<title>✕ Headway</title>
<h1>The code cannot be loaded</h1>
<pre>{problem}</pre>
</html>
"""


def serve_problem(problem: str, listener: socket.socket) -> None:
    """Answer each request with the problem: as JSON where open pages ask, else as a page."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.endswith("/code-problem"):
                self._answer(200, "application/json", json.dumps({"problem": problem}))
            else:
                self._answer(503, "text/html; charset=utf-8", PAGE.format(problem=escape(problem)))

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            """Say nothing: the terminal has the problem."""

        def _answer(self, status: int, kind: str, text: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("", 0), Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listener
    server.serve_forever()
