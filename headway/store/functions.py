"""The Lua functions of `headway/store/lua/`, as one library in Redis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import redis

from headway.store.connection import Client, FunctionPipeline
from headway.store.keys import Keys

SCRIPTS = Path(__file__).parent / "lua"  # the body of one function a file
SHARED = (
    "names",
    "damaged",
    "clock",
    "streams",
    "files",
    "record",
    "saves",
    "points",
    "devices",
    "priorities",
    "uploads",
    "index",
    "tokens",
    "delivery",
    "unique",
    "turns",
    "bars",
    "history",
    "transition",
    "parts",
    "questions",
    "maintenance",
)
# May run where Redis takes no writes.
READS = {
    "count_tasks",
    "list_tasks",
    "newest_lines",
    "overview",
    "passed_turns",
    "read",
    "read_log",
    "read_saved",
    "read_streams",
    "revoked",
}
# May not run where Redis is full; all others may.
NEED_MEMORY = {"create", "enqueue", "note_upload", "probe"}


def shared_source() -> str:
    """Return the source of what all functions share, in the order in which it is defined."""
    return "\n".join((SCRIPTS / "shared" / f"{name}.lua").read_text() for name in SHARED)


def _library() -> tuple[str, str]:
    """Return the source of the Redis library of all scripts, and its digest.

    The digest is part of the library's and the functions' names, so during a deploy old and new
    processes each call their own. Redis compiles a library once, as it loads it; a script would
    rebuild its closures at each call.
    """
    bodies = {path.stem: path.read_text() for path in sorted(SCRIPTS.glob("*.lua"))}
    head = shared_source()
    flags_of = {name: _flags(name) for name in bodies}
    digest = sha256((head + repr([bodies, flags_of])).encode()).hexdigest()[:12]
    parts = [f"#!lua name=headway_{digest}\nlocal LIBRARY = '{digest}'\n{head}"]
    for name, body in bodies.items():
        function = f"function_name='{name}_{digest}', flags={{{flags_of[name]}}}"
        callback = f"function(KEYS, ARGV) begin(ARGV)\n{body}\nend"
        parts.append(f"redis.register_function{{{function}, callback={callback}}}")
    return "\n".join(parts), digest


def _flags(function: str) -> str:
    if function in READS:
        return "'no-writes'"
    return "" if function in NEED_MEMORY else "'allow-oom'"


LIBRARY, LIBRARY_DIGEST = _library()


class Functions:
    """Calls the functions of the library, and loads it where Redis lacks it."""

    def __init__(self, client: Client, keys: Keys) -> None:
        self.client = client
        self.keys = keys

    def call(self, function: str, keys: Sequence[str], args: Sequence[Any]) -> Any:
        """Call a function and wait for its reply."""
        return self.begin(function, keys, args)()

    def begin(
        self,
        function: str,
        keys: Sequence[str],
        args: Sequence[Any],
        pipeline: FunctionPipeline | None = None,
    ) -> Callable[[], Any]:
        """Send a call, in a pipeline if one is given.

        Returns a function that waits for the reply; it must be called, see `FunctionPipeline`.
        """
        call = (f"{function}_{LIBRARY_DIGEST}", keys, [*args, self.keys.prefix])
        first = (pipeline or self.client).begin_function(*call)

        def reply() -> Any:
            try:
                return first()
            except redis.ResponseError as error:
                if "Function not found" not in str(error):
                    raise
            self._load()
            return self.client.begin_function(*call)()

        return reply

    def delete_library(self, digest: str) -> None:
        """Delete the library of a digest, if Redis has it; a call of its functions loads it again.

        Raises RedisUnavailable.
        """
        try:
            self.client.execute_command("FUNCTION", "DELETE", f"headway_{digest}")
        except redis.ResponseError as error:
            if "not found" not in str(error):
                raise

    def _load(self) -> None:
        try:
            self.client.execute_command("FUNCTION", "LOAD", LIBRARY)
        except redis.ResponseError as error:
            if "already exists" not in str(error):  # another process has loaded it just now
                raise
