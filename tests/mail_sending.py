"""Emails to a mail server of the tests', as the application sends them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from flask import Flask

from app.extensions import mail
from app.messages import make_message
from tests.smtp_server import make_certificate

TASK = "0d4c4b7e-2f0e-4a0b-9a3e-1c5d7f7b9a10"
PASSWORD = "correct horse"


def mail_app(port: int, **settings: object) -> Flask:
    app = Flask(__name__)
    app.config.update(
        MAIL_SERVER="127.0.0.1",
        MAIL_PORT=port,
        MAIL_DEFAULT_SENDER="flask@example.com",
        MAIL_TIMEOUT_SECONDS=20.0,
        MAIL_INBOX=None,
    )
    app.config.update(settings)
    mail.init_app(app)
    return app


def send(
    port: int,
    subject: str = "Hello",
    body: str = "Hi.",
    to: str = "ada@example.com",
    **settings: object,
) -> str:
    """Send one message and return the server's reply."""
    with mail_app(port, **settings).app_context(), mail.connect() as connection:
        connection.send(make_message(TASK, to, subject, body))
        return connection.reply


def certificate_for(folder: Path, name: str) -> Path:
    if not shutil.which("openssl"):
        pytest.skip("NO OPENSSL: mail over TLS was not tested. Install the command `openssl`.")
    return make_certificate(folder, name)
