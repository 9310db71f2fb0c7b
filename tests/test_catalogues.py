"""The catalogues of pages' texts: complete, and a language is added as docs/languages.md says."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from babel.messages.catalog import Catalog

from app import tasks  # noqa: F401 - which registers them
from headway.arguments.form import label_of
from headway.display import languages
from headway.registry import TASK_TYPES

OWN_TASKS = ("long_task", "send_async_email", "import_contacts", "send_mailing")
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    """Return scripts/catalogues.py, which reads the texts of each source file once."""
    spec = importlib.util.spec_from_file_location("catalogues", ROOT / "scripts" / "catalogues.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "catalogues", module)
        spec.loader.exec_module(module)
        for name in ("_in_python", "_in_template"):
            patch.setattr(module, name, read_once(getattr(module, name)))
        yield module


def read_once(texts_in: Callable[[str], Iterator[Any]]) -> Callable[[str], tuple[Any, ...]]:
    return cache(lambda source: tuple(texts_in(source)))


@pytest.fixture
def catalogues(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the script, at work on a copy of the library's catalogues."""
    folder = tmp_path / "translations"
    shutil.copytree(languages.FOLDER, folder)
    monkeypatch.setattr(script, "DOMAINS", [replace(script.DOMAINS[0], folder=folder)])
    return script


def run(module: ModuleType, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["catalogues.py", *arguments])
    return int(module.main())


def translate(catalogue: Catalog) -> None:
    """Say each text in the language of this test: with marks around it."""
    for message in catalogue:
        if message.id and isinstance(message.id, tuple):
            message.string = tuple(f"⟦{message.id[1]}⟧" for _ in message.string)
        elif message.id:
            message.string = f"⟦{message.id}⟧"


def test_a_language_is_added_in_the_steps_of_the_document(
    catalogues: ModuleType, monkeypatch: pytest.MonkeyPatch
):
    assert "make catalogues ADD=" in (ROOT / "docs" / "languages.md").read_text()
    [domain] = catalogues.DOMAINS
    path = domain.folder / "ar" / "headway.po"

    run(catalogues, monkeypatch, "--add", "ar")
    assert run(catalogues, monkeypatch, "--check") == 1  # nothing is translated yet
    catalogue = catalogues._read(path)
    translate(catalogue)
    path.write_bytes(catalogues._po(catalogue))
    run(catalogues, monkeypatch)
    assert run(catalogues, monkeypatch, "--check") == 0

    monkeypatch.setattr(languages, "_folders", [domain.folder])
    languages.known.cache_clear()
    try:
        arabic = languages.find("ar-EG")
        assert arabic
        assert arabic.direction == "rtl"
        assert arabic.words["actions"]["cancel"] == "⟦Cancel⟧"
        forms = arabic.words["actions"]["cancel_all"]
        assert set(forms) == {"zero", "one", "two", "few", "many", "other"}
        counted = {
            n: next(k for k, v in arabic.plurals.items() if n in v) for n in (0, 1, 2, 7, 50)
        }
        assert counted == {0: "zero", 1: "one", 2: "two", 7: "few", 50: "many"}
    finally:
        languages.known.cache_clear()


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ('msgstr "立即运行"', 'msgstr ""', "'Run now' has no translation"),
        ('msgid "Run now"', 'msgid "Run never"', "'Run now' is missing"),
        ('msgid "Run now"', 'msgid "Run never"', "'Run never' is said nowhere"),
        ('msgctxt "actions.now"', '#, fuzzy\nmsgctxt "actions.now"', "'Run now' is fuzzy"),
        ("前面还有 {count} 个", "前面还有 {number} 个", "has other names in braces"),
        ('msgstr "立即运行"', 'msgstr "马上运行"', "run make catalogues"),
    ],
)
def test_the_check_finds_each_fault(
    catalogues: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    before: str,
    after: str,
    fault: str,
):
    path = catalogues.DOMAINS[0].folder / "zh_Hans" / "headway.po"
    text = path.read_text()
    assert before in text

    path.write_text(text.replace(before, after))

    assert run(catalogues, monkeypatch, "--check") == 1
    assert fault in capsys.readouterr().err


def test_no_sign_or_number_of_a_text_is_lost():
    chinese = json.loads((languages.FOLDER / "zh_Hans" / "headway.json").read_text())

    assert chinese["words"]["signs"] == languages.ENGLISH.words["signs"]
    assert chinese["words"]["language"] == chinese["tag"] == "zh-Hans"


@pytest.mark.parametrize("name", OWN_TASKS)
def test_what_the_form_of_a_task_of_the_application_says_is_translated(name: str):
    kind = TASK_TYPES[name]
    said = [kind.heading, kind.summary]
    for argument in kind.arguments or ():
        said += [label_of(argument.name), argument.help]

    for catalogue in sorted((ROOT / "app" / "translations").glob("*/headway.json")):
        texts = json.loads(catalogue.read_text())["texts"]
        assert [text for text in said if text and text not in texts] == []
