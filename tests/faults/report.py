"""What a fault did to the tasks and pages, as a row; rows as a table and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass
class Row:
    """One fault, `count` times, under `tasks` tasks."""

    fault: str
    count: int
    tasks: int = 0
    lost: int = 0  # tasks without an end, emails said to be sent that are not
    doubled: int = 0  # tasks and emails that came into being, or happened, twice
    wrong: int = 0  # ends that are not what they must be, and breaches of invariants
    unknown: int = 0  # emails of which nobody can know, rightly
    right_after: float = 0.0  # seconds from a fault's end until every page was right: the worst
    limit: float = 5.0
    name: str = ""
    figures: str = ""  # what it came to, for people
    evidence: list[str] = field(default_factory=list)

    def lose(self, evidence: str) -> None:
        self.lost += 1
        self.blame(evidence)

    def double(self, evidence: str) -> None:
        self.doubled += 1
        self.blame(evidence)

    def object_to(self, evidence: str) -> None:
        """Count something as wrong."""
        self.wrong += 1
        self.blame(evidence)

    def blame(self, evidence: str) -> None:
        """Note why, or where, without counting it."""
        self.evidence.append(evidence)

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.wrong) and self.right_after <= self.limit

    @property
    def cells(self) -> tuple[str, ...]:
        numbers = (self.count, self.tasks, self.lost, self.doubled, self.wrong, self.unknown)
        right = "never" if self.right_after == float("inf") else f"{self.right_after:.1f} s"
        return (
            self.fault,
            *map(str, numbers),
            right,
            f"{self.limit:g} s",
            "clean" if self.clean else "NOT CLEAN",
        )


HEADS = (
    "fault",
    "count",
    "tasks",
    "lost",
    "doubled",
    "wrong",
    "unknown",
    "right after",
    "limit",
    "",
)
EVIDENCE_SHOWN, MAX_LINE = 8, 400  # the JSON has all of it


def table(rows: Iterable[Row]) -> str:
    """Return the rows as a table, with the evidence against those that are not clean below it."""
    rows = list(rows)
    lines = [HEADS, *(row.cells for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADS))]
    text = [
        "  ".join(
            f"{cell:<{width}}" if column == 0 else f"{cell:>{width}}"
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]
    for row in rows:
        if row.figures:
            text += ["", f"{row.fault}: {row.figures}"]
        if row.evidence:
            more = len(row.evidence) - EVIDENCE_SHOWN
            text += [
                "",
                f"{row.fault}:",
                *(f"  {line[:MAX_LINE]}" for line in row.evidence[:EVIDENCE_SHOWN]),
            ]
            text += [f"  ... and {more} more" for _ in range(more > 0)]
    return "\n".join(line.rstrip() for line in text)


def write(rows: Iterable[Row], path: Path) -> None:
    """Write the rows as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = [asdict(row) | {"clean": row.clean, "right_after": row.cells[7]} for row in rows]
    path.write_text(json.dumps(kept, indent=1) + "\n")
