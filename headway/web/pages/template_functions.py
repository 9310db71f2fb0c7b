"""The template functions under `headway`: the script, a task's card, a list of tasks."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from flask import current_app, request, url_for
from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from headway.display.formats import format_size
from headway.display.labels import labels_for_page
from headway.display.languages import Language, current, known
from headway.display.words import Reading, read
from headway.shapes import SnapshotDict
from headway.tokens import read_token
from headway.web.assets import bundle_address, words_address
from headway.web.requests.language import CHOICE, project_language
from headway.web.requests.owners import identify_visitor
from headway.web.requests.viewers import carried_token, current_viewer, secret_keys_of


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
        link = Markup('<a href="{}">{}</a>').format(address, self.say("The task’s status"))
        return Markup('<headway-task src="{}" actions>{}</headway-task>').format(address, link)

    @property
    def language(self) -> Language:
        """The page's language: its `tag`, and its `direction` for `<html lang dir>`."""
        return current()

    def language_links(self) -> Markup:
        """Return the links to this page in the other languages, as a `<nav class="languages">`.

        "" where there is no choice: the project's own Flask-Babel says the language, or nothing is
        at this address to GET.
        """
        links = Markup("").join(
            Markup('<a href="{}" lang="{tag}" hreflang="{tag}">{}</a> ').format(
                address, language.name, tag=language.tag
            )
            for language, address in self._other_languages()
        )
        nav = Markup('<nav class="languages" aria-label="{}">{}</nav>')
        return nav.format(self.say("Language"), links) if links else links

    def _other_languages(self) -> list[tuple[Language, str]]:
        paths = current_app.create_url_adapter(request)
        if project_language() or (paths and "GET" not in paths.allowed_methods(request.path)):
            return []
        arguments = request.view_args or {}
        page = url_for(request.endpoint or "", **arguments)
        query = {name: values for name, values in request.args.lists() if name != "token"}
        if "task_id" in arguments:  # no other page is opened by a token, and none tells one else
            query |= carried_token(current_viewer())
        others = [each for each in known().values() if each is not current()]
        return [
            (each, f"{page}?{urlencode(query | {CHOICE: each.tag}, doseq=True)}") for each in others
        ]

    @property
    def list_address(self) -> str:
        """The address of the page of the viewer's tasks, with the token that opens this page."""
        token = request.args.get("token", "")
        # Without the viewer, who may be what cannot be read now: a page of an error has it too.
        opens = read_token(token, secret_keys_of(current_app)) is not None
        carried: dict[str, Any] = {"token": token} if opens else {}
        return url_for("headway_list.show", **carried)

    @property
    def words_address(self) -> str:
        """The address of the script with the language's words; "" for English."""
        return words_address()

    def say(self, text: str, **values: object) -> Markup:
        """Return a text of Headway's own in the page's language; values may be HTML."""
        said = Markup(escape(current().say(text)))
        return said.format(**values) if values else said

    def count(self, one: str, other: str, count: int, **values: object) -> Markup:
        """Return the text for a number of things in the page's language."""
        return Markup(escape(current().count(one, other, count, **values)))

    def size(self, size: int) -> str:
        """Return a number of bytes for people: "1.2 kB"."""
        return format_size(size)

    def reading(self, task: SnapshotDict) -> Reading:
        """Return the texts of a task's card in the page's language, as its script shows them."""
        return read(task, labels_for_page(task.get("name", "")))

    def list(self) -> Markup:
        """Return the live list of the visitor's own tasks, with their buttons.

        A visitor whom no cookie identifies gets one with the page.
        """
        identify_visitor()
        address = url_for("headway_list.show")
        link = Markup('<a href="{}">{}</a>').format(address, self.say("Your tasks"))
        return Markup('<headway-list src="{}" actions tab>{}</headway-list>').format(address, link)
