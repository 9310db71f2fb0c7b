"""Patches the standard library for an async mode: before anything else is imported, this
module's own package apart.
"""

from __future__ import annotations

import os
import warnings

patched_for = ""  # the mode, once it is so


def patch_for(mode: str) -> None:
    """Have sockets, locks and threads of this process be those of `eventlet` or `gevent`.

    Other modes need nothing.
    """
    global patched_for
    if mode == "eventlet":
        os.environ.setdefault("EVENTLET_NO_GREENDNS", "yes")  # its resolver can stall
        # Known, and the reason why the mode is a setting; said to whoever starts a server it would
        # be noise.
        warnings.filterwarnings("ignore", r"\s*Eventlet is deprecated")
        import eventlet

        eventlet.monkey_patch()
    elif mode == "gevent":
        from gevent import monkey

        monkey.patch_all()
    patched_for = mode
