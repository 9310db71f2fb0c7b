"""What runs write beside their reports: lines, text, effects, saves, questions."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from hypothesis import strategies as st

from headway.questions import Asked
from headway.snapshot import Phase
from headway.state_fields import progress_fields
from tests.by_hand import save_text
from tests.record_machine.base import Base
from tests.record_machine.model import (
    REFUSED,
    Run,
    Task,
    message_of,
)
from tests.record_machine.steps import one_run, one_task


class Writing(Base):
    @one_run(lambda run: run.speaks, weight=1)
    def log(self, run: Run) -> None:
        with self.unchanged(run.task, but_for=self.may_write(run)):
            written = self.records.output.log(run.task.id, run.delivery, [("INFO", "line")])
        assert run.task.stray or written == self.may_write(run)

    @one_run(lambda run: run.speaks, word=st.sampled_from(["", "a", "ü🙂"]), again=st.booleans())
    def stream(self, run: Run, word: str, again: bool) -> None:
        task = run.task
        about = ("answer", task.written_bytes, word.encode())
        with self.unchanged(task, but_for=self.may_write(run)):
            for _ in range(1 + again):
                outcome = self.records.output.write_stream(
                    task.id, run.delivery, *about, closes=word == "", max_bytes=1000
                )
        if task.stray:
            return
        if self.may_write(run):
            assert outcome == ("cancelling" if task.cancelling else "written")
            task.text += word
        else:
            assert outcome in REFUSED

    @one_run(lambda run: run.speaks, weight=1)
    def look_at_its_effect(self, run: Run) -> None:
        wanted = self.outcome_of_an_effect(run, anyway=False)
        with self.unchanged(run.task):
            told = self.tell_of_its_effect(run, uuid4().hex, "look")
        assert run.task.stray or told == wanted or (wanted[0] == "refused" and told[0] in REFUSED)

    @one_run(lambda run: run.speaks, anyway=st.booleans(), repeated=st.booleans(), weight=3)
    def begin_its_effect(self, run: Run, anyway: bool, repeated: bool) -> None:
        """`anyway`: whatever became of it when it was begun before."""
        task = run.task
        call = uuid4().hex
        wanted = self.outcome_of_an_effect(run, anyway)
        begins = wanted == ("written", "")
        for _ in range(1 + (repeated and begins)):
            with self.unchanged(task, but_for=begins):
                told = self.tell_of_its_effect(run, call, "begin again" if anyway else "begin")
        if task.stray:
            return
        assert told == wanted or (wanted[0] == "refused" and told[0] in REFUSED)
        if begins:
            task.effect = run.effect = call

    def outcome_of_an_effect(self, run: Run, anyway: bool) -> tuple[str, str]:
        task = run.task
        if not self.may_write(run):
            return "refused", ""
        if task.receipt:
            return "done", task.receipt
        if task.effect and not anyway:
            return "unknown", ""
        return "cancelling" if task.cancelling else "written", ""

    @one_run(lambda run: run.effect, fails=st.booleans(), repeated=st.booleans(), weight=4)
    def end_its_effect(self, run: Run, fails: bool, repeated: bool) -> None:
        """Also where the run has lost its task meanwhile: what has happened has happened."""
        task = run.task
        ends = task.effect == run.effect
        receipt = f'"{uuid4()}"'
        with self.unchanged(task, but_for=ends):
            step = "failed" if fails else "done"
            told = self.tell_of_its_effect(run, run.effect, step, receipt)
        assert task.stray or told == ("written" if ends else "stale", "")
        if ends and not task.stray:
            task.effect = ""
            task.receipt = "" if fails else receipt
        if repeated:
            with self.unchanged(task):
                told = self.tell_of_its_effect(run, run.effect, step, receipt)
            assert task.stray or told == ("stale", "")

    def tell_of_its_effect(
        self, run: Run, call: str, step: Any, receipt: str = ""
    ) -> tuple[str, str]:
        about = (run.task.id, run.delivery, "charge", call, step, receipt)
        return self.records.effects.advance_effect(*about)

    @one_run(lambda run: run.speaks, asked=st.booleans(), weight=3)
    def save(self, run: Run, asked: bool) -> None:
        """Save with a report; a worker that stops has asked the run to leave with it."""
        task = run.task
        asked = asked and run.successor is None  # such a run leaves its task to that one
        fields = progress_fields("PROGRESS", {"current": 1})
        saved = save_text(task.saves + 1, str(uuid4()), by=run.token)
        save = {"saved": saved, "written": f"answer {task.written_bytes};"}
        with self.unchanged(task, but_for=self.may_write(run)):
            if asked:
                self.records.runs.request_stop([(task.id, run.token)])
            outcome = self.store(run, Phase.RUNNING, fields, **save, may_stop=asked)
        if task.stray:
            return
        if not self.may_write(run):
            assert outcome in REFUSED
            return
        task.saved = saved
        task.saved_text = task.text
        task.has_moved_on = True
        assert outcome == ("cancelling" if task.cancelling else "requeued" if asked else "written")
        if outcome == "requeued":
            run.ended = True
            task.holder = None
            task.dropped = False

    @one_run(
        lambda run: run.speaks and run.task.saved and not run.task.stray,
        text_is_news=st.booleans(),
        weight=1,
    )
    def save_late(self, run: Run, text_is_news: bool) -> None:
        """Redis sees a save that was given up once its run has saved again, or written more."""
        task = run.task
        is_older = not (text_is_news and task.written_bytes)
        number = task.saves if is_older else task.saves + 1
        written = f"answer {task.written_bytes - (not is_older)};"
        save = {"saved": save_text(number, "late", by=run.token), "written": written}
        with self.unchanged(task, but_for=self.may_write(run)):
            outcome = self.store(run, Phase.RUNNING, {}, **save)
        if self.may_write(run):
            assert outcome == ("cancelling" if task.cancelling else "written")
        else:
            assert outcome in REFUSED

    @one_run(
        lambda run: run.on and not run.successor and not run.task.deferred,
        timeout=st.sampled_from([None, 3.0]),
        remind_after=st.sampled_from([None, 1.0]),
        weight=3,
    )
    def ask(self, run: Run, timeout: float | None, remind_after: float | None) -> None:
        """Ask a person, twice where the reply was lost."""
        task = run.task
        question = Asked(uuid4().hex, "key", "Go on?", None, None, timeout, remind_after)
        call = (task.id, run.delivery, question, message_of(run.order))
        asks = self.may_write(run) and not task.cancelling
        with self.unchanged(task, but_for=asks):
            outcome = self.records.runs.ask(*call)
        if task.stray:
            return
        wanted = {"waiting"} if asks else {"cancelling"} if self.may_write(run) else REFUSED
        assert outcome in wanted
        if asks:
            with self.unchanged(task):
                assert self.records.runs.ask(*call) == "waiting"
            run.ended = True
            task.question = question
            task.holder = None
            task.dropped = False

    @one_task(lambda task: task.question and not task.stray, value=st.sampled_from(["1", "2"]))
    def answer(self, task: Task, value: str) -> None:
        """One answer counts; it may come when nobody asks any more."""
        is_asked = task.phase == Phase.WAITING
        with self.unchanged(task, but_for=is_asked):
            outcome = self.records.answer(task.id, task.question.id, value, "ada").outcome
        assert outcome in ({"queued"} if is_asked else {"replayed", "conflict", "not_asked"})

    @one_run(lambda run: run.holds and not run.is_over)
    def go_on(self, run: Run) -> None:
        found = self.records.runs.read_saved(run.task.id, run.delivery)[:2]
        assert found == ("read", run.task.saved)
