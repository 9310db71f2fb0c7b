"""The rows of the table, in its order: a function of the bench each."""

from __future__ import annotations

from collections.abc import Callable

from bench.measure import Bench
from bench.rows import (
    busy,
    connections,
    delivery,
    drawing,
    lists,
    modes,
    one_redis,
    requests,
    tasks,
    tokens,
    visiting,
    waiting,
)
from bench.table import Row

ROWS: dict[str, Callable[[Bench], Row]] = {
    "update": tasks.update,
    "track": tasks.track,
    "stream": tasks.stream,
    "tokens": tokens.tokens,
    "tokens-drawn": tokens.tokens_drawn,
    "save": tasks.save,
    "report": tasks.report,
    "report-apart": tasks.report_apart,
    "latency": delivery.latency,
    "latency-busy": delivery.latency_busy,
    "latency-modes": modes.latency_modes,
    "latency-modes-busy": modes.latency_modes_busy,
    "rooms": delivery.rooms,
    "rooms-modes": modes.rooms_modes,
    "crowd": delivery.crowd,
    "elsewhere": delivery.elsewhere,
    "processes": delivery.processes,
    "memory": connections.memory,
    "modes": modes.modes,
    "connections": connections.connections,
    "stalled": connections.stalled,
    "status": requests.status,
    "starts": requests.starts,
    "redis-report": one_redis.redis_report,
    "redis-ended": one_redis.redis_ended,
    "waiting": waiting.waiting,
    "turns": waiting.turns,
    "listed": lists.listed,
    "drawn": drawing.drawn,
    "busy": busy.busy,
    "script": busy.script,
    "visit": visiting.visit,
}
