"""A page's language: the reader's choice, else what the browser asks for, else a setting."""

from __future__ import annotations

import json
from functools import cache
from hashlib import sha256

from flask import Response, current_app, g, has_request_context, request

from headway.display.languages import ENGLISH, Language, find, known
from headway.settings import LANGUAGE

CHOICE = "lang"  # in the address of a page
COOKIE = "headway_lang"
YEAR_SECONDS = 365 * 24 * 60 * 60


def current_language() -> Language:
    """Return the language of the current request, English outside of one."""
    if not has_request_context():
        return ENGLISH
    if "headway_language" not in g:
        g.headway_language = project_language() or chosen_language()
    language: Language = g.headway_language
    return language


def chosen_language() -> Language:
    """Return what the reader has chosen, else what the browser asks for, else the setting's."""
    given = (request.args.get(CHOICE, ""), request.cookies.get(COOKIE, ""))
    asked = (*given, *request.accept_languages.values(), LANGUAGE.read(current_app.config))
    return next((found for tag in asked if (found := find(tag))), ENGLISH)


def project_language() -> Language | None:
    """Return the language that the project's own Flask-Babel says, None where it has none."""
    if "babel" not in current_app.extensions:
        return None
    from flask_babel import get_locale  # the project has it then

    locale = get_locale()
    return (locale and find(str(locale).replace("_", "-"))) or ENGLISH


def remember(response: Response) -> Response:
    """Keep the choice that a page's address has made, in a cookie of a year."""
    if response.mimetype != "text/html":
        return response
    response.vary.update(("Accept-Language", "Cookie"))
    if chosen := find(request.args.get(CHOICE, "")):
        response.set_cookie(
            COOKIE,
            chosen.tag,
            max_age=YEAR_SECONDS,
            path=request.script_root or "/",
            secure=current_app.config["SESSION_COOKIE_SECURE"],
            httponly=True,
            samesite="Lax",
        )
    return response


@cache
def words_as_json(tag: str) -> str:
    """Return a language's words of cards and lists, as card-words.js has them."""
    return json.dumps(known()[tag].words, ensure_ascii=False, separators=(",", ":"))


@cache
def words_version(tag: str) -> str:
    """Return a hash of these words."""
    return sha256(words_as_json(tag).encode()).hexdigest()[:12]
