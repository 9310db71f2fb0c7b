"""Texts for people, in the language of the page that shows them."""

from headway.display.languages import Counted, Sentence, add_translations, say
from headway.limits import counted, described
from headway.web.pages.result_view import without_formula

__all__ = [
    "Counted",
    "Sentence",
    "add_translations",
    "counted",
    "described",
    "say",
    "without_formula",
]
