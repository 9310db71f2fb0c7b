"""Every refusal and failure in one form: JSON for programs, a page for browsers, and never a traceback."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus

from flask import Flask, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from app.records import AlreadyUsed, TooLate, Unavailable
from app.tasks import KINDS, BadArguments, UnknownKind

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 2
UNAVAILABLE = "Redis does not answer, so nothing was started or changed. Try again in a moment."


class Refused(Exception):
    """A request that is not done, for a reason that its sender can mend."""

    def __init__(self, status: int, code: str, message: str, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.fields = status, code, message, fields


def wants_json() -> bool:
    """Whether the client prefers JSON to a page; one that takes anything gets what the route is for."""
    best = request.accept_mimetypes.best_match(["text/html", "application/json"])
    return best == "application/json" and request.accept_mimetypes[best] > request.accept_mimetypes["text/html"]


def wants_page() -> bool:
    """Whether the client is a browser that shows a page."""
    return "text/html" in request.headers.get("Accept", "")


def error(status: int, code: str, message: str, fields: Mapping[str, str] | None = None) -> ResponseReturnValue:
    """Answer with `{"error": {"code", "message", "fields"?}}`, or with a page that says the same."""
    if wants_page() and not wants_json():
        page = render_template("error.html", code=status, title=HTTPStatus(status).phrase, message=message)
        return page, status
    body = {"code": code, "message": message} | ({"fields": dict(fields)} if fields else {})
    return jsonify(error=body), status


def init_app(app: Flask) -> None:
    """Turn every exception of a request into an answer."""

    @app.errorhandler(Refused)
    def refused(exc: Refused) -> ResponseReturnValue:
        return error(exc.status, exc.code, exc.message, exc.fields)

    @app.errorhandler(BadArguments)
    def bad_arguments(exc: BadArguments) -> ResponseReturnValue:
        return error(400, "bad_arguments", "Some arguments cannot be used.", exc.fields)

    @app.errorhandler(UnknownKind)
    def unknown_kind(exc: UnknownKind) -> ResponseReturnValue:
        return error(400, "unknown_task", f"There is no task {exc}. Known: {', '.join(sorted(KINDS))}.")

    @app.errorhandler(AlreadyUsed)
    def already_used(exc: AlreadyUsed) -> ResponseReturnValue:
        return error(422, "key_already_used", "This Idempotency-Key came before with another request.")

    @app.errorhandler(TooLate)
    @app.errorhandler(Unavailable)
    def unavailable(exc: Exception) -> ResponseReturnValue:
        logger.warning("Redis does not answer: %s", exc)
        response = app.make_response(error(503, "unavailable", UNAVAILABLE))
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response

    @app.errorhandler(HTTPException)
    def http_error(exc: HTTPException) -> ResponseReturnValue:
        status = exc.code or 500
        if status < 400:
            return exc
        code = HTTPStatus(status).phrase.lower().replace(" ", "_")
        response = app.make_response(error(status, code, exc.description or HTTPStatus(status).phrase))
        for name, value in exc.get_headers():
            if name in ("Allow", "Retry-After"):
                response.headers[name] = value
        return response

    @app.errorhandler(Exception)
    def unexpected(exc: Exception) -> ResponseReturnValue:
        logger.exception("Unexpected error at %s %s", request.method, request.path)
        return error(500, "internal_error", "Something went wrong here. It has been logged.")
