"""Pages in the reader's language: which one that is, and the same words here and in the browser."""

from __future__ import annotations

import json
import re
import subprocess
from html import unescape
from pathlib import Path

import pytest
from flask import Flask, request
from flask_babel import Babel

from app import create_app
from headway import token
from headway.display import words
from headway.display.labels import LABELS, labels_for_page, labels_of
from headway.display.languages import ENGLISH, Language, Sentence, find, known, speaking
from headway.limits import LimitReached
from headway.web.requests.language import COOKIE, words_as_json
from headway.webpush.messages import message_of
from tests.processes import Valkey

ROOT = Path(__file__).resolve().parent.parent
CASES = [
    *json.loads((Path(__file__).parent / "contract.json").read_text())["snapshots"],
    *json.loads((Path(__file__).parent / "parts.json").read_text()),
]
CHINESE = {"Accept-Language": "de, zh-CN;q=0.9, en;q=0.8"}


@pytest.fixture(scope="module")
def app(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Flask:
    data = tmp_path_factory.mktemp("data")
    return create_app(
        {"REDIS_URL": valkey.url, "DATA_DIR": str(data), "SECRET_KEY": "a secret for the tests"}
    )


@pytest.mark.parametrize(
    ("tag", "found"),
    [
        ("zh", "zh-Hans"),
        ("zh-CN", "zh-Hans"),
        ("zh-hans-SG", "zh-Hans"),
        ("zh-TW", None),
        ("zh-Hant-HK", None),
        ("en-GB", "en"),
        ("zhx", None),
        ("", None),
    ],
)
def test_a_tag_means_the_language_that_its_reader_reads(tag: str, found: str | None):
    language = find(tag)

    assert (language.tag if language else None) == found


def lang_of(page: str) -> str:
    return page.partition('<html lang="')[2].partition('"')[0]


def test_the_choice_counts_before_the_browser_s_wish_and_this_before_the_setting(app: Flask):
    client = app.test_client()

    assert lang_of(client.get("/start").text) == "en"
    assert lang_of(client.get("/start", headers=CHINESE).text) == "zh-Hans"
    chosen = client.get("/start?lang=en", headers=CHINESE)
    assert lang_of(chosen.text) == "en"
    assert {"Accept-Language", "Cookie"} <= set(chosen.vary)
    assert client.get_cookie(COOKIE)
    assert lang_of(client.get("/", headers=CHINESE).text) == "en"  # remembered
    assert lang_of(client.get("/?lang=nonsense", headers=CHINESE).text) == "en"


def test_a_setting_says_the_language_of_all_others(app: Flask, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(app.config, "HEADWAY_LANGUAGE", "zh-Hans")
    client = app.test_client()

    assert lang_of(client.get("/start").text) == "zh-Hans"
    assert lang_of(client.get("/start", headers={"Accept-Language": "en"}).text) == "en"


def test_the_page_offers_the_other_languages_with_its_own_address(app: Flask):
    page = app.test_client().get("/?phase=failed&q=a").text

    assert 'href="/?phase=failed&amp;q=a&amp;lang=zh-Hans" lang="zh-Hans"' in page


def test_a_page_that_a_token_opens_stays_open_in_another_language(app: Flask):
    task_id = app.test_client().post("/longtask").get_json()["task_id"]
    page = f"/tasks/{task_id}?token={token(task_id, secret_key='a secret for the tests')}"
    stranger = app.test_client()

    shown = stranger.get(page, headers={"Accept": "text/html"}).text
    offered = re.search(r'href="([^"]+)" lang="zh-Hans"', shown)

    assert offered is not None
    chosen = stranger.get(unescape(offered[1]), headers={"Accept": "text/html"})
    assert chosen.status_code == 200
    assert lang_of(chosen.text) == "zh-Hans"


def test_programs_get_english(app: Flask):
    client = app.test_client()

    answer = client.post("/tasks", json={"name": "none"}, headers=CHINESE)

    assert answer.get_json()["error"]["message"].startswith("There is no task")


def test_what_is_wrong_with_a_form_is_chinese_for_a_person_and_english_for_a_program(app: Flask):
    client = app.test_client()
    page = {"Accept": "text/html", **CHINESE}
    client.get("/", headers=page)
    email = "a" * 300

    shown = client.post("/", data={"email": email, "submit": "Send"}, headers=page)
    form = {"args.email": email, "cookie": "required"}
    started = client.post("/start/send_async_email", data=form, headers=page)
    told = client.post("/tasks", json={"name": "send_async_email", "args": {"email": email}})

    assert (shown.status_code, started.status_code, told.status_code) == (400, 400, 400)
    assert "电子邮件地址最多 254 个字符。" in shown.text
    assert "电子邮件地址最多 254 个字符。" in started.text
    assert "未启动任何任务：有 1 个字段填写有误。" in started.text
    english = "An email address has at most 254 characters."
    assert told.get_json()["error"]["fields"] == {"email": english}


def test_a_limit_is_said_in_chinese():
    reached = LimitReached(Sentence("Too many tasks are waiting."), 90)

    assert str(reached) == "Too many tasks are waiting. Try again in 90 seconds."
    said = known()["zh-Hans"].say(reached.message)
    assert said == "等待中的任务过多。请在 90 秒后重试。"


def test_the_words_are_for_pages_of_any_origin(app: Flask):
    client = app.test_client()

    answer = client.get("/assets/words/zh-CN.json")

    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.get_json() == known()["zh-Hans"].words
    assert client.get("/assets/words/fr.json").get_json() == {}
    assert client.get("/assets/words/en.js").text == "globalThis.headwayWords={};"


def test_a_page_s_words_are_cached_for_a_year(app: Flask):
    client = app.test_client()
    page = client.get("/", headers=CHINESE).text
    address = page.partition('<script src="/assets/words')[2].partition('"')[0]

    answer = client.get(f"/assets/words{address}")

    assert "immutable" in answer.headers["Cache-Control"]
    assert "nosniff" in answer.headers["X-Content-Type-Options"]


# The same words on the server and in the browser

READ = """
globalThis.headwayWords = JSON.parse(process.argv[1]);
const base = process.argv[2];
const { translatedLabels } = await import(`${base}/language.js`);
const { read } = await import(`${base}/card-reading.js`);
const { headline } = await import(`${base}/words.js`);
const cases = JSON.parse(process.argv[3]);
const texts = cases.map(({ snapshot, labels: given }) => {
  const labels = translatedLabels(given);
  const { sign, figure, text } = read(snapshot, { now: 0, labels });
  return [sign, figure, headline(snapshot, labels), text];
});
console.log(JSON.stringify(texts));
"""


def test_the_server_draws_a_card_in_chinese_as_the_browser_does(app: Flask):
    cases = [
        {"snapshot": case["snapshot"], "labels": dict(labels_of(case["snapshot"]["name"]))}
        for case in CASES
        if case["snapshot"]["phase"] != "scheduled"  # its time is the reader's own
    ]
    modules = (ROOT / "headway" / "static" / "js").as_uri()
    arguments = [words_as_json("zh-Hans"), modules, json.dumps(cases)]
    node = ["node", "--input-type=module", "-e", READ, "--", *arguments]
    drawn = json.loads(subprocess.run(node, check=True, capture_output=True, text=True).stdout)

    with app.test_request_context(headers=CHINESE):
        for case, in_browser in zip(cases, drawn, strict=True):
            snapshot = case["snapshot"]
            labels = labels_for_page(snapshot["name"])
            reading = words.read(snapshot, labels)
            headline = words.headline(snapshot, labels)
            assert [reading.sign, reading.figure, headline, reading.text] == in_browser
    assert "已完成" in str(drawn)


# Languages


def test_a_number_has_the_form_of_its_language():
    polish = Language(
        "pl", "polski", "ltr", {}, plurals={"one": [1], "few": [2, 3, 4, 22, 102, 122]}
    )
    forms = {"one": "{count} plik", "few": "{count} pliki", "other": "{count} plików"}

    texts = [polish.counted(forms, count) for count in (1, 2, 5, 22, 101, 102, 112, 1022)]

    assert texts == [
        "1 plik",
        "2 pliki",
        "5 plików",
        "22 pliki",
        "101 plików",
        "102 pliki",
        "112 plików",
        "1\u202f022 pliki",
    ]


def test_a_sentence_is_english_and_remembers_what_it_is_made_of():
    sentence = Sentence("It has at most {most} items.", most=5)
    language = Language(
        "zh-Hans", "中文", "ltr", {}, {"It has at most {most} items.": "最多 {most} 项。"}
    )

    assert sentence == "It has at most 5 items."
    assert language.say(sentence) == "最多 5 项。"
    assert ENGLISH.say(sentence) == sentence


def test_a_project_s_flask_babel_says_the_language_and_keeps_its_own_texts(
    valkey: Valkey, tmp_path: Path
):
    app = create_app({"REDIS_URL": valkey.url, "DATA_DIR": str(tmp_path), "SECRET_KEY": "s" * 40})
    Babel(app, locale_selector=lambda: request.headers.get("X-Locale", "en"))
    gettext = app.jinja_env.globals["gettext"]
    client = app.test_client()

    chinese = client.get("/start?lang=en", headers={"X-Locale": "zh_Hans_CN"}).text
    other = client.get("/start", headers={"X-Locale": "fr", **CHINESE}).text

    assert lang_of(chinese) == "zh-Hans"
    assert lang_of(other) == "en"
    assert "?lang=" not in chinese  # the choice is the project's
    assert app.jinja_env.globals["gettext"] is gettext


def test_labels_of_a_task_are_translated_and_none_stands_in_another_language_s_sentence(
    app: Flask, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(LABELS, "shop", {"starts": "begins", "succeeded": "Shipped"})
    with app.test_request_context(headers=CHINESE):
        assert labels_for_page("send_async_email")["starts"] == "发送"
        assert labels_for_page("shop") == {"succeeded": "Shipped"}
    assert labels_for_page("shop") == LABELS["shop"]


def test_what_a_program_has_put_together_is_known_by_its_template():
    messages = {
        "Goes on at {percent} %": "从 {percent} % 处继续",
        "{field} must be {what}.": "{field} 必须是{what}。",
        "text": "文本",
        "Row {n} of {n}": "第 {n} 行",
    }
    made = Language("zh-Hans", "中文", "ltr", {"messages": messages})

    assert made.translated("Goes on at 42 %") == "从 42 % 处继续"
    assert made.translated("name must be text.") == "name 必须是文本。"
    assert made.translated("Row 3 of 3") == "第 3 行"
    assert made.translated("Row 3 of 4") == "Row 3 of 4"
    assert made.translated("Goes on (.*) at") == "Goes on (.*) at"


def test_a_text_of_several_sentences_is_known_sentence_by_sentence():
    messages = {"Send {what}?": "发送 {what}？", "It waits.": "会等待。", "{n} sent": "已发送 {n}"}
    made = Language("zh-Hans", "中文", "ltr", {"messages": messages})

    assert made.translated("Send 3? It waits.") == "发送 3？ 会等待。"
    assert made.translated("3 sent, 4 sent") == "已发送 3, 已发送 4"
    assert made.translated("Send 3? It does not.") == "Send 3? It does not."
    assert made.translated("3 sent, 4 lost") == "3 sent, 4 lost"


def test_a_card_says_headways_own_statuses_in_the_pages_language():
    chinese = known()["zh-Hans"]
    for status in words.STATUSES:
        filled = status.replace("{percent}", "42")
        assert chinese.translated(filled) != filled
        assert ("42" in chinese.translated(filled)) == ("42" in filled)


@pytest.mark.parametrize(("tag", "word"), [("zh-CN", "取消"), ("xx", "Cancelled")])
def test_a_notification_is_in_the_language_in_which_it_was_turned_on(tag: str, word: str):
    case = next(each["snapshot"] for each in CASES if each["snapshot"]["phase"] == "cancelled")

    with speaking(tag):
        told = message_of(case)

    assert told is not None
    assert word in json.loads(told.text)["body"]
