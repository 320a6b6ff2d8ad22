"""What the notebooks' parameters may be, for notebooks and for the commands that run them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial

import pandas as pd

from ..errors import ParameterError, meant
from ..models.design import require, require_whole
from ..models.stepwise import Rule
from ..study.codebook import Codebook, row_variables
from ..study.read_codebook import book_of
from .rules import Rules

# What notebooks ask for unless they are told otherwise; a study that lacks it has another instead.
USUAL = {
    "by": ("site_type", ""),
    "outcome": ("symptoms", "client_outcome", ""),
    "days": ("hospital_days", ""),
    "informant": ("case_manager", ""),
}
KINDS = {"by": "column of categories", "days": "count"}
STEPWISE = ("method", "p_enter", "p_remove")


def _dividing(book: Codebook) -> list[str]:
    kinds = [name for name, v in row_variables(book).items() if v.type == "category"]
    made = [name for name, derived in book.derived.items() if derived.is_value is not None]
    return [*([book.site] if book.site else []), *kinds, *made]


def _counted(book: Codebook) -> list[str]:
    return [*book.days, *(n for n, v in row_variables(book).items() if v.type == "integer")]


# Parameter -> the names in a study that it may take, that to take instead of a usual one first.
OFFERED: dict[str, Callable[[Codebook], list[str]]] = {
    "by": _dividing,
    "outcome": lambda book: list(book.blocks.get("outcome", ())),
    "days": _counted,
    "informant": lambda book: list(book.informants),
}
NUMBERS: dict[str, Callable[..., None]] = {
    "conf_level": partial(require, "share"),
    "n_perm": partial(require_whole, 0),
    "min_cell": partial(require_whole, 0),
}


def choose(dyads: pd.DataFrame, codebook: Codebook | None = None, **asked: object) -> object:
    """What notebooks' parameters ask for, if the study has it.

    The names that notebooks ask for unless they are told otherwise (`symptoms`, `site_type`, ...)
    stand for what the study has instead: its first outcome, its sites, the other informant.

    Parameters
    ----------
    asked
        Parameters by name: `by` (a column of categories), `outcome`, `days` (a count), `informant`,
        `method`, `p_enter` and `p_remove`, `conf_level`, `n_perm`, `min_cell`.

    Returns
    -------
    The value, or the list of values if several are asked for.

    Raises
    ------
    ParameterError
        Names with no such thing in the study, with what may have been meant, and numbers out of
        their range, all of them at once.

    Examples
    --------
    >>> dyads = open_cohort(scenario="published", n_clients=40).dyads
    >>> choose(dyads, outcome=""), choose(dyads, outcome="health_sickness", min_cell=5)
    ('client_outcome', ['health_sickness', 5])
    """
    found = list(chosen_values(asked, book_of(dyads, codebook), dyads).values())
    return found if len(found) > 1 else found[0]


def chosen_values(
    asked: Mapping[str, object],
    book: Codebook,
    columns: Collection[str] | None = None,
    rules: Rules | None = None,
) -> dict[str, object]:
    """The same by name, for a codebook (see :func:`choose`).

    For a command, before there are `columns`, with `rules` to look up `finding` in: what is given
    there is meant, and a usual name is as good as any other.
    """
    values, problems = dict(asked), []
    rule = {name: asked[name] for name in STEPWISE if name in asked}
    for name, value in asked.items():
        try:
            if name in OFFERED:
                values[name] = _named(name, value, OFFERED[name](book), columns)
            elif name in NUMBERS:
                NUMBERS[name](**{name: value})
            elif name in STEPWISE:
                Rule(**rule)
            elif name == "finding" and rules is not None:
                rules.finding(value)
        except ParameterError as error:
            problems.append(str(error))
    if problems:
        raise ParameterError("\n".join(dict.fromkeys(problems)))
    return values


def _named(name: str, value: object, known: list[str], columns: Collection[str] | None) -> object:
    """The name itself, or what stands for a usual one that the study lacks."""
    usual = ("",) if columns is None else USUAL[name]
    if columns is not None and name != "informant":
        known = [n for n in known if n in columns]
    if value in known:
        return value
    if value in usual:
        return known[0] if known else "" if name == "by" else value
    kind = KINDS.get(name, name)
    raise ParameterError(f"{name} is {value!r}, no {kind} of the study; {meant(value, known)}")
