"""Serves the websockets of an app by Socket.IO."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from flask import Flask
from flask_socketio import SocketIO

from headway.engine.choice import patch_socketio
from headway.engine.frames import SERVICE_RESTART
from headway.engine.packets import ClientPacket
from headway.state import State
from headway.store.errors import RedisUnavailable
from headway.web.handlers import NAMESPACE, SocketHandlers
from headway.web.requests.limiting import socket_quotas
from headway.web.requests.origins import is_cross_site
from headway.web.requests.viewers import note_token

MAX_PACKET_BYTES = 16 * 1024  # from a client


def serve_sockets(
    socketio: SocketIO, app: Flask, state: State, redis_url: str, url_prefix: str
) -> None:
    """Add the websockets of Headway's state to an app, below `url_prefix`."""
    own = app.extensions.get("socketio")
    with patch_socketio():
        socketio.init_app(
            app,
            path=f"{url_prefix}/socket.io",
            logger=_log_of("socketio.server"),
            engineio_logger=_log_of("engineio.server"),
            # Both: without `message_queue` a later init_app would silently replace the manager
            # by the stock one.
            client_manager=state.manager,
            message_queue=redis_url,
            async_mode=app.config["HEADWAY_ASYNC_MODE"],
            serializer=ClientPacket,
            transports=["websocket"],
            cors_allowed_origins=[],  # turns Engine.IO's own rule off; ours is in `refuses`
            refuses=partial(is_cross_site, allowed=state.allowed_origins),
            quotas_of=partial(socket_quotas, app),
            note_counts=state.records.sockets.note,
            max_sockets=app.config["HEADWAY_MAX_CONNECTIONS"],
            max_http_buffer_size=MAX_PACKET_BYTES,
            http_compression=False,
            # One event of a socket at a time, in order: a client that floods delays only
            # itself.
            async_handlers=False,
            # Together 13 s: by then both ends know of a half-open connection.
            ping_interval=7,
            ping_timeout=6,
            cookie=None,
            manage_session=False,
        )
    if own is not None:
        app.extensions["socketio"] = own  # where `emit` finds its server
    SocketHandlers(app).open()
    _read_tokens(app, socketio.server)


def _read_tokens(app: Flask, server: Any) -> None:
    """Have each socket's token read at its connect, before the app's own `connect` handler."""
    connect = server._handle_connect

    def connect_with_token(eio_sid: str, namespace: str | None, auth: Any) -> None:
        # Only of the first: a later one is refused, and what the socket watches by its token has to
        # end with that.
        is_first = not server.manager.sid_from_eio_sid(eio_sid, NAMESPACE)
        if is_first and (namespace or NAMESPACE) == NAMESPACE:
            try:
                note_token(app, server.environ.get(eio_sid, {}), auth)
            except RedisUnavailable:  # it knows whether a single-use token is used up
                server.eio.end(SERVICE_RESTART, [eio_sid])
                return
        connect(eio_sid, namespace, auth)

    server._handle_connect = connect_with_token


def _log_of(name: str) -> logging.Logger:
    """Return a library's logger, with the level that it would set itself.

    It would add a handler of its own too, and each line of it would be in the log twice.
    """
    logger = logging.getLogger(name)
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.ERROR)
    return logger
