"""What counting a visitor's requests costs a status request: `python -m bench.limits`.

Two apps in one process over one Valkey, one with its limits, in alternating rounds.
"""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from flask.testing import FlaskClient

from app import create_app
from headway.testing.live import redis_for_tests

ROUNDS = 40
REQUESTS = 250  # of each app in a round


def seconds(client: FlaskClient, path: str) -> float:
    """Return the CPU time of a round of requests."""
    begun = time.process_time()
    for _ in range(REQUESTS):
        assert client.get(path).status_code == 200
    return time.process_time() - begun


def main() -> None:
    with TemporaryDirectory() as folder, redis_for_tests(Path(folder)) as url:
        settings = {"REDIS_URL": url, "DATA_DIR": folder, "SECRET_KEY": "a secret for the bench"}
        clients = {}
        for limits in ("off", "on"):
            app = create_app({**settings, "RATE_LIMITS": limits, "READS_LIMIT": "60000/minute"})
            clients[limits] = app.test_client()
        path = clients["off"].post("/longtask").headers["Location"]
        cookie = clients["off"].get_cookie("headway_session")
        assert cookie is not None
        clients["on"].set_cookie("headway_session", cookie.value)
        times: dict[str, list[float]] = {limits: [] for limits in clients}
        for _ in range(ROUNDS):
            for limits, client in clients.items():
                times[limits].append(seconds(client, path))
    micros = {limits: median(each) / REQUESTS * 1e6 for limits, each in times.items()}
    ratio = median(on / off for off, on in zip(times["off"], times["on"], strict=True))
    print(
        f"A status request takes {micros['off']:.0f} µs of CPU without limits and "
        f"{micros['on']:.0f} µs with them: {(ratio - 1) * 100:+.1f} %."
    )


if __name__ == "__main__":
    main()
