"""What a Flask project's own views need to answer as Headway's do."""

from headway.snapshot import rfc3339
from headway.web.api.listing import Listing, Query, read_listing
from headway.web.api.responses import accepted, idempotency_key
from headway.web.api.tasks import server_state
from headway.web.requests.cookies import refuse_without_cookie
from headway.web.requests.errors import APIError, wants_json, wants_page
from headway.web.requests.owners import current_owner, get_or_create_owner
from headway.web.requests.security import guard
from headway.web.requests.whole_site import protect

__all__ = [
    "APIError",
    "Listing",
    "Query",
    "accepted",
    "current_owner",
    "get_or_create_owner",
    "guard",
    "idempotency_key",
    "protect",
    "read_listing",
    "refuse_without_cookie",
    "rfc3339",
    "server_state",
    "wants_json",
    "wants_page",
]
