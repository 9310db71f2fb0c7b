"""Bulk email: one to each row of a CSV file, previewed before any is sent, to nobody twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any

from app.csv_files import PEOPLE, as_csv, headings_of
from app.email_limits import SenderWaits, count_in_mailing, keep_count, limits_below
from app.extensions import headway, mail
from app.mail_errors import (
    LOST,
    MailDeferred,
    MailRefused,
    MailUnavailable,
    OutcomeUnknown,
    SomeNotSent,
)
from app.mail_waits import deferred, uncounted, until_there
from app.mailing import Mailing, Recipient, refuse_unclear_columns, refuse_unknown_fields
from app.messages import make_message
from app.outage import OUTAGE
from headway import BadArguments, Labels, LimitReached, Upload, progress, task
from headway.texts import Sentence

PREVIEWED = 3
MAX_LOGGED = 50  # rows that are left out; all of them are in the file
SEND = Sentence("Send")
DO_NOT_SEND = Sentence("Do not send")
COUNTS = {
    Sentence("sent"): Sentence("{count} sent"),
    Sentence("refused"): Sentence("{count} refused"),
    Sentence("unknown"): Sentence("{count} unknown"),
    Sentence("not yet"): Sentence("{count} not yet"),
    Sentence("left out"): Sentence("{count} left out"),
}
HEADINGS = [Sentence("line"), Sentence("email"), Sentence("outcome"), Sentence("words")]
LEVELS = {"sent": "INFO", "left out": "WARNING", "not yet": "WARNING"}  # any other: ERROR
LABELS: Labels = {
    "starts": Sentence("sends"),
    "pauses": True,
    "texts": ["outcome", "words"],
    "waiting": {
        "MailUnavailable": Sentence("Waiting to send"),
        "SenderWaits": Sentence("Waiting at a limit"),
    },
}
Outcome = list[str]  # what became of an email, of COUNTS, and the server's words: JSON
Obstacle = MailUnavailable | SenderWaits  # what keeps every email from being sent now
Row = tuple[int, str, str, str]  # line, email, what became of it, and why


def check_fields(source: Upload, subject: str, body: list[str]) -> None:
    """Raise BadArguments if the file has no addresses, or a text names a column that it lacks.

    The task would find these too, but here the form can still show what was written.
    """
    texts = {"subject": subject, "body": "\n".join(body)}
    wrong = "source"
    try:
        headings = headings_of(source)
        refuse_unclear_columns(headings)
        for wrong in texts:
            refuse_unknown_fields(headings, texts[wrong])
    except ValueError as error:
        raise BadArguments({wrong: str(error)}) from error


@task("Mailing to {source}: {subject}", labels=LABELS, check=check_fields, bind=True)
def send_mailing(
    self: Any, source: Annotated[Upload, PEOPLE], subject: str, body: list[str]
) -> dict[str, Any]:
    """Send an email to each row of a CSV file.

    It shows how the first ones look, and asks, before anything is sent. Its result is who has not
    got it, and why.

    Args:
        source: UTF-8, with a line of headings: Email, and any others.
        subject: {name} stands for what a row has in the column Name.
        body: Paragraphs, in which {name} stands for a field too.
    """
    mailing = Mailing(source, subject, "\n\n".join(body))
    if progress.saved is None:
        _preview(mailing)
        progress.set(0, len(mailing.recipients))
        progress.save(0)
    if progress.ask(_question(mailing), choices=[SEND, DO_NOT_SEND], key="send") != SEND:
        return {"status": Sentence("Nothing was sent"), "result": []}
    outcomes, obstacle = _send_all(self, mailing)
    rows = _rows(mailing, outcomes)
    progress.file("outcomes.csv", as_csv([("Line", "Email", "Outcome", "Words"), *rows]))
    if obstacle is not None:
        raise _until_possible(self, obstacle, len(outcomes), len(mailing.recipients))
    later = [words for what, words in outcomes.values() if what == "not yet"]
    if later:
        left = Sentence("{count} email", "{count} emails", count=len(later))
        error = Sentence("{emails} could not be sent yet. {words}", emails=left, words=later[0])
        raise deferred(self, SomeNotSent(error))
    counts = Counter(what for _, _, what, _ in rows)
    unsent = [dict(zip(HEADINGS, row, strict=True)) for row in rows if row[2] != "sent"]
    return {"status": _counted(counts), "result": unsent}


def _until_possible(task: Any, obstacle: Obstacle, done: int, count: int) -> Exception:
    """Return the Retry by which a mailing waits until emails can be sent again."""
    if not isinstance(obstacle, SenderWaits):
        return until_there(task, obstacle)
    so_far = Sentence("{done} of {count} done.", done=done, count=count)
    return uncounted(task, SenderWaits(f"{obstacle} {so_far}", obstacle.seconds), obstacle.seconds)


def _question(mailing: Mailing) -> str:
    """Return the question before anything is sent: how many get it, and which limits delay it."""
    count = len(mailing.recipients)
    people = Sentence("{count} recipient", "{count} recipients", count=count)
    words: list[str] = [Sentence("Send this to {people}?", people=people)]
    if left_out := len(mailing.left_out):
        words.append(Sentence("{count} row left out.", "{count} rows left out.", count=left_out))
    if limits := limits_below(count):
        words += [*limits, Sentence("It waits in between.")]
    return " ".join(words)


def _preview(mailing: Mailing) -> None:
    """Show the first emails exactly as they will be sent, and log the rows that get none."""
    with progress.stream(Sentence("preview")) as out:
        for number, recipient in enumerate(mailing.recipients[:PREVIEWED]):
            subject, body = mailing.text_for(recipient)
            gap = "\n\n" if number else ""
            out.write(f"{gap}✉ {recipient.email}\n{subject}\n\n{body}\n")
    for row in mailing.left_out[:MAX_LOGGED]:
        progress.log(f"Line {row.line}: {row.why}", LEVELS["left out"])


def _send_all(task: Any, mailing: Mailing) -> tuple[dict[int, Outcome], Obstacle | None]:
    """Send the emails not sent yet; return outcomes by line, and what keeps all from being sent."""
    outcomes: dict[int, Outcome] = {}
    counts: Counter[str] = Counter()
    before = progress.saved or 0  # emails whose outcome earlier runs have settled
    progress.set(before, len(mailing.recipients))
    for done, recipient in enumerate(mailing.recipients, 1):
        news: list[Outcome] = []
        try:
            outcome = progress.once(
                recipient.effect,
                partial(_send, task, mailing, recipient, news),
                in_doubt=partial(_note, news, "unknown", LOST),
                commits=True,
            )
        except (MailUnavailable, SenderWaits) as obstacle:
            return outcomes, obstacle
        except (MailDeferred, LimitReached) as obstacle:
            outcome = _note(news, "not yet", str(obstacle))
        outcomes[recipient.line] = outcome
        counts[outcome[0]] += 1
        settled = max(before, done - counts["not yet"])
        # The bar does not count up again what earlier runs have done.
        if (news and settled > before) or done == len(mailing.recipients):
            progress.set(settled, len(mailing.recipients), _counted(counts))
        if news:
            what, words = outcome
            progress.log(f"{recipient.email}: {what}. {words}", LEVELS.get(what, "ERROR"))
            progress.save(settled)
    return outcomes, None


def _send(
    task: Any,
    mailing: Mailing,
    recipient: Recipient,
    news: list[Outcome],
    commit: Callable[[], None],
) -> Outcome:
    """Send one email, and return what became of it for good."""
    own_id = f"{task.request.id}.{recipient.line}"
    owner = getattr(task.request, "headway_owner", None) or ""
    count_in_mailing(owner, recipient.email, own_id)
    message = make_message(own_id, recipient.email, *mailing.text_for(recipient))
    try:
        with mail.connect() as connection:
            connection.send(message, commit=commit)
            outcome = _note(news, "sent", connection.reply)
    except MailRefused as refusal:
        outcome = _note(news, "refused", str(refusal))
    except OutcomeUnknown as error:
        outcome = _note(news, "unknown", str(error))
    except (MailDeferred, MailUnavailable):
        keep_count(own_id)
        raise
    OUTAGE.end(headway.redis)
    return outcome


def _note(news: list[Outcome], what: str, words: str) -> Outcome:
    """Return an outcome, and add it to the news of this run."""
    news.append([what, words])
    return news[-1]


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(COUNTS[what].format(count=counts[what]) for what in COUNTS if counts[what])


def _rows(mailing: Mailing, outcomes: Mapping[int, Outcome]) -> list[Row]:
    """Return what became of each row, in the order of the file."""
    rows = [(each.line, each.email, "left out", each.why) for each in mailing.left_out]
    for each in mailing.recipients:
        what, words = outcomes.get(each.line, ["not yet", ""])
        rows.append((each.line, each.email, what, words))
    return sorted(rows)
