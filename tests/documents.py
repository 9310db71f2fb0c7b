"""The examples of a document, by the file name that stands in their first line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from celery import _state, current_app

from headway.celery.sends import load_owner_by, nobody
from tests.processes import ROOT


def page(name: str) -> str:
    """Return the text of a document, as "README.md" or "docs/pages.md"."""
    return (ROOT / name).read_text()


def files_of(name: str) -> dict[str, str]:
    """Return the files of a document's examples: "# shop.py" in the first line names one."""
    blocks = re.findall(r"```\w+\n(?:# |<!-- )(\S+\.\w+)(?: -->)?\n(.*?)```", page(name), re.DOTALL)
    files = dict(blocks)
    assert len(files) == len(blocks), f"{name} names a file twice"
    return files


@contextmanager
def module_of(name: str, file: str) -> Iterator[ModuleType]:
    """An example as a module, without a folder; what it registers in this process goes after it."""
    current, finalizers = current_app._get_current_object(), set(_state._on_app_finalizers)
    module = ModuleType(file.removesuffix(".py"))
    try:
        exec(compile(files_of(name)[file], file, "exec"), module.__dict__)
        yield module
    finally:
        current.set_current()
        _state._on_app_finalizers = finalizers  # else each later app would get its tasks
        load_owner_by(nobody)
