"""The kit's texts in a study's own words: therapists where the kit says case managers."""

from __future__ import annotations

import re
from collections.abc import Callable

from .dictionary import Codebook

ROLES = {"client": "client", "case_manager": "case manager"}
THEIR_OWN = "Neale"
"""A text that speaks of the study of 1995 keeps its words."""


def own_words(
    text: str, book: Codebook | None, escape: Callable[[str], str] = lambda word: word
) -> str:
    """A text of the kit, with clients and case managers called as the study calls them.

    Parameters
    ----------
    text : str
        Plain text, or markup made from it; what the study itself labels stays as it is.
    book : Codebook or None
        Its informants' labels are the words, else the labels of their ids.
    escape : callable, optional
        Makes a word safe inside markup.

    Examples
    --------
    >>> from alliance_helpers.codebook import parse_codebook
    >>> book = parse_codebook('''
    ... study: {title: A ward, client: id}
    ... tables: {t: {file: t.csv, key: [id], variables: {id: {type: id}, x: {}, y: {}}}}
    ... informants:
    ...   client: {label: Inpatient, alliance: x}
    ...   case_manager: {label: GP, alliance: y}
    ... ''')
    >>> own_words("A client's rating, and case managers'", book)
    "An inpatient's rating, and GPs'"
    """
    words = _words(book) if book else {}
    if not words or THEIR_OWN in text:
        return text
    kept = [re.escape(label) for label in _labels(book) if _ROLE.search(label)]
    pattern = "|".join([*sorted(kept, key=len, reverse=True), _ROLE.pattern])

    def told(found: re.Match) -> str:
        own = words.get(" ".join((found["role"] or "").lower().split()))
        if own is None:
            return found.group()
        word = own if found["role"][0].isupper() or own[1:2].isupper() else own.lower()
        word = _plural(word) if found["several"] else word
        article = found["article"] or ""
        if article:
            vowel = word[0].lower() in "aeiou"
            article = article[0] + ("n " if vowel else " ")
        return article + escape(word)

    return re.sub(pattern, told, text)


def has_own_words(book: Codebook | None) -> bool:
    """Whether the study calls clients or case managers by other words than the kit."""
    return bool(book and _words(book))


_ROLE = re.compile(r"\b(?P<article>[Aa] )?(?P<role>[Cc]lient|[Cc]ase\smanager)(?P<several>s?)\b")


def _plural(word: str) -> str:
    """Several of them: wives, deputies, coaches.

    >>> [_plural(word) for word in ("Nurse", "Wife", "Deputy", "Coach", "GP")]
    ['Nurses', 'Wives', 'Deputies', 'Coaches', 'GPs']
    """
    for ending, several in (
        (r"fe$", "ves"),
        (r"(?<=[^aeiou])y$", "ies"),
        (r"(?<=ss|ch|sh)$|(?<=x)$", "es"),
    ):
        if re.search(ending, word):
            return re.sub(ending, several, word)
    return f"{word}s"


def _words(book: Codebook) -> dict[str, str]:
    """What the study calls each role, where that is another word than the kit's."""
    words = {}
    for role, word in ROLES.items():
        name = getattr(book, role)
        label = book.informants.get(role, {}).get("label")
        if not label and name and book.label(name) != name:
            label = re.sub(r"(?i)[\s_-]*(id|code|number|no\.?)$", "", book.label(name))
        if label and label.lower() != word:
            words[word] = label
    return words


def _labels(book: Codebook) -> set[str]:
    """Every label that the study gives."""
    parts = (book.scales, book.days, book.derived, *(t.variables for t in book.tables.values()))
    return {book.title, *(v.label for part in parts for v in part.values())} - {""}
