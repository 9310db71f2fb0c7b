"""A stream that is Markdown: said at each endpoint, kept with its text, shown as what it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Page, expect

from headway import progress
from headway.snapshot import Phase
from headway.store.model import Delivery, Source, StateWrite
from headway.store.records import Records
from headway.web.pages import markdown
from headway.web.pages.markdown import TaskFiles
from tests import by_hand
from tests.bodies import live_celery, read, run_task
from tests.by_hand import HERE, claimed_by
from tests.page import hear, start_by_hand
from tests.streamed import events
from tests.test_card_streams import Writer, card_of, output

SAMPLES = json.loads((Path(__file__).parent / "markdown.json").read_text())
MESSAGE: Any = {"task": "t", "args": [], "kwargs": {}, "options": {"queue": "celery"}}
EVIL = '<img src=x onerror="alert(1)"> [x](javascript:alert(1)) [y](//evil.example) ![z](/z)'


@pytest.mark.parametrize("sample", SAMPLES, ids=[each["text"][:20] for each in SAMPLES])
def test_the_server_shows_the_samples_that_the_script_is_held_to(sample: dict[str, str]):
    assert markdown.render(sample["text"], TaskFiles({}, {})) == sample["html"]


def test_a_task_says_that_its_stream_is_markdown(redis_url: str, records: Records):
    app = live_celery(redis_url)

    def body() -> None:
        progress.stream("answer", format="markdown").write("**42**")
        progress.stream("answer").write(" is it")
        progress.stream("plain").write("**42**")
        with pytest.raises(ValueError, match="plain text or 'markdown', not 'html'"):
            progress.stream("other", format="html")  # type: ignore[arg-type]  # it is refused

    task = app.task(name="writes", shared=False)(body)
    with events(records) as seen:
        run_task(task, "t-1")
        pushed = seen()
    app.close()

    streams = read(records, "t-1").streams
    assert streams["answer"]["format"] == "markdown"
    assert "format" not in streams["plain"]
    assert {event["name"]: event.get("format") for event in pushed if event["text"]} == {
        "answer": "markdown",
        "plain": None,
    }


def test_the_format_is_kept_with_the_text(records: Records):
    task_id = by_hand.claimed(records, MESSAGE)
    Writer(records, task_id).write("*a*", format="markdown")
    report = StateWrite(task_id, HERE, Phase.RUNNING, {}, "{}", "t", 4)
    save = report._replace(saved=by_hand.save_text(1), written="answer 3;")
    assert records.runs.write(save) == "written"
    by_hand.write(records, task_id, 1, Phase.FAILED)

    went_on = records.starts.create(
        owner="ada", message=MESSAGE, title="T", max_attempts=4, resume_from=task_id
    ).task_id
    assert read(records, went_on).streams["answer"]["format"] == "markdown"

    records.client.hset(records.keys.record(task_id), "sends", "one")
    about: Any = {"message": MESSAGE, "max_attempts": 4, "hostname": "w", "source": Source("two")}
    assert records.runs.claim(task_id, Delivery("anew"), "anew", **about) == "claimed"
    assert records.client.hget(records.keys.record(task_id), "stream_formats") is None


def test_a_page_without_scripts_has_it_rendered(client: FlaskClient, records: Records):
    task_id = claimed_by(client, records)
    run = Writer(records, task_id)
    run.write(f"# Answer\n\n**42** {EVIL}", format="markdown")
    run.write("\x1b[31m# red", "plain")

    page = client.get(f"/tasks/{task_id}", headers={"Accept": "text/html"}).text

    assert "<h3>Answer</h3>\n<p><strong>42</strong> &lt;img src=x" in page
    assert 'href="javascript' not in page
    assert "<a>y</a>" in page
    assert '<span class="ink-1"># red</span>' in page
    text = client.get(f"/tasks/{task_id}/streams/answer", headers={"Accept": "text/plain"})
    assert text.text.startswith("# Answer")


@pytest.mark.parametrize("place", ["list", "element", "page"])
def test_markdown_is_drawn_while_it_is_written(
    page: Page, web_address: str, shared_records: Records, place: str
):
    page.goto(web_address)
    task_id = start_by_hand(page, web_address, shared_records)
    run = Writer(shared_records, task_id)
    if place == "page":
        page.goto(f"{web_address}/tasks/{task_id}")
        expect(page.locator('[data-part="connection"]')).to_have_attribute("data-state", "live")
        box = page.locator("#stream-answer").get_by_role("log")
    else:
        box = output(card_of(page, web_address, task_id, place))

    run.write("# Ans", format="markdown")
    expect(box.get_by_role("heading", name="Ans", exact=True)).to_be_visible()
    run.write("wer\n\n- one\n- **tw")
    expect(box.get_by_role("heading", name="Answer")).to_be_visible()
    expect(box.get_by_role("listitem")).to_have_count(2)
    item = box.get_by_role("listitem").first  # of a text, and not of the tasks
    expect(item).to_have_css("display", "list-item")
    expect(item).to_have_css("padding-left", "0px")
    expect(item).to_have_css("list-style-type", "disc")
    run.write(f"o**\n\n[web](https://x.example/a) {EVIL}")
    expect(box.locator("strong")).to_have_text("two")
    link = box.get_by_role("link", name="web")
    expect(link).to_have_attribute("href", "https://x.example/a")
    expect(link).to_have_attribute("rel", "noopener noreferrer")
    expect(box).to_contain_text('<img src=x onerror="alert(1)">')
    expect(box.locator("a[href]")).to_have_count(1)
    expect(box.locator("img")).to_have_count(0)

    run.write("\n\nSee [more].\n\n[more]: https://x.example/m")
    more = box.get_by_role("link", name="more")
    expect(more).to_have_attribute("href", "https://x.example/m")  # nothing has followed
    run.write("ore\n\nThe end")
    expect(more).to_have_attribute("href", "https://x.example/more")
    expect(box.get_by_text("[more]")).to_have_count(0)
    expect(box.locator("a[href]")).to_have_count(2)

    again = run.begin_again()
    run.write("> over", run=again, format="markdown")
    expect(box.locator("blockquote")).to_have_text("over")
    expect(box.locator("h3")).to_have_count(0)


def test_what_reads_markdown_is_loaded_by_a_stream_that_is_markdown(
    page: Page, web_address: str, shared_records: Records
):
    page.goto(web_address)
    task_id = start_by_hand(page, web_address, shared_records)
    run = Writer(shared_records, task_id)
    loaded: list[str] = []
    page.on("request", lambda request: loaded.append(request.url.rpartition("/")[2]))

    card = card_of(page, web_address, task_id, "element")
    run.write("*plain*", "log")
    expect(output(card, "log")).to_have_text("*plain*")
    assert "headway-streams.js" in loaded
    assert "headway-markdown.js" not in loaded

    run.write("*said*", format="markdown")
    expect(output(card).locator("em")).to_have_text("said")
    assert loaded.count("headway-markdown.js") == 1


@pytest.mark.parametrize("place", ["element", "page"])
def test_without_what_reads_markdown_the_text_is_shown_as_it_was_written(
    page: Page, web_address: str, shared_records: Records, place: str
):
    page.goto(web_address)
    task_id = start_by_hand(page, web_address, shared_records)
    run = Writer(shared_records, task_id)
    run.write("# Answer\n\n", format="markdown")
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.route("**/headway-markdown.js", lambda route: route.abort())

    if place == "page":
        page.goto(f"{web_address}/tasks/{task_id}")
        box = page.locator("#stream-answer").get_by_role("log")
    else:
        box = output(card_of(page, web_address, task_id, place))
    hear(page, lambda: any("shown as plain text" in one for one in said), str(said))
    run.write("**42**")

    expect(box).to_contain_text("**42**")
    expect(box.locator("strong")).to_have_count(0)
    expect(box).to_have_css("white-space", "pre-wrap")
