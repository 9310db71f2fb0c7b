"""Cross-origin resource sharing with the origins of HEADWAY_ALLOWED_ORIGINS."""

from __future__ import annotations

from collections.abc import Collection

from flask import Response, request

from headway.web.requests.origins import Origin, parse_origin

EXPOSED = (
    "ETag, Headway-Existing, Headway-Hint, Idempotency-Replayed, Location, Retry-After, "
    "Tus-Resumable, Upload-Expires, Upload-Length, Upload-Offset"
)
PREFLIGHT = {
    "Access-Control-Allow-Methods": "DELETE, GET, HEAD, PATCH, POST",
    "Access-Control-Allow-Headers": (
        "Authorization, Content-Type, Idempotency-Key, If-None-Match, Tus-Resumable, "
        "Upload-Length, Upload-Metadata, Upload-Offset, X-HTTP-Method-Override"
    ),
    "Access-Control-Max-Age": "7200",  # seconds, Chromium's maximum
}


def share(response: Response, allowed: Collection[Origin]) -> None:
    """Let an allowed origin's page read the response, including one to a request with cookies."""
    if not allowed:
        return
    response.vary.add("Origin")
    origin = request.headers.get("Origin", "")
    if parse_origin(origin) not in allowed:
        return
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Allow-Credentials"] = "true"
    response.headers["Access-Control-Expose-Headers"] = EXPOSED
    if request.method == "OPTIONS":
        response.headers.update(PREFLIGHT)
