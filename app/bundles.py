"""The page's scripts and style sheet, which `make bundle` builds, and their addresses."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256

from flask import Flask, Response, request, url_for

from app.services import ROOT
from headway import ConfigError

STATIC = ROOT / "static"
FOLDER = "bundles"
NAMES = ("page.css", "theme.js", "app.js")
FOREVER = "public, max-age=31536000, immutable"


def add_bundles(app: Flask) -> None:
    """Give templates `bundle(name)`, and let browsers keep for a year what it names."""
    app.add_template_global(address, "bundle")
    app.after_request(_keep)


def check_bundles() -> None:
    """Raise ConfigError if one of them is not built."""
    for name in NAMES:
        _version(f"{FOLDER}/{name}")


def address(name: str) -> str:
    """Return the address of this version of a bundle. Raises ConfigError if not built."""
    filename = f"{FOLDER}/{name}"
    return url_for("static", filename=filename, v=_version(filename))


def _keep(response: Response) -> Response:
    asked = request.args.get("v")
    if asked and request.endpoint == "static" and response.status_code in (200, 304):
        filename = (request.view_args or {})["filename"]
        if asked == _version(filename):
            response.headers["Cache-Control"] = FOREVER
    return response


def _version(filename: str) -> str:
    """Return a hash of the file as it is now: `make bundle` may have rebuilt it."""
    try:
        return _hash(filename, (STATIC / filename).stat().st_mtime_ns)
    except FileNotFoundError:
        raise ConfigError(f"static/{filename} is not built: run make install.") from None


@lru_cache(maxsize=len(NAMES))
def _hash(filename: str, _: int) -> str:
    return sha256((STATIC / filename).read_bytes()).hexdigest()[:12]
