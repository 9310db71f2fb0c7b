"""Error answers in one form: JSON for programs, a page for browsers, never a traceback."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from flask import (
    Blueprint,
    Flask,
    Response,
    current_app,
    jsonify,
    make_response,
    render_template,
    request,
)
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from headway.display.languages import Sentence
from headway.limits import LimitReached
from headway.service import TASK_TYPES, BadArguments, NotKept, UnknownTask, UnknownUpload
from headway.store.errors import SENTENCES, Reason, RedisUnavailable
from headway.store.model import AlreadyUsed, TooLate

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 2
# Of an exception's own headers: without them a client does not know what to do.
KEPT_HEADERS = ("Allow", "Content-Range", "Retry-After", "WWW-Authenticate")
# Blueprints that answer every client in JSON.
JSON_BLUEPRINTS = {
    "headway",
    "headway_ops",
    "headway_assets",
    "headway_answers",
    "headway_push",
    "headway_sharing",
    "headway_streams",
    "headway_uploads",
    "headway_tus",
    "headway_openapi",
}
# The templates of error pages, by blueprint; all others have the app's own.
ERROR_PAGES = {
    "headway_pages": "headway/error.html",
    "headway_results": "headway/error.html",
    "headway_files": "headway/error.html",
    "headway_token_links": "headway/error.html",
    "headway_parts": "headway/error.html",
    "headway_list": "headway/error.html",
    "headway_start": "headway/error.html",
    "headway_bulk": "headway/error.html",
    "headway_schedules": "headway/error.html",
}

TITLES = {
    400: Sentence("Bad Request"),
    403: Sentence("Forbidden"),
    404: Sentence("Not Found"),
    405: Sentence("Method Not Allowed"),
    409: Sentence("Conflict"),
    413: Sentence("Request Entity Too Large"),
    422: Sentence("Unprocessable Entity"),
    429: Sentence("Too Many Requests"),
    500: Sentence("Internal Server Error"),
    503: Sentence("Service Unavailable"),
}


class APIError(Exception):
    """A request is refused; the message says what its sender can do.

    `fields` says of fields what is wrong with them, `retry_after` in how many seconds the request
    may be sent again.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        fields: Mapping[str, str] | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.fields = fields
        self.retry_after = retry_after


NOT_KEPT = APIError(409, "not_kept", "This task's arguments are no longer available.")
ALREADY_USED = APIError(422, "key_already_used", "This Idempotency-Key belongs to another request.")


def wants_json() -> bool:
    """Whether the client accepts JSON by name and prefers it to a page.

    A client that accepts anything gets the route's own kind of answer.
    """
    named = dict(request.accept_mimetypes)
    return named.get("application/json", 0) > named.get("text/html", 0)


def wants_page() -> bool:
    """Whether the client is a browser that asks for a page."""
    return "text/html" in request.headers.get("Accept", "")


def error(
    status: int, code: str, message: str, fields: Mapping[str, str] | None = None
) -> Response:
    """Answer with `{"error": {"code", "message", "fields"?}}`, or a page that says the same."""
    if wants_page() and not wants_json() and request.blueprint not in JSON_BLUEPRINTS:
        title = TITLES.get(status, phrase_of(status))
        template = ERROR_PAGES.get(request.blueprint or "", "error.html")
        response = make_response(
            render_template(template, code=status, title=title, message=message), status
        )
    else:
        response = as_json(status, code, message, fields)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def phrase_of(status: int) -> str:
    """Return the words of a status; a project may have statuses of its own."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def as_json(
    status: int, code: str, message: str, fields: Mapping[str, str] | None = None
) -> Response:
    """Answer with `{"error": {"code", "message", "fields"?}}`."""
    body = {"code": code, "message": message} | ({"fields": dict(fields)} if fields else {})
    return make_response(jsonify(error=body), status)


def refused(exc: APIError) -> ResponseReturnValue:
    # Some are constants: each time they are raised their traceback would grow by the frames of that
    # request, and keep these, with all that it sent; so would what they were raised for.
    exc.__traceback__ = None
    exc.__context__ = None
    response = error(exc.status, exc.code, exc.message, exc.fields)
    if exc.retry_after is not None:
        response.headers["Retry-After"] = str(exc.retry_after)
    return response


def bad_arguments(exc: BadArguments) -> APIError:
    message = Sentence("Some arguments are invalid.")
    return APIError(400, "bad_arguments", message, exc.fields)


def unknown_upload(exc: UnknownUpload) -> APIError:
    return APIError(422, "no_such_upload", next(iter(exc.fields.values())), exc.fields)


def unknown_task(exc: UnknownTask) -> APIError:
    message = f"There is no task {exc}. Known: {', '.join(sorted(TASK_TYPES))}."
    return APIError(400, "unknown_task", message)


def too_late(_: TooLate) -> APIError:
    logger.warning("Redis took a start only after its deadline, and refused it")
    return APIError(503, "unavailable", nothing_done(Reason.UNREACHABLE))


def unavailable(exc: RedisUnavailable) -> APIError:
    logger.warning("%s: %s", SENTENCES[exc.reason], exc)
    return APIError(503, "unavailable", nothing_done(exc.reason))


def nothing_done(reason: Reason) -> Sentence:
    """Say why Redis let nothing be done."""
    said = SENTENCES[reason]
    return Sentence("{why}, so nothing was started or changed. Try again in a moment.", why=said)


def limit_reached(exc: LimitReached) -> APIError:
    return APIError(exc.status, exc.code, exc.message, retry_after=exc.seconds)


# How requests that end with the library's exceptions are refused; a class stands before its base.
LIBRARY_ERRORS: dict[type[Exception], Callable[[Any], APIError]] = {
    UnknownUpload: unknown_upload,
    BadArguments: bad_arguments,
    UnknownTask: unknown_task,
    NotKept: lambda _: NOT_KEPT,
    AlreadyUsed: lambda _: ALREADY_USED,
    TooLate: too_late,
    RedisUnavailable: unavailable,
    LimitReached: limit_reached,
}
REFUSED: tuple[type[Exception], ...] = (APIError, *LIBRARY_ERRORS)


def refusal_of(exc: Exception) -> APIError:
    """Return how a request is refused that ends with one of REFUSED."""
    if isinstance(exc, APIError):
        return exc
    return next(refuse(exc) for kind, refuse in LIBRARY_ERRORS.items() if isinstance(exc, kind))


def http_error(exc: HTTPException) -> ResponseReturnValue:
    status = exc.code or 500
    if status < 400:
        return exc
    phrase = phrase_of(status)
    response = error(status, phrase.lower().replace(" ", "_"), exc.description or phrase)
    for name, value in exc.get_headers():
        if name in KEPT_HEADERS:
            response.headers.add(name, value)
    return response


def unexpected(exc: Exception) -> ResponseReturnValue:
    handle = _handler_of_the_project(exc)
    if handle is not None:
        answer: ResponseReturnValue = current_app.ensure_sync(handle)(exc)
        return answer
    # Its path may hold the end of a line, and whatever a terminal obeys.
    logger.exception("Unexpected error at %s %r", request.method, request.path)
    return error(500, "internal_error", Sentence("Something went wrong here. It has been logged."))


def _handler_of_the_project(exc: Exception) -> Any:
    """Return what its app does with just this exception, as of its owner loader; None for nothing.

    Flask asks a blueprint first, whose handler is for any exception.
    """
    own = current_app.error_handler_spec[None][None]
    kinds = type(exc).__mro__[: type(exc).__mro__.index(Exception)]
    return next((own[kind] for kind in kinds if kind in own), None)


def handle_errors(of: Flask | Blueprint) -> None:
    """Turn every exception in a request of an app, or of a blueprint, into an answer."""
    for kind in REFUSED:
        of.register_error_handler(kind, lambda exc: refused(refusal_of(exc)))
    of.register_error_handler(HTTPException, http_error)
    of.register_error_handler(Exception, unexpected)
