"""Keeps the catalogues of pages' texts: `make catalogues`, see docs/languages.md.

Extracts the texts, updates each language's .po file, and compiles these to the .json files that
pages are made from. With --check it changes nothing, and fails where a text is missing, empty,
fuzzy or has other names in braces than the English one, or a .json file is not its .po file's.
With --add TAG it begins a language.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

from babel import Locale
from babel.core import get_global
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po, write_po
from jinja2 import Environment, nodes

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from headway.arguments.form import label_of  # noqa: E402  # from above
from headway.display.languages import CATALOGUE, PLURALS_KNOWN, WORDS_FILE  # noqa: E402  # from above
from headway.registry import TASK_TYPES  # noqa: E402  # from above

SOURCE = "headway.po"
NAMES = re.compile(r"\{(\w+)\}")
# The same in every language.
UNTRANSLATED = {"language", "signs", "unknown_sign"}
# Calls whose texts are for people, and at which argument the text stands.
SAYING = {"say": 0, "Sentence": 0, "APIError": 2}
TELLING_CHARS = 5  # beside the names in braces
# What mostly programs read: without a translation it is English.
OPTIONAL = {"APIError"}
COUNTING = {"count", "Counted", "Sentence"}


@dataclass(frozen=True)
class Domain:
    """The texts of one package: where they stand, and where its catalogues are."""

    folder: Path
    templates: Path
    python: Path
    words: Path
    within: str = ""  # where its words stand among all of the browser's


DOMAINS = [
    Domain(
        ROOT / "headway" / "translations",
        ROOT / "headway" / "templates",
        ROOT / "headway",
        WORDS_FILE,
    ),
    Domain(
        ROOT / "app" / "translations",
        ROOT / "templates",
        ROOT / "app",
        ROOT / "static" / "js" / "page-words.js",
        "app",
    ),
]


@dataclass(frozen=True)
class Text:
    """A text in English; `plural` is "" for one that counts nothing."""

    text: str
    plural: str = ""
    context: str | None = None
    is_needed: bool = field(default=True, compare=False)

    @property
    def id(self) -> str | tuple[str, str]:
        return (self.text, self.plural) if self.plural else self.text


def texts_of(domain: Domain) -> dict[Text, str]:
    """Return all texts of a package, with the file of each."""
    found: dict[Text, str] = {}
    for path in sorted(domain.templates.rglob("*.html")):
        for text in _in_template(path.read_text("utf-8")):
            found.setdefault(text, str(path.relative_to(ROOT)))
    for path in sorted(domain.python.rglob("*.py")):
        for text in _in_python(path.read_text("utf-8")):
            if not found.get(text, "").endswith(".py"):  # what code says may reach a browser
                found[text] = str(path.relative_to(ROOT))
    if domain.within:
        for text in _of_tasks():
            found.setdefault(text, "app/tasks/__init__.py")
    for text in _in_words(_words(domain), ""):
        found.setdefault(text, str(domain.words.relative_to(ROOT)))
    return found


def _in_template(source: str) -> Iterator[Text]:
    for call in Environment().parse(source).find_all(nodes.Call):
        if not (isinstance(call.node, nodes.Getattr) and call.node.attr in SAYING | {"count": 0}):
            continue
        constants = [arg.value for arg in call.args if isinstance(arg, nodes.Const)]
        if call.node.attr in COUNTING and len(constants) >= 2:
            yield Text(constants[0], constants[1])
        elif call.node.attr in SAYING and constants:
            yield Text(constants[0])


def _in_python(source: str) -> Iterator[Text]:
    for call in ast.walk(ast.parse(source)):
        if not isinstance(call, ast.Call):
            continue
        name = getattr(call.func, "id", getattr(call.func, "attr", ""))
        texts = [getattr(argument, "value", None) for argument in call.args]
        texts = [text if isinstance(text, str) else "" for text in texts]
        at = SAYING.get(name, len(texts))
        if name in COUNTING and len(texts) > 1 and texts[0] and texts[1]:
            yield Text(texts[0], texts[1])
        elif any(texts[at : at + 1]):
            yield Text(texts[at], is_needed=name not in OPTIONAL)


def _words(domain: Domain) -> dict[str, Any]:
    text = domain.words.read_text("utf-8").partition("export default ")[2].rstrip(";\n")
    made: dict[str, Any] = json.loads(text)
    return {domain.within: made} if domain.within else made


def _of_tasks() -> Iterator[Text]:
    """Yield what the forms of the application's tasks say.

    Who adds a task need not know Chinese: without a translation it is English.
    """
    import_module("app.tasks")
    for kind in TASK_TYPES.values():
        said = [kind.heading, kind.summary]
        for argument in kind.arguments or ():
            said += [label_of(argument.name), argument.help]
        yield from (Text(text, is_needed=False) for text in said if text)


def _in_words(words: dict[str, Any], within: str) -> Iterator[Text]:
    for key, value in words.items():
        context = f"{within}{key}"
        if context in UNTRANSLATED:
            continue
        if isinstance(value, str):
            yield Text(value, context=context)
        elif "other" in value:
            yield Text(value["one"], value["other"], context)
        else:
            yield from _in_words(value, f"{context}.")


# Compiling


def compiled(catalogue: Catalog, domain: Domain) -> str:
    """Return a catalogue as JSON, as headway/display/languages.py reads it."""
    locale = catalogue.locale
    assert locale is not None
    tag = str(locale).replace("_", "-")
    forms = _forms(locale, catalogue)
    words = _translate(_words(domain), "", catalogue, forms)
    made = {
        "tag": tag,
        "name": (locale.get_display_name(locale) or tag).split(" (")[0],
        "direction": "rtl" if locale.text_direction == "rtl" else "ltr",
        "plurals": _plurals(locale),
        "others": _others(locale),
        "texts": {
            _key(message): _translated(message, forms)
            for message in catalogue
            if message.id and not message.context and message.string
        },
        "words": {
            **words,
            **({} if domain.within else {"language": tag}),
            "messages": _messages(catalogue),
        },
    }
    return json.dumps(made, ensure_ascii=False, indent=1) + "\n"


def _messages(catalogue: Catalog) -> dict[str, str]:
    """Return what the server's code says, which a browser may get in an answer, by the English.

    A text with names in braces is known by the words around them, if these are enough.
    """
    found: dict[str, str] = {}
    for message in catalogue:
        if not any(place.endswith(".py") for place, _ in message.locations):
            continue
        if isinstance(message.id, str):
            found[message.id] = str(message.string)
        elif message.string:
            one, other = message.id
            forms = _translated(message, _forms(catalogue.locale, catalogue))
            found[one] = forms.get("one", forms["other"]).replace("{count}", "1")
            found[other] = forms["other"]
    return {text: said for text, said in found.items() if said and _is_telling(text)}


def _is_telling(text: str) -> bool:
    """Whether a text is known by the words around the names in it."""
    return len(NAMES.sub("", text)) >= TELLING_CHARS or not NAMES.search(text)


def _key(message: Message) -> str:
    return str(message.id[0] if isinstance(message.id, tuple) else message.id)


def _translated(message: Message, forms: list[str]) -> Any:
    if isinstance(message.id, tuple):
        return dict(zip(forms, message.string, strict=True))
    return message.string


def _translate(words: Any, within: str, catalogue: Catalog, forms: list[str]) -> Any:
    found: dict[str, Any] = {}
    for key, value in words.items():
        context = f"{within}{key}"
        if context in UNTRANSLATED:
            found[key] = value
        elif isinstance(value, str) or "other" in value:
            id = value if isinstance(value, str) else (value["one"], value["other"])
            message = catalogue.get(id, context)
            found[key] = _translated(message, forms) if message and message.string else value
        else:
            found[key] = _translate(value, f"{context}.", catalogue, forms)
    return found


def _forms(locale: Locale, catalogue: Catalog) -> list[str]:
    """Return the plural form of each msgstr[n]."""
    by_place: dict[int, str] = {}
    expression = compile(_as_python(catalogue.plural_expr), "plural", "eval")
    for n in range(2 * PLURALS_KNOWN):
        by_place.setdefault(int(eval(expression, {"n": n})), locale.plural_form(n))
    return [by_place.get(place, "other") for place in range(catalogue.num_plurals)]


def _as_python(expression: str) -> str:
    """Return a Plural-Forms expression in Python."""
    text = expression.replace("&&", " and ").replace("||", " or ").strip()
    text = re.sub(r"!(?!=)", " not ", text)
    while found := re.search(r"([^?:()]+)\?([^?:()]+):(.+)", text):
        condition, yes, no = found.groups()
        text = f"{text[: found.start()]}(({yes}) if ({condition}) else ({no.rstrip()}))"
        if "?" not in text:
            break
    return text


def _plurals(locale: Locale) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for n in range(2 * PLURALS_KNOWN):
        form = locale.plural_form(n)
        if form != "other":
            found.setdefault(form, []).append(n)
    return found


def _others(locale: Locale) -> list[str]:
    """Return how tags begin that are written otherwise: zh-TW is not zh-Hans."""
    if not locale.script:
        return []
    own = f"{locale.language}_{locale.script}"
    found = {
        tag
        for tag, likely in get_global("likely_subtags").items()
        if tag.startswith(f"{locale.language}_") and not likely.startswith(own)
    }
    return sorted(tag.replace("_", "-") for tag in found)


# The three commands


def update(domain: Domain, texts: dict[Text, str], path: Path) -> None:
    """Write a .po file again, with what is there by now."""
    before = _read(path)
    after = Catalog(locale=before.locale, header_comment=before.header_comment, fuzzy=False)
    for text, where in texts.items():
        known = before.get(text.id, text.context)
        after.add(
            text.id,
            known.string if known else ("",) * after.num_plurals if text.plural else "",
            locations=[(where, 0)],
            flags=known.flags if known else (),
            context=text.context,
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_po(after))
    compiled_path(path).write_text(compiled(after, domain), "utf-8")


def compiled_path(path: Path) -> Path:
    """Return the .json file of a .po file."""
    return path.with_name(CATALOGUE)


def _po(catalogue: Catalog) -> bytes:
    out = BytesIO()
    write_po(out, catalogue, width=100, omit_header=True, include_lineno=False)
    head = (
        f'msgid ""\nmsgstr ""\n"Language: {catalogue.locale}\\n"\n'
        '"Content-Type: text/plain; charset=utf-8\\n"\n'
        f'"Plural-Forms: {catalogue.plural_forms}\\n"\n\n'
    )
    return head.encode() + out.getvalue()


def _read(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale=path.parent.name)


def faults(domain: Domain, texts: dict[Text, str], path: Path) -> Iterator[str]:
    """Say what is wrong with a .po file, and with the .json file made of it."""
    catalogue = _read(path)
    for text in texts:
        message = catalogue.get(text.id, text.context)
        label = f"{path.relative_to(domain.folder.parent.parent)}: {text.text!r}"
        if not (text.is_needed or (message and message.string)):
            continue
        if message is None:
            yield f"{label} is missing"
            continue
        strings = message.string if isinstance(message.string, tuple | list) else [message.string]
        if not all(strings):
            yield f"{label} has no translation"
        elif message.fuzzy:
            yield f"{label} is fuzzy"
        elif any(_names(string) != _names(text.plural or text.text) for string in strings):
            yield f"{label} has other names in braces"
    for message in catalogue:
        plural = message.id[1] if isinstance(message.id, tuple) else ""
        if message.id and Text(_key(message), plural, message.context) not in texts:
            yield f"{path.name}: {_key(message)!r} is said nowhere"
    json_path = compiled_path(path)
    if not json_path.exists() or json_path.read_text("utf-8") != compiled(catalogue, domain):
        yield f"{json_path} is not made of {path.name}: run make catalogues"


def _names(text: str) -> set[str]:
    # A count may be in words: "one", or left out.
    return set(NAMES.findall(text)) - {"count"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--add", metavar="TAG", help="a language, as de or pt-BR")
    options = parser.parse_args()
    wrong: list[str] = []
    for domain in DOMAINS:
        texts = texts_of(domain)
        if options.add:
            begun = domain.folder / options.add.replace("-", "_") / SOURCE
            begun.parent.mkdir(parents=True)
            begun.write_bytes(_po(Catalog(locale=begun.parent.name)))
        for path in sorted(domain.folder.glob(f"*/{SOURCE}")):
            if options.check:
                wrong += faults(domain, texts, path)
            else:
                update(domain, texts, path)
    for one in wrong:
        print(one, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
