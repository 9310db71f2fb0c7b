"""The template functions under `headway`: the script, a task's card, a list of tasks."""

from __future__ import annotations

from flask import url_for
from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from headway.web.assets import bundle_address


class Pages:
    """The template functions. Their HTML needs no inline script or style.

    Each element contains a link, which is shown where its script does not run.
    """

    @pass_context
    def scripts(self, context: Context, nonce: str | None = None) -> Markup:
        """Return the script's tag, needed once per page, with the page's CSP nonce.

        The nonce is the given one, else the template's `csp_nonce`: a text or, as Flask-Talisman
        provides it, a function.
        """
        if nonce is None:
            found = context.get("csp_nonce")
            nonce = found() if callable(found) else found
        attribute = Markup(' nonce="{}"').format(nonce) if nonce else ""
        return Markup('<script src="{}" defer{}></script>').format(bundle_address(), attribute)

    def card(self, task_id: str) -> Markup:
        """Return the live card of a task, with its buttons."""
        address = url_for("headway.status", task_id=task_id)
        link = Markup('<a href="{}">The task’s status</a>').format(address)
        return Markup('<headway-task src="{}" actions>{}</headway-task>').format(address, link)

    def list(self) -> Markup:
        """Return the live list of the visitor's own tasks, with their buttons."""
        address = url_for("headway.list_tasks")
        link = Markup('<a href="{}">Your tasks</a>').format(address)
        return Markup('<headway-list src="{}" actions tab>{}</headway-list>').format(address, link)
