"""Checks whether a Redis is fit for Headway, as a process starts and for `headway doctor`.

Each check is one small function.
"""

from __future__ import annotations

import logging
import os
import statistics
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import closing

from headway.exceptions import ConfigError
from headway.store.checks import LOCAL, Finding, Mark
from headway.store.connection import connect
from headway.store.errors import OLDEST_REDIS, SENTENCES, ReadOnly, Reason, RedisUnavailable
from headway.store.keys import PLAIN, Keys
from headway.store.names import look_up
from headway.store.redis_server import DEFAULT_QUEUES, Server
from headway.store.rights import described, missing

logger = logging.getLogger(__name__)

OLDEST = tuple(map(int, OLDEST_REDIS.split(".")))
CLOCK_SECONDS = 2.0  # a larger difference is reported
LATENCY_SECONDS = 0.020
ROUND_TRIPS = 9
NEARLY_FULL = 0.9
WARNED = "HEADWAY_WARNED"  # in the environment of processes whose parent has warned for all
RIGHTS_HELP = "docs/redis.md has the ACL rules that Headway needs"
KEEP_HELP = "set `appendonly yes` (and `appendfsync everysec`) in redis.conf"


def check_connection(server: Server) -> Finding:
    """Whether Redis answers and accepts this password."""
    try:
        look_up(server.parts.hostname or "localhost")
    except TimeoutError as error:
        return Finding(Mark.BAD, "connection", str(error))
    server.client.time()
    return Finding(Mark.GOOD, "connection", f"{server.address} answers")


def check_version(server: Server) -> Finding:
    """Functions, which all of Headway's scripts are, came with 7.0; a Valkey always has them."""
    name, _, number = server.version.partition(" ")
    if name == "Valkey" or _numbers(number) >= OLDEST:
        return Finding(Mark.GOOD, "version", server.version)
    needed = f"Headway needs Redis {OLDEST_REDIS} or newer, or Valkey"
    return Finding(Mark.BAD, "version", f"{server.version or 'This Redis'} is too old: {needed}.")


def check_rights(server: Server) -> Finding:
    """Which of the commands of Headway and Celery this user may not run."""
    subject = "rights"
    try:
        denied = missing(server.records, server.queues, server.is_broker, server.database)
    except ReadOnly:
        return Finding(Mark.WARNING, subject, "cannot be seen while Redis takes no writes")
    except RedisUnavailable as error:
        if error.reason is not Reason.NO_RIGHT:
            raise
        return Finding(Mark.BAD, subject, f"{error}. {RIGHTS_HELP}.")
    if denied:
        return Finding(Mark.BAD, subject, f"this user may not {described(denied)}. {RIGHTS_HELP}.")
    return Finding(Mark.GOOD, subject, "all that Headway does is allowed")


def check_writes(server: Server) -> Finding:
    """Whether functions can be loaded and called, and a task could be created now."""
    server.records.queries.probe()
    return Finding(Mark.GOOD, "writes", "tasks can be created")


def check_eviction(server: Server) -> Finding:
    """Eviction would drop records, which all have an expiry, and queued messages."""
    subject = "memory"
    if server.info is None:
        return Finding(Mark.WARNING, subject, "cannot be seen without the right to INFO")
    limit = int(server.info.get("maxmemory", 0))
    policy = server.info.get("maxmemory_policy", "noeviction")
    if not limit:
        return Finding(Mark.GOOD, subject, "no maxmemory, so nothing is evicted")
    if policy != "noeviction":
        text = f"maxmemory-policy is {policy}: a full Redis drops tasks without a word"
        return Finding(Mark.WARNING, subject, f"{text}. Set it to noeviction.")
    share = min(1.0, int(server.info["used_memory"]) / limit)
    if share >= NEARLY_FULL:
        return Finding(
            Mark.WARNING,
            subject,
            f"{share:.0%} of maxmemory is used: no task starts when it is full",
        )
    return Finding(Mark.GOOD, subject, f"noeviction, {share:.0%} of maxmemory used")


def check_persistence(server: Server) -> Finding:
    """What survives a restart of Redis."""
    subject = "persistence"
    if server.info is None:
        return Finding(Mark.WARNING, subject, "cannot be seen without the right to INFO")
    if (
        server.info.get("aof_last_write_status") == "err"
        or server.info.get("rdb_last_bgsave_status") == "err"
    ):
        return Finding(
            Mark.BAD,
            subject,
            "Redis could not write to its disk: see its log, and whether the disk is full",
        )
    if server.info.get("aof_enabled"):
        return Finding(Mark.GOOD, subject, "append-only file")
    snapshots = server.setting("save")
    if snapshots == "":
        text = "off: a restart of Redis loses all tasks"
    elif snapshots is None:
        text = "no append-only file, and snapshots cannot be seen"
    else:
        text = "snapshots only: a crash loses what came after the last one"
    return Finding(Mark.WARNING, subject, f"{text}; {KEEP_HELP}")


def check_clock(server: Server) -> Finding:
    """Headway goes by Redis's clock; cookies and Celery's own times by this machine's."""
    apart = server.records.clock.now() / 1e6 - time.time()
    if abs(apart) > CLOCK_SECONDS:
        way = "ahead of" if apart > 0 else "behind"
        text = f"Redis's is {abs(apart):.1f} s {way} this machine's: have NTP set both"
        return Finding(Mark.WARNING, "clock", text)
    return Finding(Mark.GOOD, "clock", "agrees with this machine's")


def check_latency(server: Server) -> Finding:
    """How long a round trip takes."""
    took = []
    for _ in range(ROUND_TRIPS):
        began = time.perf_counter()
        server.client.time()
        took.append(time.perf_counter() - began)
    median = statistics.median(took)
    if median > LATENCY_SECONDS:
        text = (
            f"{median * 1000:.1f} ms for a round trip: each report and request waits for one; "
            "run nearer to Redis"
        )
        return Finding(Mark.WARNING, "latency", text)
    return Finding(Mark.GOOD, "latency", f"{median * 1000:.1f} ms for a round trip")


def check_tls(server: Server) -> Finding:
    """Whether passwords and tasks can be read in transit."""
    subject = "TLS"
    if server.parts.scheme == "redis":
        if server.parts.hostname in LOCAL:
            return Finding(Mark.GOOD, subject, "not needed on this machine")
        return Finding(
            Mark.WARNING, subject, "off: passwords and tasks can be read on the way; use rediss://"
        )
    if "ssl_cert_reqs=none" in server.parts.query:
        text = "on, without verification: anyone can pose as Redis; use ssl_cert_reqs=required"
        return Finding(Mark.WARNING, subject, text)
    return Finding(Mark.GOOD, subject, "on, and the certificate is verified")


CHECKS: tuple[Callable[[Server], Finding], ...] = (
    check_connection,
    check_version,
    check_writes,
    check_rights,
    check_eviction,
    check_persistence,
    check_clock,
    check_latency,
    check_tls,
)


def findings(
    url: str,
    broker_url: str,
    keys: Keys = PLAIN,
    queues: Collection[str] = DEFAULT_QUEUES,
) -> Iterator[Finding]:
    """Yield what each check finds, up to a failed one that the rest depend on."""
    with closing(connect(url)) as client:
        server = Server(client, url, broker_url, keys, queues)
        for check in CHECKS:
            finding = _found(check, server)
            yield finding
            if finding.mark is Mark.BAD and check in (check_connection, check_version):
                return


def _found(check: Callable[[Server], Finding], server: Server) -> Finding:
    try:
        return check(server)
    except RedisUnavailable as error:
        text = f"{SENTENCES[error.reason]} ({server.address}): {error}"
        return Finding(Mark.BAD, check.__name__.removeprefix("check_"), text)


def has_warned() -> bool:
    """Whether a parent process has logged what is wrong here, for its children too."""
    return bool(os.environ.get(WARNED))


def warn_no_more() -> None:
    """Have the children of this process not log again what `refuse_unfit` has logged."""
    os.environ[WARNED] = "1"


def refuse_unfit(
    url: str,
    broker_url: str,
    keys: Keys = PLAIN,
    queues: Collection[str] = DEFAULT_QUEUES,
    *,
    production: bool,
    setting: str = "result_backend",
) -> None:
    """Refuse a Redis that is too old or gives too few rights; warn of one that loses tasks.

    `setting` is the URL's name for people. A Redis that does not answer passes, since it may start
    later. Raises ConfigError.
    """
    with closing(connect(url)) as client:
        server = Server(client, url, broker_url, keys, queues)
        try:
            for check in (check_version, check_rights):
                if (finding := check(server)).mark is Mark.BAD:
                    raise ConfigError(f"{setting}: {finding.text}")
            if server.info is not None and not has_warned():
                _warn(check_eviction(server))
                if production:
                    _warn(check_persistence(server))
        except RedisUnavailable as error:
            if error.reason in (Reason.NO_LOGIN, Reason.TOO_OLD):
                raise ConfigError(f"{setting}: {SENTENCES[error.reason]}: {error}") from None


def _warn(finding: Finding) -> None:
    if finding.mark is not Mark.GOOD:
        logger.warning("Redis: %s: %s", finding.subject, finding.text)


def _numbers(version: str) -> tuple[int, ...]:
    """Return the first two numbers of a version, (0,) where there are none."""
    first = version.split(".")[:2]
    return (
        tuple(int(number) for number in first)
        if all(number.isdigit() for number in first)
        else (0,)
    )
