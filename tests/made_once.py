"""Makes once in a process of tests what each app of a test would make again in the same way.

It is a third of the work of a test that needs an app.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import botocore.session
import pytest
import redis.utils
from flask import Flask
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from werkzeug.routing import Rule


class CompiledTemplates(BytecodeCache):
    """Keeps compiled templates in memory, by their text."""

    def __init__(self) -> None:
        self._compiled: dict[tuple[str, str], Any] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._compiled.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._compiled[bucket.key, bucket.checksum] = bucket.code


def builders_of_routes() -> Callable[..., Any]:
    """Return Werkzeug's compiler of what builds a route's addresses; it compiles each text once."""
    compile_one = Rule._compile_builder
    compiled: dict[tuple[Any, ...], Any] = {}

    def compile_once(rule: Rule, append_unknown: bool = True) -> Any:
        key = (rule.rule, repr(rule.defaults), tuple(rule._trace), append_unknown)
        if key not in compiled:
            compiled[key] = compile_one(rule, append_unknown)
        return compiled[key]

    return compile_once


def make_once(patch: pytest.MonkeyPatch) -> None:
    """Compile each template and route, and read each description of S3, once.

    And redis-py's own version, which each pool of connections reads from the installed package.
    """
    patch.setattr(Flask, "jinja_options", {"bytecode_cache": CompiledTemplates()})
    patch.setattr(Rule, "_compile_builder", builders_of_routes())
    patch.setattr(botocore.session, "create_loader", cache(botocore.session.create_loader))
    patch.setattr(redis.utils, "get_lib_version", cache(redis.utils.get_lib_version))
