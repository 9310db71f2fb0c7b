"""Fuzzes the JSON routes with schemathesis, from the OpenAPI document that is served."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.processes import ROOT

PROGRAM = ROOT / ".venv/fuzz/bin/schemathesis"
ANSWER_SECONDS = 20
LATE_SECONDS = 120  # after its time, for the last answers and its report
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "positive_data_acceptance",
    "negative_data_rejection",
)
# What is as described may still be of what is not there, or not so now.
ACCEPTED = ["2xx", "3xx", "403", "404", "409", "413", "414", "422"]
# 404: whose task it is comes first. 412 and 415: the version of tus, and the type of a body.
REJECTED = ["400", "404", "405", "412", "413", "414", "415"]
CONFIG = f"""
hooks = "tests.fuzz.hooks"
continue-on-failure = true
request-timeout = {ANSWER_SECONDS}
[generation]
with-security-parameters = false  # the hooks send a visitor's cookie
database = "none"
[checks.positive_data_acceptance]
expected-statuses = {ACCEPTED}
[checks.negative_data_rejection]
expected-statuses = {REJECTED}
"""


def run(address: str, seed: int, seconds: float) -> Iterator[str]:
    """Run schemathesis for so long; yield that it has found something, which it says itself."""
    with TemporaryDirectory() as name:
        config = Path(name) / "schemathesis.toml"
        config.write_text(CONFIG)
        command = [str(PROGRAM), "--no-color", "--config-file", str(config), "run"]
        command += [f"{address}/openapi.json", "--checks", ",".join(CHECKS)]
        command += ["--seed", str(seed), "--max-time", str(round(seconds)), "--warnings", "off"]
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        try:
            ended = subprocess.run(
                command, cwd=name, env=environ, check=False, timeout=seconds + LATE_SECONDS
            )
        except subprocess.TimeoutExpired:
            yield "schemathesis has not ended in time"
            return
    if ended.returncode:
        yield "schemathesis has found what is said above"
