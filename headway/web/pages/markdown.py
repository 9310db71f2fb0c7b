"""Renders the Markdown of a task's result as HTML, in which nothing of the text is HTML itself.

What may come out is a list of what is allowed: markdown-it knows no HTML here, a link leads to the
web or to a file of the task, and an image is such a file.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from math import ceil
from typing import Any, TypeAlias
from urllib.parse import unquote

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock, table
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from markdown_it.utils import OptionsDict
from markupsafe import Markup

from headway.web.pages.result_view import link_of
from headway.web.requests.limiting import take_turns

# A longer text is shown as it is: it would be parsed within a request, and the time that takes can
# grow with the square of the length.
MAX_CHARS = 32 * 1024
# The worst texts of 4 KiB take some 0.1 s of a core.
CHARS_OF_A_TURN = 4 * 1024
MAX_MISSING_CELLS = 1000  # of a table's rows
UNDER = 2  # levels that the page's own headings take
MAX_LEVEL = 6
ALIGN = {"text-align:right": "end", "text-align:center": "center", "text-align:left": "start"}

Env: TypeAlias = MutableMapping[str, Any]  # what `render` hands to the renderer


class TaskFiles:
    """The addresses of a task's files by name, of all and of the images alone."""

    def __init__(self, files: Mapping[str, str], images: Mapping[str, str]) -> None:
        self.files = files
        self.images = images


def render_in_turn(text: str, files: TaskFiles) -> Markup | None:
    """Return Markdown as `render` does, once it is the turn of the current request's visitor.

    Raises LimitReached.
    """
    if len(text) <= MAX_CHARS:
        take_turns(ceil(len(text) / CHARS_OF_A_TURN))
    return render(text, files)


def render(text: str, files: TaskFiles) -> Markup | None:
    """Return Markdown as HTML; None for a text that is too long."""
    if len(text) > MAX_CHARS:
        return None
    return Markup(PARSER.render(text, {"files": files}))  # all its text is escaped


class Renderer(RendererHTML):
    """Writes links, images, headings and cells; all else as markdown-it does."""

    def link_open(self, tokens: Sequence[Token], at: int, _: OptionsDict, env: Env) -> str:
        address = _address(tokens[at].attrGet("href"), env["files"].files)
        return f'<a href="{escapeHtml(address)}" rel="noopener noreferrer">' if address else "<a>"

    def image(self, tokens: Sequence[Token], at: int, options: OptionsDict, env: Env) -> str:
        """Show a file of the task; an image from elsewhere, which would tell who looks, is text."""
        token = tokens[at]
        alt = escapeHtml(self.renderInlineAsText(token.children or (), options, env))
        source = env["files"].images.get(unquote(str(token.attrGet("src"))))
        return f'<img src="{escapeHtml(source)}" alt="{alt}" loading="lazy">' if source else alt

    def heading_open(self, tokens: Sequence[Token], at: int, *_: Any) -> str:
        return f"<{_heading(tokens[at])}>"

    def heading_close(self, tokens: Sequence[Token], at: int, *_: Any) -> str:
        return f"</{_heading(tokens[at])}>\n"

    def td_open(self, tokens: Sequence[Token], at: int, *_: Any) -> str:
        """Write a cell; its alignment is a class, since the page obeys no style of its elements."""
        aligned = ALIGN.get(str(tokens[at].attrGet("style")))
        return f'<{tokens[at].tag} class="{aligned}">' if aligned else f"<{tokens[at].tag}>"

    th_open = td_open


def _address(href: object, files: Mapping[str, str]) -> str:
    """Return where a link may lead: to a file of the task or to the web, else ""."""
    return files.get(unquote(str(href))) or link_of(href)


def _heading(token: Token) -> str:
    return f"h{min(MAX_LEVEL, int(token.tag[1:]) + UNDER)}"


def _bounded_table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Read a table, unless most of its cells are not there: a line may stand for a thousand."""
    if silent or not table(state, start, end, True):
        return table(state, start, end, silent)
    columns = _bars(state, start)
    missing = 0
    for row in range(start + 2, end):
        if state.isEmpty(row):
            break
        missing += max(0, columns - _bars(state, row))
        if missing > MAX_MISSING_CELLS:
            return False
    return table(state, start, end, silent)


def _bars(state: StateBlock, line: int) -> int:
    return state.src.count("|", state.bMarks[line], state.eMarks[line])


def _backslash_before_spaces(state: StateInline, silent: bool) -> bool:
    """Read a backslash before a space as itself: the spaces may be a line break, as in CommonMark.

    markdown-it-py takes the first of them to the backslash; the browser's markdown-it does not.
    """
    if not state.src.startswith("\\ ", state.pos):
        return False
    if not silent:
        state.pending += "\\"
    state.pos += 1
    return True


PARSER = MarkdownIt("commonmark", {"html": False}, renderer_cls=Renderer)
PARSER.enable(["table", "strikethrough"])
PARSER.block.ruler.at("table", _bounded_table, {"alt": ["paragraph", "reference"]})
PARSER.inline.ruler.before("escape", "backslash_before_spaces", _backslash_before_spaces)
