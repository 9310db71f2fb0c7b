"""Serves the browser's files: the bundled scripts, and the modules they are made of."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path

from flask import Blueprint, Response, request, send_from_directory, url_for

from headway.display.languages import ENGLISH, current, find
from headway.exceptions import ConfigError
from headway.web.requests.errors import APIError, handle_errors
from headway.web.requests.language import words_as_json, words_version
from headway.web.requests.security import guard

FOLDER = Path(__file__).resolve().parents[1] / "static"
BUNDLE = "headway.js"
PAGE_BUNDLE = "headway-page.js"  # the same, and what Headway's own pages have besides
STREAMS_BUNDLE = "headway-streams.js"  # which cards load once they show a stream
MARKDOWN_BUNDLE = "headway-markdown.js"  # which streams load that are Markdown
BUNDLES = (BUNDLE, PAGE_BUNDLE, STREAMS_BUNDLE, MARKDOWN_BUNDLE)
NOT_BUILT = f"{BUNDLE} is not built: run make bundle in Headway's repository, or install a wheel."
FOREVER = "public, max-age=31536000, immutable"

assets = Blueprint("headway_assets", __name__)
handle_errors(assets)
guard(assets)


@assets.get("/assets/<path:name>")
def file(name: str) -> Response:
    """Serve a file to pages of any origin.

    Browsers cache a bundle under its version for a year; other files they revalidate.
    """
    if name in BUNDLES and not (FOLDER / name).exists():
        raise APIError(404, "not_built", NOT_BUILT)
    response = send_from_directory(FOLDER, name)
    if name in BUNDLES and request.args.get("v") == bundle_version(name):
        response.headers["Cache-Control"] = FOREVER
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response


@assets.get("/assets/words/<tag>.<kind>")
def words(tag: str, kind: str) -> Response:
    """Serve the words of cards and lists in a language to pages of any origin.

    As JSON, {} for English and for a language that there is not; `js` is a script with the same,
    which browsers cache under its version for a year.
    """
    if kind not in ("js", "json"):
        raise APIError(404, "not_found", "There is no such file.")
    language = find(tag) or ENGLISH
    text = "{}" if language is ENGLISH else words_as_json(language.tag)
    is_script = kind == "js"
    response = Response(
        f"globalThis.headwayWords={text};" if is_script else text,
        mimetype="text/javascript" if is_script else "application/json",
    )
    is_version = request.args.get("v") == words_version(language.tag)
    response.headers["Cache-Control"] = FOREVER if is_version else "no-cache"
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response


def words_address() -> str:
    """Return the address of the script with the current language's words, "" for English."""
    tag = current().tag
    if tag == ENGLISH.tag:
        return ""
    return url_for("headway_assets.words", tag=tag, kind="js", v=words_version(tag))


def bundle_address(name: str = BUNDLE) -> str:
    """Return the address of this version of a bundle. Raises ConfigError if not built."""
    return url_for("headway_assets.file", name=name, v=bundle_version(name))


def script_address() -> str:
    """Return the same for Headway's own pages; "" where it is not built: they do without."""
    try:
        return bundle_address(PAGE_BUNDLE)
    except ConfigError:
        return ""


@cache
def bundle_version(name: str = BUNDLE) -> str:
    """Return a hash of a bundle. Raises ConfigError if not built."""
    try:
        return sha256((FOLDER / name).read_bytes()).hexdigest()[:12]
    except FileNotFoundError:
        raise ConfigError(NOT_BUILT) from None
