"""Patches the standard library for an async mode, before anything else is imported."""

from __future__ import annotations

import os
import warnings

__all__ = ["patch_for"]

patched_for = ""  # the mode, once patched


def patch_for(mode: str) -> None:
    """Replace sockets, locks and threads by those of the mode `eventlet` or `gevent`."""
    global patched_for
    if mode == "eventlet":
        os.environ.setdefault("EVENTLET_NO_GREENDNS", "yes")  # its resolver can stall
        # Known, and the reason why the mode is a setting; at each start of a server it is noise.
        warnings.filterwarnings("ignore", r"\s*Eventlet is deprecated")
        import eventlet

        eventlet.monkey_patch()
    elif mode == "gevent":
        from gevent import monkey

        monkey.patch_all()
    patched_for = mode
