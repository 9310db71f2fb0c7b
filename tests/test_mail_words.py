"""Why an email was not sent, in the language of the page that shows it."""

from __future__ import annotations

import pickle
import re
import smtplib
import ssl

import pytest

from app.mail_errors import LOST, ErrorTranslator, OutcomeUnknown
from headway import RedisUnavailable
from headway.display.languages import CATALOGUE, known, load
from tests.processes import ROOT

ENGLISH_WORD = re.compile(r"\b[a-z]{3,}")
REPLY = 554, b"No, 5.7.1."
OWN = load(ROOT / "app" / "translations" / "zh_Hans" / CATALOGUE)
UNTRUSTED = ssl.SSLCertVerificationError()
UNTRUSTED.verify_message = "5.7.1"
ODD_TLS = ssl.SSLError()
ODD_TLS.reason = "5.7.1"


def why(error: Exception, *, connecting: bool = False) -> Exception:
    translator = ErrorTranslator("ada", "secret", 2.5)
    with (
        pytest.raises(Exception, match=r"\w") as caught,
        translator.connecting() if connecting else translator.sending(),
    ):
        raise error
    return caught.value


@pytest.mark.parametrize(
    "error",
    [
        why(smtplib.SMTPConnectError(*REPLY), connecting=True),
        why(smtplib.SMTPHeloError(*REPLY), connecting=True),
        why(smtplib.SMTPAuthenticationError(*REPLY), connecting=True),
        why(smtplib.SMTPResponseException(*REPLY), connecting=True),
        why(smtplib.SMTPResponseException(530, REPLY[1])),
        why(smtplib.SMTPResponseException(*REPLY)),
        why(smtplib.SMTPResponseException(399, b"No, 5.7.1.")),
        why(RedisUnavailable()),
        why(TimeoutError()),
        why(UNTRUSTED),
        why(ODD_TLS),
        why(ConnectionResetError()),
        why(smtplib.SMTPNotSupportedError("5.7.1")),
        why(OSError(1, "5.7.1")),
        OutcomeUnknown(),
        OutcomeUnknown(LOST),
    ],
    ids=str,
)
def test_each_reason_is_told_in_chinese_with_the_servers_own_words(error: Exception):
    from_a_run = pickle.loads(pickle.dumps(error))  # as a worker's process hands it on

    said = known()["zh-Hans"].joined(OWN).translated(str(from_a_run))

    assert str(from_a_run) == str(error)
    assert not ENGLISH_WORD.search(said), said
    for word in re.findall(r"\d[\d.]*\d", str(error)):
        assert word in said
