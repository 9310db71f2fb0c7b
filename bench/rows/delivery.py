"""What it takes, in time and in the web process's CPU, to bring reports to their viewers."""

from __future__ import annotations

from collections.abc import Sequence

from bench.candidates import Candidate, CeleryProgress, Floor, Headway, Node, Pattern, ShardedNode
from bench.machine import cpu_seconds
from bench.measure import Bench, Load, busiest, median, notes_on
from bench.schedule import at_random
from bench.table import Comparison, Row

RATE = 1000.0  # reports a second
ROOMS = 100
SLOW_RATE = 100.0
REPORTING_TASKS = 20
CROWD_RATE = 10.0
BARS: dict[type[Candidate], float] = {Node: 1.0}
QUIET = 10  # viewers who watch what nobody reports on


def one_each(rooms: list[str]) -> list[list[str]]:
    """Return one viewer of each room."""
    return [[room] for room in rooms]


def latency(bench: Bench) -> Row:
    return _latency(bench, SLOW_RATE, [Node, Floor, ShardedNode, CeleryProgress])


def latency_busy(bench: Bench) -> Row:
    # celery-progress does not come to this rate
    return _latency(bench, RATE, [Node, Floor, ShardedNode])


def _latency(bench: Bench, rate: float, peers: Sequence[type[Candidate]]) -> Row:
    candidates = bench.candidates(Headway, Pattern, *peers)
    found = bench.loads(candidates, one_each, REPORTING_TASKS, rate, at_random)

    def compare(
        what: str, share: float, peer: type[Candidate], bar: float | None = None
    ) -> Comparison:
        came = {name: [load for load in loads if load.delivered] for name, loads in found.items()}
        ours, theirs = (
            median(came[name], lambda load: load.latency(share))
            for name in (Headway.name, peer.name)
        )
        return Comparison(what, ours, "ms", peer.name, theirs, bar)

    return Row(
        f"from a worker's report to the client: {REPORTING_TASKS} tasks, {rate:,.0f} "
        "reports/s at random times",
        [
            compare("p50", 0.5, Pattern, 1.0),
            *(compare("p50", 0.5, peer, BARS.get(peer)) for peer in peers),
            compare("p99", 0.99, Pattern, 1.0),
            *(compare("p99", 0.99, peer, BARS.get(peer)) for peer in peers),
        ],
        notes_on(found),
        client=busiest(found),
    )


def rooms(bench: Bench) -> Row:
    candidates = bench.candidates(Headway, Pattern, Node, ShardedNode, Floor)
    found = bench.loads(candidates, one_each, ROOMS, RATE)
    row = _cpu_per_delivery("web CPU: 100 rooms of one viewer, 1,000 reports/s", found, 0.5)
    redis = {
        name: median(loads, lambda load: load.redis_cpu / load.reports) * 1e6
        for name, loads in found.items()
    }
    for peer in (Pattern.name, Node.name):
        row.comparisons.append(
            Comparison("a report, in Redis", redis[Headway.name], "µs", peer, redis[peer])
        )
    row.costs = {
        "web_one_viewer_us": median(found[Headway.name], lambda load: load.per_delivery),
        "redis_watched_us": redis[Headway.name],
    }
    return row


def crowd(bench: Bench) -> Row:
    viewers = bench.plan.crowd
    candidates = bench.candidates(Headway, Pattern, Node, ShardedNode, Floor)
    found = bench.loads(candidates, lambda rooms: [rooms] * viewers, 1, CROWD_RATE)
    row = _cpu_per_delivery(f"web CPU: one room of {viewers} viewers, 10 reports/s", found, 0.35)
    row.costs = {
        "crowd": viewers,
        "web_crowd_us": median(found[Headway.name], lambda load: load.per_delivery),
    }
    return row


def _cpu_per_delivery(title: str, found: dict[str, list[Load]], bar: float) -> Row:
    ours = median(found[Headway.name], lambda load: load.per_delivery)
    bars = {Pattern.name: bar, Node.name: 1.0}
    row = Row(title, notes=notes_on(found), client=busiest(found))
    for name, loads in found.items():
        if name != Headway.name:
            theirs = median(loads, lambda load: load.per_delivery)
            row.comparisons.append(
                Comparison("a delivery", ours, "µs", name, theirs, bars.get(name))
            )
    published, theirs = (
        median(found[name], lambda load: load.web_cpu / load.reports * 1e6)
        for name in (Headway.name, Pattern.name)
    )
    row.comparisons.append(Comparison("a published report", published, "µs", Pattern.name, theirs))
    return row


def elsewhere(bench: Bench) -> Row:
    found: dict[str, list[Load]] = {}
    stages = []
    for candidate in bench.candidates(Headway, Pattern):
        watchers = candidate.crowd()
        bench.swarm.add(watchers, one_each(candidate.rooms(QUIET)))
        stages.append((candidate, watchers, candidate.rooms(ROOMS)))
    for _ in range(bench.plan.rounds):
        for candidate, watchers, elsewhere in stages:
            # Twice as long: there is little to be seen, and what a process does by itself comes
            # every 2 s.
            load = bench.load(
                candidate, [watchers], elsewhere, rate=RATE, seconds=bench.plan.seconds * 2
            )
            found.setdefault(candidate.name, []).append(load)
    notes = notes_on(found)
    for candidate, watchers, _ in stages:
        cpu = cpu_seconds(candidate.web.pid)
        bench.swarm.run(bench.plan.seconds * 2)
        idle = (cpu_seconds(candidate.web.pid) - cpu) / (bench.plan.seconds * 2)
        notes.append(f"{candidate.name}: {idle:.2%} of a core while nobody reports")
        bench.swarm.dismiss(watchers)
    ours, theirs = (
        median(found[name], lambda load: load.web_cpu / load.reports * RATE) * 100
        for name in (Headway.name, Pattern.name)
    )
    return Row(
        "a web process whose viewers watch other rooms, 1,000 reports/s elsewhere",
        [Comparison("of a core", ours, "%", Pattern.name, theirs, 0.01)],
        notes,
        {
            "redis_unwatched_us": median(
                found[Headway.name], lambda load: load.redis_cpu / load.reports
            )
            * 1e6
        },
        busiest(found),
    )


def processes(bench: Bench) -> Row:
    """Give each of two web processes the load that one had.

    Two of two cores leave none to the rest, so what they could
    deliver comes from what they use.
    """
    gain = {}
    notes = []
    client = 0.0
    for candidate in bench.candidates(Headway, Pattern):
        webs = [candidate.web, candidate.another_web()]
        rooms = candidate.rooms(ROOMS * len(webs))
        found: dict[str, list[Load]] = {"one": [], "two": []}
        for _ in range(bench.plan.rounds):
            for name, used in (("one", webs[:1]), ("two", webs)):
                crowds = [candidate.crowd(web) for web in used]
                watched = rooms[: ROOMS * len(used)]
                rate = RATE * len(used)
                for n, each in enumerate(crowds):
                    bench.swarm.add(each, one_each(watched[n :: len(used)]))
                load = bench.load(
                    candidate, crowds, watched, rate=rate, seconds=bench.plan.seconds, webs=used
                )
                found[name].append(load)
                for each in crowds:
                    bench.swarm.dismiss(each)
        webs[1].process.stop()
        one, two = (median(found[name], lambda load: load.per_delivery) for name in ("one", "two"))
        gain[candidate.name] = 2 * one / two
        notes += [
            f"{candidate.name}: {one:.0f} µs of CPU a delivery with one process, {two:.0f} "
            "µs with two"
        ]
        for name in found:
            notes += [
                f"{candidate.name}, {name}: {note}"
                for note in notes_on({candidate.name: found[name]})
            ]
        client = max(client, busiest(found))
    return Row(
        "deliveries/s of 2 web processes over 1, disjoint viewers",
        [
            Comparison(
                "by CPU a delivery", gain[Headway.name], "", "one process", 1.0, 1.8, at_least=True
            ),
            Comparison(
                "by CPU a delivery", gain[Headway.name], "", Pattern.name, gain[Pattern.name]
            ),
        ],
        notes,
        client=client,
    )
