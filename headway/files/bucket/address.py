"""Where a bucket is, by an address as s3://bucket/prefix?endpoint=https://minio.internal:9000."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from headway.exceptions import ConfigError

SCHEME = "s3://"
OPTIONS = frozenset({"endpoint", "region"})
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
PREFIX = re.compile(r"[0-9A-Za-z!_.'()/-]*")
HOW = "as s3://bucket/prefix?endpoint=https://minio.internal:9000&region=eu-central-1"


class Address(NamedTuple):
    """A bucket, and what the names of this project's objects begin with: "" or "…/".

    `endpoint` and `region` are None where AWS's own settings say which.
    """

    bucket: str
    prefix: str
    endpoint: str | None
    region: str | None


@lru_cache(maxsize=16)
def address_of(url: str) -> Address:
    """Return what an address says. Raises ConfigError, which repeats none of it: it may be secret.

    Credentials in it are refused: they would be in each process's list of arguments and settings.
    """
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
        endpoint = urlsplit(options.get("endpoint", "https://aws"))
        has_port = endpoint.port != 0
    except ValueError:
        raise ConfigError(f"headway_files is no address of a bucket: write it {HOW}.") from None
    if "@" in parts.netloc or "@" in endpoint.netloc:
        raise ConfigError(
            "headway_files holds credentials: give them by AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or by a profile or a role of AWS."
        )
    if unknown := sorted(options.keys() - OPTIONS):
        raise ConfigError(
            f"headway_files has an unknown option ({len(unknown)} of them): there are endpoint "
            "and region."
        )
    is_http = endpoint.scheme in ("http", "https") and endpoint.hostname and has_port
    bucket = BUCKET.fullmatch(parts.netloc) and PREFIX.fullmatch(parts.path)
    if not bucket or not is_http or endpoint.query or parts.fragment:
        raise ConfigError(f"headway_files is no address of a bucket: write it {HOW}.")
    prefix = parts.path.strip("/")
    return Address(
        parts.netloc,
        f"{prefix}/" if prefix else "",
        options.get("endpoint"),
        options.get("region"),
    )
