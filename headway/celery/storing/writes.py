"""Builds a write to a task's record from a Celery state."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from functools import cached_property
from math import inf
from typing import Any
from uuid import uuid4

from celery import __version__ as celery_version
from celery.app.task import Context

from headway import masking, settings
from headway.celery.storing.attempts import (
    MAX_ATTEMPTS,
    attempts_of,
    is_wait,
    retries_for_ever,
    retry_delay,
    retry_of,
)
from headway.celery.storing.fencing import delivery_of
from headway.celery.storing.report_fields import cut_report, fields_of
from headway.celery.storing.results import Packed, pack
from headway.credentials import may_hold_credentials
from headway.shapes import AttemptFailure, Changes, TaskError
from headway.snapshot import Phase, error_line
from headway.store.model import MAX_CALL_BYTES, StateWrite
from headway.values import as_json

MAX_TRACEBACK_CHARS = 8000  # its end is kept: it says what went wrong


def attempt_failure(traceback: str | None, request: Context | None) -> AttemptFailure | None:
    """Return what is kept of a failed attempt, with secrets masked; None without a traceback."""
    if not isinstance(traceback, str) or not traceback:
        return None
    versions = f"Celery {celery_version} · Python {platform.python_version()}"
    worker = getattr(request, "hostname", None)
    environment = f"{worker} · {versions}" if isinstance(worker, str) else versions
    masked = masking.mask(traceback)
    return {"traceback": masked[-MAX_TRACEBACK_CHARS:], "environment": environment}


def _must_be_masked(meta: str | bytes, whole: bytes, phase: Phase) -> bool:
    """Whether a state holds a secret of the settings or, unless it is a result, may hold another.

    A result is the task's to give: a link in it that opens something is to stay one.
    """
    if masking.holds_secret(meta) or masking.holds_secret(whole):
        return True
    return phase != Phase.SUCCEEDED and may_hold_credentials(meta)


class WriteBuilder:
    """Encodes states in Celery's own form and as keys of the snapshot, within their size limits."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def write_of(
        self,
        task_id: str,
        value: Any,
        state: str,
        traceback: str | None,
        request: Context | None,
        phase: Phase,
    ) -> StateWrite:
        name = getattr(request, "task", None)
        meta = self._backend._get_result_meta(
            self._backend.encode_result(value, state), state, traceback, request
        )
        meta["task_id"] = task_id
        fields = fields_of(phase, state, value)
        packed = self._pack(phase, meta, fields)
        if _must_be_masked(self._uncompressed(packed, meta), packed.whole, phase):
            packed = self._pack(phase, masking.masked(meta), masking.masked(fields))
        task = self._backend.tasks.get(name)
        failure = attempt_failure(traceback, request)
        write = StateWrite(
            task_id,
            delivery_of(request),
            phase,
            {**packed.fields, "traceback": failure} if failure else packed.fields,
            packed.meta,
            name or "unknown",
            attempts_of(task, request),
            whole=packed.whole,
        )
        if phase == Phase.RUNNING:
            return write  # a report is not repeated
        most_failures = inf if retries_for_ever(task) else float(write.max_attempts)
        if phase == Phase.RETRYING:
            most_failures = getattr(retry_of(value), MAX_ATTEMPTS, most_failures)
        return write._replace(
            max_attempts=write.max_attempts if most_failures == inf else int(most_failures),
            retry_in=retry_delay(value, self._backend.app),
            most_failures=most_failures,
            is_wait=phase == Phase.RETRYING and is_wait(value),
            write_id=uuid4().hex[:16],  # kept with the record: enough to tell one's own
        )

    def _uncompressed(self, packed: Packed, meta: dict[str, Any]) -> str | bytes:
        """Return Celery's form as it is before `result_compression`, in which nothing is found."""
        if not getattr(self._backend, "compression", None):  # new in 5.7
            return packed.meta
        try:
            encoded: str | bytes = self._backend.encoder(meta)
        except Exception:  # what `_encode` and `_encode_report` then leave out
            return repr(meta)
        return encoded

    def _pack(self, phase: Phase, meta: dict[str, Any], fields: Changes) -> Packed:
        """Encode Celery's form.

        A large result is cut in the snapshot's `fields`, a large report or error in Celery's form.
        """
        if phase == Phase.SUCCEEDED:
            return pack(meta, fields, self._encode, self._max_result_bytes)
        encoded = self._encode_report(meta) if phase == Phase.RUNNING else self._encode(meta)
        if phase == Phase.RUNNING and len(encoded) > MAX_CALL_BYTES:
            return Packed(self._encode(cut_report(meta, fields)), fields)
        error = fields.get("error")
        if error and len(encoded) > self._max_result_bytes:
            return Packed(self._encode(self._cut_error(meta, error)), fields)
        return Packed(encoded, fields)

    def _cut_error(self, meta: dict[str, Any], error: TaskError) -> dict[str, Any]:
        """Return Celery's form of an exception whose message is too large."""
        message = RuntimeError(error_line(error))
        return {
            **meta,
            "result": self._backend.encode_result(message, meta["status"]),
            "traceback": None,
        }

    def _encode_report(self, meta: Mapping[str, Any]) -> Any:
        """Encode a report; a value that Celery cannot encode becomes JSON or is left out."""
        try:
            return self._encode(meta)
        except Exception:
            return self._encode({**meta, "result": as_json(meta["result"])})

    def _encode(self, meta: Mapping[str, Any]) -> Any:
        """Encode Celery's form; with `result_extended` it has the task's arguments.

        Of arguments that cannot be encoded, what JSON lacks becomes text: a task that got them by
        another serializer ends as it would without that setting.
        """
        try:
            return self._backend.encode(meta)
        except Exception:
            if "args" not in meta:
                raise
            arguments = {name: as_json(meta[name]) for name in ("args", "kwargs")}
            return self._backend.encode({**meta, **arguments})

    @cached_property
    def _max_result_bytes(self) -> int:
        return int(settings.RESULT_MAX_BYTES.read(self._backend.app.conf))
