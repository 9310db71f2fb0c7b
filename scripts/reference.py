"""Makes docs/reference.md from the settings and the docstrings: `make docs`.

With --check it changes nothing, and fails where the document is not what they say.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from enum import EnumType
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import headway  # noqa: E402  # from the path above
from app import settings as application  # noqa: E402
from headway import progress, settings  # noqa: E402
from headway.celery.run.asking import NO_DEFAULT  # noqa: E402
from headway.celery.run.progress_buffer import UNSET  # noqa: E402
from headway.limits import Limits  # noqa: E402
from headway.web.pages.template_functions import Pages  # noqa: E402

DOCUMENT = ROOT / "docs" / "reference.md"
HEAD = """# Reference

Made by `make docs` from `headway/settings.py`, `app/settings.py` and docstrings. Elsewhere: what
a client may rely on ([protocol.md](protocol.md)), the commands ([terminal.md](terminal.md)), the
test fixtures ([testing.md](testing.md)), the elements ([pages.md](pages.md)).

## Settings
"""
EXTENSION = (
    "init_app",
    "owner_loader",
    "visible",
    "start",
    "rerun",
    "every_task",
    "limits",
    "redis",
    "token",
    "revoke",
    "log_out",
)
# Public modules beside `headway` itself, whose names are in their `__all__`.
MODULES = ("views", "texts", "checks", "config", "secrets", "patching", "server")
PROGRESS = (
    "update",
    "set",
    "track",
    "save",
    "once",
    "ask",
    "step",
    "log",
    "stream",
    "file",
    "capture",
    "run",
    "flush",
    "bind",
)
TEMPLATES = ("scripts", "card", "list", "language_links", "reading", "size")


def document() -> str:
    """Return the whole document."""
    parts = [
        HEAD,
        _table("In a Flask app's config", settings.FLASK),
        "`HEADWAY_OWNER_LOADER` and `HEADWAY_VISIBLE` are what the decorators below register.\n",
        _table("In a Celery app's settings", settings.CELERY),
        "A task is kept for Celery's own `result_expires` after its end: a day by default, a week "
        "where that is off (None, 0).\n",
        _table("Of the reference application, in its environment", application.SETTINGS),
        "## Public names\n",
        *_section("From `headway`", _public()),
        *_section(
            "The extension: `headway = Headway()`", _members(headway.Headway, "headway", EXTENSION)
        ),
        *_section(
            "In a task: `from headway import progress`", _members(progress, "progress", PROGRESS)
        ),
        *_section(
            "Limits of a project's own: `headway.limits`",
            _members(Limits, "limits", ("take", "count_by")),
        ),
        *_section("In a template", _members(Pages, "headway", TEMPLATES)),
        "## For an app that is built on Headway\n",
        "The reference application uses these; most projects need none of them.\n",
        *(line for name in MODULES for line in _module(name)),
    ]
    return "\n".join(parts)


def _table(title: str, rows: Iterable[settings.Setting]) -> str:
    lines = [f"| `{each.name}` | {_default(each)} | {each.meaning} |" for each in rows]
    return "\n".join([f"### {title}\n", "| name | default | |", "|---|---|---|", *lines, ""])


def _default(setting: settings.Setting) -> str:
    default = setting.default
    if default in ("", None, ()):
        return ""
    if isinstance(setting, application.Derived):
        return str(default)
    if isinstance(default, float):
        return f"{default:g}"
    return f"`{default}`" if isinstance(default, str) else str(default).lower()


def _public() -> Iterator[tuple[str, Any]]:
    for name in headway.__all__:
        if name != "Headway":
            yield name, getattr(headway, name)


def _module(name: str) -> Iterator[str]:
    module = import_module(f"headway.{name}")
    yield f"### From `headway.{name}`\n"
    yield f"{inspect.getdoc(module)}\n"
    members = ((each, getattr(module, each)) for each in module.__all__)
    yield from islice(_section("", members), 1, None)


def _members(owner: Any, prefix: str, names: Iterable[str]) -> Iterator[tuple[str, Any]]:
    for name in names:
        yield f"{prefix}.{name}", getattr(owner, name)


def _section(title: str, members: Iterable[tuple[str, Any]]) -> Iterator[str]:
    yield f"### {title}\n"
    for name, member in members:
        yield f"**`{name}{_signature(member)}`**\n"
        yield f"{inspect.getdoc(member)}\n"
        if isinstance(member, EnumType):
            yield f"{', '.join(f'`{each}`' for each in member)}\n"


def _signature(member: Callable[..., Any]) -> str:
    if inspect.isclass(member):
        return ""
    if not callable(member):  # a property
        return ""
    found = inspect.signature(member)
    plain = [
        each.replace(
            annotation=each.empty,
            default=UNSAID if each.default in (UNSET, NO_DEFAULT) else each.default,
        )
        for name, each in found.parameters.items()
        if name not in ("self", "context")
    ]
    return str(found.replace(parameters=plain, return_annotation=found.empty))


class _Unsaid:
    """A default that has no name for a reader."""

    def __repr__(self) -> str:
        return "..."


UNSAID = _Unsaid()


def main() -> int:
    """Write the document, or say that it is not current; returns the exit code."""
    made = document()
    if "--check" not in sys.argv:
        DOCUMENT.write_text(made)
    elif not DOCUMENT.exists() or DOCUMENT.read_text() != made:
        print("Headway: docs/reference.md is not current: run make docs.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
