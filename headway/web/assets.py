"""The browser's files: the bundled `headway.js`, and the modules that it is made of."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, send_from_directory
from flask.typing import ResponseReturnValue

from headway.web.errors import handle_errors
from headway.web.guards import guard

FOLDER = Path(__file__).resolve().parent.parent / "static"

assets = Blueprint("headway_assets", __name__)
handle_errors(assets)
guard(assets)


@assets.get("/assets/<path:name>")
def file(name: str) -> ResponseReturnValue:
    """A file of the library's pages; browsers ask each time whether it has changed."""
    return send_from_directory(FOLDER, name)
