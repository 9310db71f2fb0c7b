"""What may happen next, and what is drawn for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from tests.record_machine.model import FAR_SECONDS, MAX_ATTEMPTS, Run, Task

if TYPE_CHECKING:
    from tests.record_machine.base import Base

numbers = st.sampled_from([0, 1, 3, 5, 9, 10, 2.5])
totals = st.sampled_from([None, 0, 1, 10, 1000])
metas = st.lists(
    st.fixed_dictionaries(
        {}, optional={"current": numbers, "total": totals, "status": st.just("so far")}
    ),
    min_size=1,
    max_size=4,
)
delays = st.sampled_from([0, 3, 60, FAR_SECONDS])
starts = {
    "how": st.sampled_from(["created", "sent", "deferred", "begun", "begun", "begun"]),
    "delay": delays,
    "attempts": st.sampled_from([1, 2, MAX_ATTEMPTS, MAX_ATTEMPTS]),
    "claims": st.integers(1, 2),
}


@dataclass(frozen=True)
class Step:
    """What may happen next: to one of the machine's tasks or runs that is fit for it, or to the
    whole.
    """

    does: Callable[..., object]
    kind: str
    fit: Callable[[Any], object]
    drawn: dict[str, st.SearchStrategy[Any]]

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(self.does.__name__)

    def among(self, machine: Base) -> list[Any]:
        subjects = getattr(machine, self.kind) if self.kind else [machine]
        return [subject for subject in subjects if self.fit(subject)]


STEPS: list[Step] = []


def step(
    kind: str, fit: Callable[[Any], object] = lambda subject: True, weight: int = 2, **drawn: Any
) -> Any:
    """Make a method a step of the machine, that is taken the more often the larger its weight."""

    def decorate(does: Callable[..., object]) -> Any:
        STEPS.extend([Step(does, kind, fit, drawn)] * weight)
        return does

    return decorate


def one_task(fit: Callable[[Task], object] = lambda task: True, **options: Any) -> Any:
    return step("tasks", fit, **options)


def one_run(fit: Callable[[Run], object] = lambda run: True, **options: Any) -> Any:
    return step("runs", fit, **options)
