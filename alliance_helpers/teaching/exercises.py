"""Exercises that check themselves and say what to look at next, in code cells or on a web page.

Examples
--------
>>> from alliance_helpers import exercises
>>> issubclass(exercises.NotYetError, Exception)
True
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from numbers import Real

from ipywidgets import HTML, Button, Dropdown, HBox, Layout, Text, VBox

from ..errors import AllianceError


class NotYetError(AllianceError):
    """The answer is missing or not right yet; the message says what to look at."""


class Right(str):
    """What is shown when an answer is right."""

    def _repr_html_(self) -> str:
        return f'<div role="status" style="color:#00594C;font-weight:bold">{escape(self)}</div>'


def check(answer, expected, within=0.0, hint="", traps=None, choices=(), why="") -> Right:
    """Say whether an answer is right, and why; where it is not, what to look at.

    A number that is right as far as it was rounded is told that a decimal is wanting.

    Parameters
    ----------
    answer : number or str
        None as long as nothing was written.
    expected : number or str
    within : float
        How far a number may lie from the expected one.
    hint : str
        Shown with every wrong answer that is no known trap.
    traps : mapping of str to number or str
        What to say about a wrong answer, and the answer that earns it.
    choices : sequence of str
        The words that can be an answer, if it is one of several.
    why : str
        Shown with a right answer.

    Returns
    -------
    Right

    Raises
    ------
    NotYetError
        No answer, no number, none of the choices, or a wrong one.

    Examples
    --------
    >>> check(0.301, expected=0.30, within=0.005)
    'Right: 0.301.'
    """
    given = _given(answer, expected, choices, hint)
    shown = f"{given:.4g}" if isinstance(given, float) else str(given)
    if _same(given, expected, within):
        return Right(f"Right: {shown}. {why}".rstrip())
    shown = shown if isinstance(given, float) else repr(given)
    for said, value in (traps or {}).items():
        if _same(given, value, within):
            raise NotYetError(f"Not yet: {shown}. {said}")
    if _rounded(given, expected):
        raise NotYetError(f"Close: one more decimal than {shown}.")
    if _share(expected) and _same(given / 100, expected, within):
        raise NotYetError(f"Not yet: {shown}. Write it as a share, between 0 and 1.")
    raise NotYetError(f"Not yet: {shown}. {hint}".rstrip())


def ask(name: str, expected: object, choices: Sequence[str] = (), **how: object) -> VBox:
    """A box to answer an exercise in, for pages without code; else as :func:`check`."""
    label = {"description": f"Your answer to {name}", "style": {"description_width": "auto"}}
    label["layout"] = Layout(width="26em")
    box = Dropdown(options=["", *choices], **label) if choices else Text(**label)
    plain = {"layout": Layout()}  # one for all: each is a message to the page
    button, reply = Button(description="Check", **plain), HTML('<div role="status"></div>', **plain)

    def look(_event: object = None) -> None:
        text = str(box.value).strip()
        try:
            answer = text or None
            if text and isinstance(expected, Real):
                answer = _number(text, _share(expected))
            said = check(answer, expected, choices=choices, **how)._repr_html_()
        except NotYetError as problem:
            said = f'<div role="status">{escape(str(problem))}</div>'
        reply.value = said

    button.on_click(look)
    made = VBox([HBox([box, button], **plain), reply], **plain)
    made.add_class("alliance-exercise")
    return made


def _given(answer: object, expected: object, choices: Sequence[str], hint: str) -> float | str:
    if answer is None or answer is ...:
        raise NotYetError("No answer yet.")  # "Run All Cells" shall not give hints away
    if isinstance(expected, str):
        words = {c.lower(): c for c in (choices or (expected,))}
        text = str(answer).strip().lower()
        if choices and text not in words:
            raise NotYetError(f"{answer!r} is none of the answers: {', '.join(choices)}.")
        return words.get(text, text)
    if isinstance(answer, bool) or not isinstance(answer, Real):
        raise NotYetError(f"A number is wanted here, not {answer!r}. {hint}".rstrip())
    if math.isnan(answer):
        raise NotYetError(f"The answer is not a number (NaN): is a value missing? {hint}".rstrip())
    return float(answer)


def _same(given: float | str, value: object, within: float) -> bool:
    if isinstance(value, str) or isinstance(given, str):
        return str(given).lower() == str(value).lower()
    return abs(given - float(value)) <= within * (1 + 1e-9)


def _rounded(given: float | str, expected: object) -> bool:
    """Whether a number with decimals is the expected one, rounded to as many."""
    if isinstance(given, str) or not given:
        return False
    decimals = len(f"{given:.10f}".rstrip("0").partition(".")[2])
    return decimals > 0 and _same(given, expected, 0.5 / 10**decimals)


def _share(expected: object) -> bool:
    """Whether a number below 1 is asked for, which some write as a percentage."""
    return isinstance(expected, Real) and 0 < abs(expected) < 1


def _number(text: str, share: bool) -> float:
    """A number as people write it: `.5`, `0,5`, `1/2`, `−0.5`, and `50 %` where it is a share."""
    plain = text.translate(str.maketrans({"−": "-", "–": "-", ",": ".", "%": None}))
    top, _, bottom = plain.partition("/")
    try:
        return float(top) / float(bottom or 1) / (100 if share and "%" in text else 1)
    except (ValueError, ZeroDivisionError):
        raise NotYetError(f"A number is wanted here, not {text!r}.") from None
