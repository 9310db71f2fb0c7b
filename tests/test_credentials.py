"""Passwords and tokens that no setting names, known by what stands before them."""

from __future__ import annotations

import pytest

from headway import masking

SECRET = "mArk3d-pw"
MASKED = {
    f"redis://ops:{SECRET}@db/0": "redis://***@db/0",
    f"?next=redis%3A%2F%2Fops%3A{SECRET}%40db%2F0&a=1": "?next=redis%3A%2F%2F***%40db%2F0&a=1",
    f"?next=http%3a%2f%2fops%3a{SECRET}%40db": "?next=http%3a%2f%2f***%40db",
    f"connect(user=ops, password={SECRET}), failed": "connect(user=ops, password=***), failed",
    f"Server=db;UID=sa;Pwd={SECRET};Timeout=3": "Server=db;UID=sa;Pwd=***;Timeout=3",
    f"MAIL_PASSWORD={SECRET} is wrong.": "MAIL_PASSWORD=*** is wrong.",
    f"AWS_SECRET_ACCESS_KEY='{SECRET} {SECRET}'": "AWS_SECRET_ACCESS_KEY='***'",
    f"GET /files?api_key={SECRET}&page=2": "GET /files?api_key=***&page=2",
    f"GET /files?page=2&token={SECRET}": "GET /files?page=2&token=***",
    f"{{'password': '{SECRET}', 'port': 25}}": "{'password': '***', 'port': 25}",
    f"""{{'password': "it's {SECRET}"}}""": """{'password': "***"}""",
    f'{{"client_secret":"{SECRET}","port":25}}': '{"client_secret":"***","port":25}',
    f"Authorization: Basic {SECRET}==": "Authorization: Basic ***",
    f"{{'Authorization': 'Bearer {SECRET}.a.b'}}": "{'Authorization': 'Bearer ***'}",
    f"proxy-authorization: bearer {SECRET}\r\n": "proxy-authorization: bearer ***\r\n",
}
PROSE = [
    "The password is wrong: try another password.",
    "Wrong password: 3 attempts remain",
    "password= must be set, and so must token=",
    "Basic authentication, by the bearer of a token: yes.",
    "token=the eos_token=<|end_of_text|> tokens=1000000000 max_new_tokens=512 next_token=123456789",
    '{"token": "the quick", "logprob": -0.1}',
    "primary_key=123456 passed=True compass=north secretary='Ada'",
    "http://example.com/ada@example.com?a=1",
]


@pytest.mark.parametrize("text", MASKED)
def test_a_credential_is_masked_and_nothing_beside_it(text: str):
    assert masking.mask(f"before {text} after") == f"before {MASKED[text]} after"


@pytest.mark.parametrize("text", PROSE)
def test_what_only_speaks_of_credentials_stays(text: str):
    assert masking.mask(text) == text


def in_pieces(pieces: list[str]) -> str:
    """Return what is shown of a stream that is written in these pieces."""
    stream = masking.MaskedStream()
    return "".join(stream.feed(piece, is_last=False) for piece in pieces) + stream.feed(
        "", is_last=True
    )


@pytest.mark.parametrize("text", MASKED)
def test_it_is_masked_in_a_stream_wherever_two_writes_part_it(text: str):
    whole = f"before {text} after"

    for end in range(len(whole)):
        for start in range(end):
            pieces = [whole[:start], whole[start:end], whole[end:]]
            assert in_pieces(pieces) == f"before {MASKED[text]} after", pieces
    assert in_pieces(list(whole)) == f"before {MASKED[text]} after"


@pytest.mark.parametrize("text", MASKED)
def test_no_part_of_it_stays_at_a_cut(text: str):
    for limit in range(1, len(text) + 10):
        assert SECRET[:2] not in masking.head(f"{text} {'after ' * 20}", limit), limit
