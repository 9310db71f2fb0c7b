"""The library's settings: the name, the default and the meaning of each, once.

docs/reference.md is made from this file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Setting:
    """A setting; `meaning` is Markdown."""

    name: str
    default: Any
    meaning: str

    def read(self, conf: Mapping[str, Any]) -> Any:
        """Return its value in the settings of a Celery or Flask app."""
        value = conf.get(self.name)
        return self.default if value is None else value


# In a Flask app's config.

ALLOWED_ORIGINS = Setting(
    "HEADWAY_ALLOWED_ORIGINS",
    (),
    "origins of other sites, as `https://example.com`, whose pages may use this app's tasks",
)
FRAME_ANCESTORS = Setting(
    "HEADWAY_FRAME_ANCESTORS",
    (),
    "origins of sites, as `https://example.com`, that may show this app's pages in a frame. "
    "Empty: none, not even this app's own pages",
)
TRUSTED_HOSTS = Setting(
    "HEADWAY_TRUSTED_HOSTS",
    (),
    "names by which this app is called, as `example.com`, or `.example.com` for all below it; "
    "requests for others are refused, except for IP addresses. Empty: any",
)
ASYNC_MODE = Setting(
    "HEADWAY_ASYNC_MODE",
    "threading",
    "how the websockets are served: `threading`, `eventlet` or `gevent`, as the server runs",
)
MAX_CONNECTIONS = Setting("HEADWAY_MAX_CONNECTIONS", 20_000, "websockets of one web process")
REQUEST_SECONDS = Setting(
    "HEADWAY_REQUEST_SECONDS",
    30.0,
    "how long a client may take to send a whole request, head and body, with another second for "
    "each 16 KiB of the body; then it is disconnected. Headway's own web process keeps to it",
)
MAX_BODY_BYTES = Setting(
    "HEADWAY_MAX_BODY_BYTES",
    1024 * 1024,
    "the largest body of a request to Headway's endpoints: it is read into memory whole. A smaller "
    "`MAX_CONTENT_LENGTH` of the app's counts, too. Uploaded files have `headway_upload_max_bytes`",
)
MAX_ATTEMPTS = Setting(
    "HEADWAY_MAX_ATTEMPTS",
    4,
    "what a task shows until a worker claims it and knows its `max_retries`",
)
SECRET_KEY = Setting(
    "HEADWAY_SECRET_KEY", None, "signs and verifies tokens; unset: the app's own `SECRET_KEY`"
)
SECRET_KEY_FALLBACKS = Setting(
    "HEADWAY_SECRET_KEY_FALLBACKS", (), "a list of older keys, whose tokens still count"
)
LANGUAGE = Setting(
    "HEADWAY_LANGUAGE",
    "en",
    "the language of pages, as `en` or `zh-Hans`, for readers who have chosen none and whose "
    "browsers ask for none that there is",
)
# Limits of visitors, in the same config.
RATE_LIMITS = Setting(
    "HEADWAY_RATE_LIMITS",
    True,
    "`off`: none of the limits of visitors below, for load tests",
)
STARTS_LIMIT = Setting(
    "HEADWAY_STARTS_LIMIT",
    "30/minute; 500/day",
    "how many tasks an owner may start; limits are separated by `;`",
)
CHANGES_LIMIT = Setting(
    "HEADWAY_CHANGES_LIMIT",
    "120/minute",
    "how often an owner may cancel, reschedule or rerun tasks, or revoke links",
)
SHARES_LIMIT = Setting(
    "HEADWAY_SHARES_LIMIT", "20/minute; 200/day", "how many links an owner may make"
)
READS_LIMIT = Setting(
    "HEADWAY_READS_LIMIT",
    "1200/minute",
    "how often an owner may read tasks, results, logs, streams and files, or send a piece of an "
    "upload",
)
LISTS_LIMIT = Setting(
    "HEADWAY_LISTS_LIMIT", "240/minute", "how often an owner may list or search tasks"
)
UPLOADS_LIMIT = Setting("HEADWAY_UPLOADS_LIMIT", "60/hour", "how many files an owner may upload")
UPLOADED_MAX_BYTES = Setting(
    "HEADWAY_UPLOADED_MAX_BYTES",
    1024 * 1024 * 1024,
    "how many bytes of an owner's uploads may be kept at a time",
)
ADDRESS_FACTOR = Setting(
    "HEADWAY_ADDRESS_FACTOR",
    5,
    "an IP address, or a `/64` network of IPv6, may do all of these so many times as often as one "
    "owner: several people share it, and who has no owner is counted by it alone",
)
MAX_OPEN_TASKS = Setting(
    "HEADWAY_MAX_OPEN_TASKS",
    100,
    "tasks of an owner that have not ended, their parts included; more are refused",
)
MAX_QUEUE_LENGTH = Setting(
    "HEADWAY_MAX_QUEUE_LENGTH",
    10_000,
    "tasks that wait in a queue; beyond it visitors start none in it (503)",
)
MAX_RUNNING = Setting(
    "HEADWAY_MAX_RUNNING",
    4,
    "tasks of an owner in one queue that are with the workers at a time: the owner's others wait "
    "for their turn, and other visitors' go between. Raise it with the number of slots",
)
OWNER_SOCKETS = Setting("HEADWAY_OWNER_SOCKETS", 50, "websockets of an owner, at all web processes")
ADDRESS_SOCKETS = Setting(
    "HEADWAY_ADDRESS_SOCKETS", 500, "websockets of an IP address, at all web processes"
)
ADDRESS_CONNECTIONS = Setting(
    "HEADWAY_ADDRESS_CONNECTIONS",
    200,
    "HTTP connections of an IP address at each web process, websockets apart: one more closes the "
    "one that has waited the longest for a request, or for the end of one. Headway's own web "
    "process keeps to it, unless it stands behind a proxy",
)
MAX_WATCHES = Setting("HEADWAY_MAX_WATCHES", 1000, "tasks that one websocket may watch")
LIMITS = (
    RATE_LIMITS,
    STARTS_LIMIT,
    CHANGES_LIMIT,
    SHARES_LIMIT,
    READS_LIMIT,
    LISTS_LIMIT,
    UPLOADS_LIMIT,
    UPLOADED_MAX_BYTES,
    ADDRESS_FACTOR,
    MAX_OPEN_TASKS,
    MAX_QUEUE_LENGTH,
    MAX_RUNNING,
    OWNER_SOCKETS,
    ADDRESS_SOCKETS,
    ADDRESS_CONNECTIONS,
    MAX_WATCHES,
)
FLASK = (
    ALLOWED_ORIGINS,
    FRAME_ANCESTORS,
    TRUSTED_HOSTS,
    ASYNC_MODE,
    MAX_CONNECTIONS,
    REQUEST_SECONDS,
    MAX_BODY_BYTES,
    MAX_ATTEMPTS,
    SECRET_KEY,
    SECRET_KEY_FALLBACKS,
    LANGUAGE,
    *LIMITS,
)

# In a Celery app's settings.

LEASE_SECONDS = Setting(
    "headway_lease_seconds",
    15.0,
    "a worker that is silent for so long is lost, and its tasks run again",
)
CANCEL_GRACE_SECONDS = Setting(
    "headway_cancel_grace_seconds",
    5.0,
    "how long a cancelled task may take to end before its process is killed",
)
RESULT_MAX_BYTES = Setting(
    "headway_result_max_bytes",
    64 * 1024 * 1024,
    "the largest result of a task as JSON; a larger one fails its task",
)
CAPTURE = Setting(
    "headway_capture",
    None,
    "whether what tasks print and log, and the bars of tqdm and rich, go live: `True` for each "
    "task, `False` for none; unset: where a task calls `progress.capture`",
)
STREAM_MAX_BYTES = Setting(
    "headway_stream_max_bytes",
    1024 * 1024,
    "the most that a stream of a task may hold, in bytes of UTF-8; then it ends with a line that "
    "says so",
)
FILES = Setting(
    "headway_files",
    None,
    "where the files are kept that tasks give out by `progress.file` and that people upload for "
    "tasks: a folder of this project's own, or a bucket, as "
    "`s3://bucket/prefix?endpoint=https://minio.internal:9000&region=eu-central-1`; workers and "
    "web processes need the same one. Unset: no files",
)
FILE_MAX_BYTES = Setting(
    "headway_file_max_bytes",
    100 * 1024 * 1024,
    "the largest file that a task may give out",
)
UPLOAD_MAX_BYTES = Setting(
    "headway_upload_max_bytes",
    100 * 1024 * 1024,
    "the largest file that may be uploaded for a task",
)
UPLOAD_HOURS = Setting(
    "headway_upload_hours",
    24.0,
    "how long an uploaded file is kept that no task uses",
)
DATA_DIR = Setting(
    "headway_data_dir",
    None,
    "a folder in which a worker keeps what it last saw of Redis, to notice a restored backup also "
    "after its own restart",
)
TOKEN_SECRET = Setting(
    "headway_secret_key",
    None,
    "signs the tokens that `headway.token` makes; unset: the environment's `HEADWAY_SECRET_KEY`",
)
TOKEN_SECRET_FALLBACKS = Setting(
    "headway_secret_key_fallbacks",
    (),
    "former ones, a list or separated by spaces, whose tokens `headway.revoke` and `headway serve` "
    "still know; unset: the environment's `HEADWAY_SECRET_KEY_FALLBACKS`",
)
PUSH_KEY = Setting(
    "headway_push_key",
    None,
    "a file for the key by which browsers know this project's notifications (Web Push); it is made "
    "where it is missing. Workers and web processes need the same one. Unset: no Web Push",
)
PUSH_CONTACT = Setting(
    "headway_push_contact",
    None,
    "a `mailto:` or `https:` address at which push services reach you: some, as Apple's, take no "
    "notification without one",
)
REDIS_SETTING = Setting(
    "headway_redis_setting",
    None,
    "which of your own settings `result_backend` is made from, as `REDIS_URL`: what is wrong with "
    "its Redis is said of that one. Unset: `result_backend`",
)
CELERY = (
    LEASE_SECONDS,
    CANCEL_GRACE_SECONDS,
    RESULT_MAX_BYTES,
    CAPTURE,
    STREAM_MAX_BYTES,
    FILES,
    FILE_MAX_BYTES,
    UPLOAD_MAX_BYTES,
    UPLOAD_HOURS,
    DATA_DIR,
    TOKEN_SECRET,
    TOKEN_SECRET_FALLBACKS,
    PUSH_KEY,
    PUSH_CONTACT,
    REDIS_SETTING,
)
