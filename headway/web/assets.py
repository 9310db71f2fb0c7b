"""Serves the browser's files: the bundled `headway.js`, and the modules it is made of."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path

from flask import Blueprint, Response, request, send_from_directory, url_for

from headway.exceptions import ConfigError
from headway.web.errors import APIError, handle_errors
from headway.web.security import guard

FOLDER = Path(__file__).resolve().parent.parent / "static"
BUNDLE = "headway.js"
NOT_BUILT = f"{BUNDLE} is not built: run make bundle in Headway's repository, or install a wheel."
FOREVER = "public, max-age=31536000, immutable"

assets = Blueprint("headway_assets", __name__)
handle_errors(assets)
guard(assets)


@assets.get("/assets/<path:name>")
def file(name: str) -> Response:
    """Serve a file to pages of any origin.

    Browsers cache the bundle under its version for a year; other files they revalidate.
    """
    if name == BUNDLE and not (FOLDER / BUNDLE).exists():
        raise APIError(404, "not_built", NOT_BUILT)
    response = send_from_directory(FOLDER, name)
    if name == BUNDLE and request.args.get("v") == bundle_version():
        response.headers["Cache-Control"] = FOREVER
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response


def bundle_address() -> str:
    """Return the address of this version of `headway.js`. Raises ConfigError if not built."""
    return url_for("headway_assets.file", name=BUNDLE, v=bundle_version())


def script_address() -> str:
    """Return the same for Headway's own pages; "" where it is not built: they do without."""
    try:
        return bundle_address()
    except ConfigError:
        return ""


@cache
def bundle_version() -> str:
    """Return a hash of `headway.js`. Raises ConfigError if not built."""
    try:
        return sha256((FOLDER / BUNDLE).read_bytes()).hexdigest()[:12]
    except FileNotFoundError:
        raise ConfigError(NOT_BUILT) from None
