"""The languages of pages: their catalogues, and which one the current request has.

English is the source: its texts stand in the code and in static/js/card-words.js, which the script
reads too. Each other language has a catalogue in translations/, see docs/languages.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

from headway.display.formats import format_number

LIBRARY = Path(__file__).resolve().parent.parent
FOLDER = LIBRARY / "translations"
WORDS_FILE = LIBRARY.joinpath("static", "js", "card-words.js")
CATALOGUE = "headway.json"
TEXTS = "*.json"  # beside the catalogues: a project's own
NAMED = re.compile(r"\{(\w+)\}")
# Between the sentences of a text, and between the things that it lists.
BETWEEN = re.compile(r"((?<=[.?!]) |, )")
# From here on the plural form of a number follows its last two digits.
PLURALS_KNOWN = 100


class Sentence(str):
    """An English sentence that a page can say in another language: it keeps what it is made of.

    `Sentence("It has at most {most} items.", most=5)`: values are English themselves, or numbers.
    """

    template: str
    plural: str  # "" for one that counts nothing
    values: Mapping[str, Any]

    def __new__(cls, template: str, plural: str = "", **values: object) -> Sentence:
        """Make a sentence; `plural` is for any `count` among the values but 1."""
        chosen = plural if plural and values["count"] != 1 else template
        made = super().__new__(cls, chosen.format(**values) if values else chosen)
        made.template = template
        made.plural = plural
        made.values = values
        return made


class Counted(NamedTuple):
    """An English text for one thing, and the one for several."""

    one: str
    other: str


@dataclass(frozen=True)
class Language:
    """A language: its BCP 47 tag, its own name, "ltr" or "rtl", and its words."""

    tag: str
    name: str
    direction: str
    words: Mapping[str, Any]  # of cards and lists, as card-words.js has them
    texts: Mapping[str, Any] = field(default_factory=dict)  # by the English; plural ones by form
    # Numbers below 200 by their plural form; all others are "other".
    plurals: Mapping[str, list[int]] = field(default_factory=dict)
    # How tags begin that are another language's, though they begin as this one's.
    others: tuple[str, ...] = ()

    def say(self, text: str, **values: object) -> str:
        """Return a text in this language, English where its catalogue has none."""
        if isinstance(text, Sentence):
            values = {**text.values, **values}
            values = {
                name: self.say(value) if isinstance(value, Sentence) else value
                for name, value in values.items()
            }
            if text.plural:
                return self.count(text.template, text.plural, **values)  # type: ignore[arg-type]
            text = text.template
        found = self.texts.get(text) or (text if values else self.translated(text))
        return str(found.format(**values) if values else found)

    def count(self, one: str, other: str, count: int, **values: object) -> str:
        """Return the text for a number of things: `one` and `other` are the English ones."""
        forms = self.texts.get(one) or {"one": one, "other": other}
        return self.counted(forms, count, **values)

    def counted(self, forms: Mapping[str, str], count: int, **values: object) -> str:
        """Return the text for a number of things from those by plural form."""
        known = count if count < PLURALS_KNOWN else PLURALS_KNOWN + count % PLURALS_KNOWN
        form = next((name for name, counts in self.plurals.items() if known in counts), "other")
        number = format_number(count)
        return forms.get(form, forms["other"]).format(count=number, **values)

    def translated(self, text: str) -> str:
        """Return a text that a program has put together in English, in this language.

        It is known by the English text that it was made of, or sentence by sentence; one that is
        not stays as it is.
        """
        parts = BETWEEN.split(text)
        known = [self._known(part) for part in parts[::2]]
        if None not in known:
            parts[::2] = known
            return "".join(parts)
        return self._known(text) or text

    def _known(self, text: str) -> str | None:
        """Return a text by a message, or by one with names in braces; None if there is neither."""
        messages: Mapping[str, str] = self.words.get("messages", {})
        if text in messages:
            return messages[text]
        for pattern, words in self._templates:
            if found := pattern.fullmatch(text):
                return words.format(**{k: self.translated(v) for k, v in found.groupdict().items()})
        return None

    @cached_property
    def _templates(self) -> list[tuple[re.Pattern[str], str]]:
        """The messages with names in braces, those with most words of their own first."""
        messages: Mapping[str, str] = self.words.get("messages", {})
        named = [(NAMED.split(text), words) for text, words in messages.items() if "{" in text]
        named.sort(key=lambda each: -sum(map(len, each[0][::2])))
        return [(_pattern(parts), words) for parts, words in named]

    def joined(self, other: Language) -> Language:
        """Return this language with another catalogue's texts."""
        messages = {**self.words.get("messages", {}), **other.words.get("messages", {})}
        words = {**self.words, **other.words, "messages": messages}
        return replace(self, texts={**self.texts, **other.texts}, words=words)

    def is_meant_by(self, tag: str) -> bool:
        """Whether a reader who asks for a language by this tag is to get this one."""
        asked = tag.lower()
        own = self.tag.lower()
        if _begins(asked, own):
            return True
        return _begins(asked, own.split("-")[0]) and not any(
            _begins(asked, one.lower()) for one in self.others
        )


def _pattern(parts: list[str]) -> re.Pattern[str]:
    """Return a pattern for a text from its parts: words, a name, words, and so on."""
    found = []
    for at, part in enumerate(parts):
        is_again = part in parts[1:at:2]
        name = f"(?P={part})" if is_again else f"(?P<{part}>.+?)"
        found.append(name if at % 2 else re.escape(part))
    return re.compile("".join(found), re.DOTALL)


def _begins(tag: str, with_: str) -> bool:
    return f"{tag}-".startswith(f"{with_}-")


def _english_words() -> dict[str, Any]:
    text = WORDS_FILE.read_text("utf-8")
    words: dict[str, Any] = json.loads(text.partition("export default ")[2].rstrip(";\n"))
    return words


ENGLISH = Language("en", "English", "ltr", _english_words(), plurals={"one": [1]})


def load(path: Path) -> Language:
    """Return the language of a catalogue."""
    made = json.loads(path.read_text("utf-8"))
    return Language(**{**made, "others": tuple(made["others"])})


def load_texts(path: Path) -> Language:
    """Return the language of a file of texts by the English ones. Raises ValueError."""
    try:
        texts = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no JSON: {error}") from None
    if not isinstance(texts, dict) or not all(isinstance(each, str) for each in texts.values()):
        raise ValueError(f"{path} must be a JSON object of texts by the English ones.")
    tag = path.stem
    return Language(tag, tag, "ltr", {"messages": texts}, texts)


_folders = [FOLDER]


def add_translations(folder: Path) -> None:
    """Add a project's translations: of its own texts, and of Headway's into another language.

    `folder` holds `zh-Hans.json`, a JSON object of texts by the English ones, for each language; or
    catalogues as Headway has them. To be called before the first page is made. Raises ValueError
    for a file that is no such object.
    """
    for path in folder.glob(TEXTS):
        load_texts(path)
    if folder not in _folders:
        _folders.append(folder)
        known.cache_clear()


@cache
def known() -> Mapping[str, Language]:
    """Return all languages by their tags, English first."""
    found = {ENGLISH.tag: ENGLISH}
    for folder in _folders:
        catalogues = map(load, sorted(folder.glob(f"*/{CATALOGUE}")))
        texts = map(load_texts, sorted(folder.glob(TEXTS)))
        for made in (*catalogues, *texts):
            before = found.get(made.tag, replace(made, words=ENGLISH.words))
            found[made.tag] = before.joined(made)
    return found


def find(tag: str) -> Language | None:
    """Return the language for a tag such as "zh-CN", None if no catalogue has it."""
    return next((each for each in known().values() if each.is_meant_by(tag)), None)


_choosers: list[Callable[[], Language]] = []
_spoken: ContextVar[Language | None] = ContextVar("headway_language", default=None)


@contextmanager
def speaking(tag: str) -> Iterator[None]:
    """Have what is said within be in the language of this tag, English if it is not known."""
    before = _spoken.set(find(tag) or ENGLISH)
    try:
        yield
    finally:
        _spoken.reset(before)


def choose_by(chooser: Callable[[], Language]) -> None:
    """Have this function say which language the current request has."""
    _choosers[:] = [chooser]


def current() -> Language:
    """Return the language of `speaking`, else the current request's; English outside of both."""
    return _spoken.get() or (_choosers[0]() if _choosers else ENGLISH)


def words_of(part: str) -> Any:
    """Return a part of card-words.js in the current language."""
    return current().words[part]


def say(text: str, **values: object) -> str:
    """Return a text in the current language."""
    return current().say(text, **values)
