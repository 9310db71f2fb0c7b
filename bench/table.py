"""What a run of the bench has found: rows of comparisons, as a table for people and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Verdict = Literal["met", "NOT MET", ""]

BUSY_CLIENT = 0.85  # of a core; from there on the client may be what limits


@dataclass(frozen=True)
class Comparison:
    """A figure of Headway's beside a peer's.

    `bar` is for their ratio, None where it is told for information only.
    """

    what: str
    figure: float
    unit: str
    peer: str
    peer_figure: float
    bar: float | None = None
    at_least: bool = False

    @property
    def ratio(self) -> float:
        return self.figure / self.peer_figure if self.peer_figure else float("inf")

    @property
    def verdict(self) -> Verdict:
        if self.bar is None:
            return ""
        return (
            "met"
            if (self.ratio >= self.bar if self.at_least else self.ratio <= self.bar)
            else "NOT MET"
        )

    def cells(self) -> list[str]:
        sign = "≥" if self.at_least else "≤"
        bar = "" if self.bar is None else f"{sign} {self.bar:g} ×"
        figure, peer_figure = (
            f"{number(value)} {self.unit}".rstrip() for value in (self.figure, self.peer_figure)
        )
        return [
            self.what,
            figure,
            self.peer,
            peer_figure,
            f"{number(self.ratio)} ×",
            bar,
            self.verdict,
        ]


@dataclass
class Row:
    """One row of the table.

    `client` is the load's own share of a core, at most, and `costs` are what the model of a
    cluster is made from."""

    title: str
    comparisons: list[Comparison] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    costs: dict[str, float] = field(default_factory=dict)
    client: float = 0.0
    failure: str = ""

    @property
    def warning(self) -> str:
        if self.failure:
            return "COULD NOT RUN"
        return f"CLIENT AT {self.client:.0%} OF A CORE" if self.client > BUSY_CLIENT else ""

    @property
    def remarks(self) -> list[str]:
        client = [f"the client was at {self.client:.0%} of a core at most"] if self.client else []
        return [*self.notes, *client, *([f"could not run: {self.failure}"] if self.failure else [])]

    def as_dict(self) -> dict[str, Any]:
        each = [
            {**asdict(comparison), "ratio": comparison.ratio, "verdict": comparison.verdict}
            for comparison in self.comparisons
        ]
        return {**asdict(self), "comparisons": each}

    @classmethod
    def from_dict(cls, found: dict[str, Any]) -> Row:
        names = Comparison.__dataclass_fields__
        each = [Comparison(**{name: one[name] for name in names}) for one in found["comparisons"]]
        return cls(**{**found, "comparisons": each})


HEAD = ["row", "figure", "peer", "peer's figure", "ratio", "bar", ""]


def number(value: float) -> str:
    """Return a number as it is read best: three digits or a few more."""
    for least, digits in ((100, 0), (10, 1), (1, 2)):
        if abs(value) >= least:
            return f"{value:,.{digits}f}"
    return f"{value:.3f}"


def lines(rows: Sequence[Row]) -> list[list[str]]:
    """Return the table's lines: each row's title, then what it compares."""
    found = []
    for row in rows:
        found.append([row.title, "", "", "", "", "", row.warning])
        found += [
            ["  " + cells[0], *cells[1:]] for cells in (each.cells() for each in row.comparisons)
        ]
    return found


def for_terminal(rows: Sequence[Row]) -> str:
    table = [HEAD, *lines(rows)]
    # A title may run over the cells beside it, which are empty.
    widths = [max(len(line[i]) for line in table if i or line[1]) for i in range(len(HEAD))]
    told = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in table
    ]
    for row in rows:
        told += ["", row.title, *(f"  - {remark}" for remark in row.remarks)] if row.remarks else []
    return "\n".join(told)


def for_docs(rows: Sequence[Row]) -> str:
    """Return the table and what has to be known of it, in Markdown."""
    told = [f"| {' | '.join(HEAD)} |", "|---|" + "---:|---|" + "---:|" * 3 + "---|"]
    for title, *cells in lines(rows):
        told.append(
            f"| {title.strip() if title.startswith('  ') else f'**{title}**'} | "
            f"{' | '.join(cells)} |"
        )
    told += ["", *(f"- {row.title}: {'; '.join(row.remarks)}" for row in rows if row.remarks)]
    return "\n".join(told)
