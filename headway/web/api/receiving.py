"""Takes in what people upload: whose it is, how much they may have, and why it is refused."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from flask import request

from headway.display.formats import format_size
from headway.display.languages import Sentence
from headway.exceptions import ConfigError
from headway.files.store import TooLarge
from headway.files.uploading import UploadsFull, max_bytes_of, take_in
from headway.state import state
from headway.store.uploads import StoredUpload
from headway.web.requests.errors import APIError
from headway.web.requests.owners import get_or_create_owner
from headway.web.requests.viewers import current_viewer

logger = logging.getLogger(__name__)

AROUND_BYTES = 64 * 1024  # of a body, beside its file
NO_FOLDER = APIError(
    503,
    "no_file_folder",
    "This server takes no files: headway_files is not set here.",
)
NOT_WRITTEN = APIError(
    503, "not_stored", "The file could not be stored, so it was not kept. Try again later."
)
FULL = APIError(
    413,
    "uploads_full",
    "Too many of your files are kept already. Forget tasks that used some, or wait a day.",
)
NOBODY = APIError(403, "no_owner", "Sign in first: nobody could use the file that you upload.")


def owner_of_uploads() -> str:
    """Return whose an upload will be, "" for an operator's. Raises APIError where nobody's."""
    owner = get_or_create_owner()
    if owner is None and not current_viewer().sees_unowned:
        raise NOBODY
    return owner or ""


def accounts_of(owner: str) -> Mapping[str, int]:
    """Return how many bytes of uploads may be kept, by whose they are; nothing without limits."""
    limits = state().limits
    return limits.accounts(owner, request.remote_addr or "") if limits.are_on else {}


def keep(
    name: str, pieces: Iterable[bytes], owner: str, size: int | None, upload_id: str = ""
) -> StoredUpload:
    """Store an upload of at most `size` bytes, if that is known.

    Raises APIError, RedisUnavailable.
    """
    with refusals():
        return take_in(
            state(),
            name,
            pieces,
            owner=owner,
            size=size,
            upload_id=upload_id,
            accounts=accounts_of(owner),
        )


@contextmanager
def refusals() -> Iterator[None]:
    """Raise APIError in the place of what goes wrong where a file is stored."""
    try:
        yield
    except TooLarge:
        raise too_large() from None
    except UploadsFull:
        raise FULL from None
    except ConfigError:
        logger.error("A file is uploaded, but headway_files is not set here")
        raise NO_FOLDER from None
    except OSError as error:
        logger.error("An uploaded file cannot be stored: %s", error)
        raise NOT_WRITTEN from None


def too_large() -> APIError:
    """Return the refusal of a file that is too large."""
    largest = format_size(max_bytes_of(state()))
    says = Sentence("This file is too large: it may have {size}.", size=largest)
    return APIError(413, "too_large", says)
