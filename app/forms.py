"""Parses and checks the page's forms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.addresses import BadAddress, check_address
from headway.texts import Sentence

COUNTDOWNS = {"Send": 0.0, "Send in 1 minute": 60.0}


@dataclass(frozen=True)
class EmailForm:
    """The email form: the address, the delay in seconds, and error messages by field."""

    email: str
    countdown: float
    errors: Mapping[str, str]

    @classmethod
    def read(cls, form: Mapping[str, str]) -> EmailForm:
        email = form.get("email", "").strip(" ")
        submit = form.get("submit", "")
        errors = {}
        try:
            check_address(email)
        except BadAddress as error:
            errors["email"] = error.args[0]
        if submit not in COUNTDOWNS:
            errors["submit"] = Sentence("Must be one of: {choices}.", choices=", ".join(COUNTDOWNS))
        return cls(email, COUNTDOWNS.get(submit, 0.0), errors)
