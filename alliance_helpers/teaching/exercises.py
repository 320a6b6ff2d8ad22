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
    shown = f"{float(f'{given:.4g}'):g}" if isinstance(given, float) else given
    told = replies(expected, within, hint, traps, why)
    said = next(text for text, *about in told if _meets(given, *about)).replace("{}", shown, 1)
    if not said.startswith("Right"):
        raise NotYetError(said)
    return Right(said)


def replies(expected, within=0.0, hint="", traps=None, why="") -> list[tuple]:
    """What an answer is told: the first whose condition it meets, also where there is no Python.

    Each is a text with a place for the answer, the value it is for (None: any), how far from that
    an answer may lie, and from how many decimals on the value, rounded to as many, is taken for it
    (0: never). What is expected, rounded, comes before known mistakes but those of one decimal.
    """
    close = "Close: one more decimal than {}.", expected, 0
    wrong = [(f"Not yet: {{}}. {said}", value, within, 2) for said, value in (traps or {}).items()]
    share = "Not yet: {}. Write it as a share, between 0 and 1."
    return [
        (f"Right: {{}}. {why}".rstrip(), expected, within, 0), (*close, 2), *wrong, (*close, 1),
        *([(share, 100 * expected, 100 * within, 0)] if is_share(expected) else ()),
        (f"Not yet: {{}}. {hint}".rstrip(), None, 0, 0),
    ]  # fmt: skip


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
            number = text and isinstance(expected, Real)
            answer = _number(text, is_share(expected)) if number else text or None
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


def _meets(given: float | str, value: object, within: float, least: int) -> bool:
    if value is None or isinstance(value, str) or isinstance(given, str):
        return value is None or str(given).lower() == str(value).lower()
    decimals = len(f"{given:.10f}".rstrip("0").partition(".")[2])
    if given and 0 < least <= decimals:
        within = max(within, 0.5 / 10**decimals)
    return abs(given - float(value)) <= within * (1 + 1e-9)


def is_share(expected: object) -> bool:
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
