"""Web Push: the service worker, and the browsers that are told of their owner's tasks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from flask import Blueprint, Response, jsonify, request, send_from_directory
from flask.typing import ResponseReturnValue

from headway.display.languages import current
from headway.state import state
from headway.web.api import payloads
from headway.web.api.parameters import json_body
from headway.web.api.responses import FRESH
from headway.web.assets import FOLDER
from headway.web.requests.errors import APIError, handle_errors
from headway.web.requests.owners import current_owner, get_or_create_owner
from headway.web.requests.security import guard
from headway.webpush.subscriptions import (
    BadSubscription,
    Subscription,
    digest_of,
    parse_endpoint,
    parse_subscription,
)

push = Blueprint("headway_push", __name__)
handle_errors(push)
guard(push)

DIGEST = re.compile(r"[0-9a-f]{64}")
OFF = APIError(404, "no_push", "This server sends no notifications.")
NOBODY = APIError(403, "no_owner", "Sign in first: nobody's tasks could be told of.")


@push.get("/push/worker.js")
def worker() -> Response:
    """Serve the service worker, whose scope is `/push/`, where no page lives.

    So it stands beside a service worker that the project has for its pages.
    """
    response = send_from_directory(FOLDER / "js", "push-worker.js")
    response.headers["Cache-Control"] = "no-cache"
    return response


@push.get("/push")
def about() -> ResponseReturnValue:
    """Answer `{"key", "on"}`: what a browser subscribes with, and whether it is told.

    `?device=` is the SHA-256 of its subscription's endpoint in hexadecimal digits. The key is null
    where no Web Push is set up: any list asks, and a 404 would be an error in its page's console.
    """
    key = state().push_key
    owner = current_owner()
    digest = request.args.get("device", "")
    is_on = bool(key and owner and DIGEST.fullmatch(digest)) and state().records.devices.visit(
        owner or "", digest
    )
    response = jsonify(key=key.public if key else None, on=is_on)
    response.headers["Cache-Control"] = FRESH
    return response


@push.post("/push")
def subscribe() -> ResponseReturnValue:
    """Tell a browser of the sender's tasks from now on, and of nobody else's; 204.

    It is told in the language that the sender's pages have.

    JSON `{"endpoint", "keys": {"p256dh", "auth"}}`, as the browser's subscription says.
    """
    if state().push_key is None:
        raise OFF
    subscription = _subscription()
    state().records.devices.note(_owner(), replace(subscription, language=current().tag))
    return Response(status=204)


@push.delete("/push")
def unsubscribe() -> ResponseReturnValue:
    """Tell a browser no longer; 204, also where it was not told. JSON `{"endpoint"}`."""
    try:
        endpoint = parse_endpoint(json_body(payloads.Unsubscribe).get("endpoint"))
    except BadSubscription as error:
        raise _refusal(error) from None
    state().records.devices.forget(_owner(), digest_of(endpoint))
    return Response(status=204)


def _owner() -> str:
    owner = get_or_create_owner()
    if not owner:
        raise NOBODY
    return owner


def _subscription() -> Subscription:
    """Return the subscription in the request's JSON. Raises APIError."""
    # Not at the top: only projects with Web Push have cryptography.
    from headway.webpush.encryption import is_public_key

    body = json_body(payloads.Subscription)
    keys = body.get("keys")
    try:
        found = parse_subscription(body.get("endpoint"), keys if isinstance(keys, Mapping) else {})
        if not is_public_key(found.p256dh):
            raise BadSubscription("p256dh", "Must be a point of the curve P-256.")
    except BadSubscription as error:
        raise _refusal(error) from None
    return found


def _refusal(error: BadSubscription) -> APIError:
    return APIError(400, "bad_subscription", str(error), {error.field: str(error)})
