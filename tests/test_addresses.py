"""Which texts are addresses, and what is said of the others."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from app.addresses import BadAddress, check_address
from headway.display.languages import say, speaking
from tests.mail_sending import mail_app
from tests.processes import free_port


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ada@example.com", "ada@example.com"),
        ("Ada.Lovelace+news@EXAMPLE.com", "Ada.Lovelace+news@example.com"),
        ("ada@bücher.de", "ada@xn--bcher-kva.de"),
        ("ada@straße.de", "ada@xn--strae-oqa.de"),
        ("a%0d%0a@example.com", "a%0d%0a@example.com"),
        (
            "a" * 64 + "@" + ("b" * 60 + ".") * 3 + "com",
            "a" * 64 + "@" + ("b" * 60 + ".") * 3 + "com",
        ),
    ],
)
def test_an_address_is_given_back_as_the_mail_server_gets_it(text: str, address: str):
    with mail_app(free_port()).app_context():
        assert check_address(text) == address
        assert check_address(address) == address


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Enter an email address"),
        ("nobody", "@-sign"),
        ("@example.com", "before the @-sign"),
        ("ada@", "after the @-sign"),
        ("ada@localhost", ""),
        ("ada@[127.0.0.1]", ""),
        ("ada@example..com", ""),
        ("a b@example.com", ""),
        ("jürgen@example.com", "before the @-sign"),
        ('"a b"@example.com', ""),
        ("ada@example.com\r\nBcc: eve@example.com", "line breaks"),
        ("ada@example.com\x00", "invisible"),
        ("ada@exam\u200bple.com", "invisible"),
        ("\u202eada@example.com", "invisible"),
        ("ada@example.com, bob@example.com", "not several"),
        ("ada@example.com bob@example.com", "not several"),
        ("ada@example.com;bob", "not several"),
        ("=?utf-8?q?ada?=@example.com", "encoded words"),
        ("=?us-ascii?b?YWRh?=@example.com", "encoded words"),
        ("ada=?utf-8?q?=0A?=@example.com", "encoded words"),
        ("Ada <ada@example.com>", "without a name"),
        ("a" * 250 + "@example.com", "at most 254"),
        ("ada@" + "ü." * 120 + "de", ""),
    ],
)
def test_what_is_no_address_is_refused_in_a_sentence(text: str, why: str):
    with mail_app(free_port()).app_context(), pytest.raises(BadAddress) as caught:
        check_address(text)

    sentence = str(caught.value)
    assert why in sentence
    assert sentence.endswith(".")
    assert len(sentence.splitlines()) == 1


def test_test_domains_pass_only_where_mail_stays_here(tmp_path: Path):
    with mail_app(free_port(), MAIL_INBOX=tmp_path).app_context():
        assert check_address("ada@example.test") == "ada@example.test"

    with mail_app(free_port()).app_context(), pytest.raises(BadAddress):
        check_address("ada@example.test")


@pytest.mark.parametrize(
    "text",
    [
        "nobody",
        "@example.com",
        "ada@",
        "ada@example..com",
        "a b@example.com",
        "ada@exam_ple.com",
        "ada@localhost",
    ],
)
def test_what_is_often_wrong_is_said_in_the_readers_language(app: Flask, text: str):
    with app.app_context(), pytest.raises(BadAddress) as wrong:
        check_address(text)

    with speaking("zh-Hans"):
        said = say(str(wrong.value))

    assert said != str(wrong.value)


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_refused(text: str):
    with mail_app(1).app_context():
        try:
            address = check_address(text)
        except BadAddress:
            return
        assert address.isascii()
        assert address.count("@") == 1
        assert address.isprintable()
