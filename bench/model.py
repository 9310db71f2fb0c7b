"""What the measured costs mean for a cluster: how many processes, and when one Redis is full."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bench.table import Row

FULL = 0.7  # of a core; beyond it, waiting grows faster than work
TASK_RATE = 10  # reports a second that a task makes at most: headway/progress.py sends no more
SIZES = (  # tasks that report at once, viewers, viewers of each watched task
    (100, 1_000, 10),
    (1_000, 1_000, 1),
    (1_000, 10_000, 10),
    (1_000, 100_000, 500),
    (10_000, 10_000, 1),
)


@dataclass(frozen=True)
class Costs:
    """Microseconds of CPU, and kB.

    `web_report` is for a report that a web process hears, `web_viewer` for each viewer that it goes
    to, `redis_report` for one that nobody watches, `redis_hearer` for each web process that hears
    it.
    """

    task: float
    web_report: float
    web_viewer: float
    redis_report: float
    redis_hearer: float
    socket_kb: float

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Costs | None:
        """Fit the costs to what the rows have measured; None where rows are missing."""
        found: dict[str, float] = {}
        for row in rows:
            found |= row.costs
        try:
            viewers = found["crowd"]
            # Of one viewer: report + viewer; of a crowd, each: report / viewers + viewer.
            report = (found["web_one_viewer_us"] - found["web_crowd_us"]) / (1 - 1 / viewers)
            return cls(
                task=found["task_us"],
                web_report=max(0.0, report),
                web_viewer=found["web_one_viewer_us"] - max(0.0, report),
                redis_report=found["redis_unwatched_us"],
                redis_hearer=max(0.0, found["redis_watched_us"] - found["redis_unwatched_us"]),
                socket_kb=found["socket_kb"],
            )
        except KeyError:
            return None

    def redis_full(self) -> float:
        """Return the reports a second, each heard by one web process, at which one Redis is
        full.
        """
        return FULL * 1e6 / (self.redis_report + self.redis_hearer)

    def size(self, tasks: int, viewers: int, each: int) -> list[str]:
        """Return the cells of a cluster of this size."""
        reports = tasks * TASK_RATE
        watched = min(tasks, viewers / each) * TASK_RATE
        per_process = self.web_report + each * self.web_viewer
        web = watched * per_process / 1e6
        redis = (reports * self.redis_report + watched * self.redis_hearer) / 1e6
        return [
            f"{tasks:,}",
            f"{viewers:,} ({each} a task)",
            f"{reports:,}",
            f"{reports * self.task / 1e6:.1f}",
            f"{max(1, -int(-web // FULL)):,}",
            f"{redis:.0%}",
            f"{viewers * self.socket_kb / 1e6:.1f} GB",
        ]


def for_docs(rows: Iterable[Row]) -> str:
    """Return the model in Markdown: the fitted costs, the sizes, and where one Redis is full."""
    costs = Costs.of(rows)
    if costs is None:
        return "The run had not all rows that the model needs."
    fitted: Mapping[str, str] = {
        "a task's process, for a report": f"{costs.task:.0f} µs",
        "Redis, for a report": f"{costs.redis_report:.0f} µs",
        "Redis, for each web process that hears it": f"{costs.redis_hearer:.0f} µs",
        "a web process, for a report that it hears": f"{costs.web_report:.0f} µs",
        "a web process, for each viewer of it": f"{costs.web_viewer:.0f} µs",
        "a web process, for an idle websocket": f"{costs.socket_kb:.0f} kB",
    }
    told = [
        "| what | costs |",
        "|---|---:|",
        *(f"| {what} | {cost} |" for what, cost in fitted.items()),
        "",
    ]
    told += [
        "| tasks that report at once | viewers | reports/s | cores for reporting | web "
        "processes | Redis, of a core | "
        "websockets |",
        "|---:|---:|---:|---:|---:|---:|---:|",
        *(f"| {' | '.join(costs.size(*size))} |" for size in SIZES),
        "",
        f"One Redis is full ({FULL:.0%} of its core) at about {costs.redis_full():,.0f} "
        "reports a second, each heard "
        f"by one web process: {costs.redis_full() / TASK_RATE:,.0f} tasks that report at "
        "once as often as they may.",
    ]
    return "\n".join(told)
