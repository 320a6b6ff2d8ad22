"""Checks of numbers given as arguments; every message names the argument."""

from __future__ import annotations

from numbers import Integral

import numpy as np
import pandas as pd

from ..errors import ParameterError


def finite(**values: float) -> None:
    """Each value must be one finite number."""
    for name, value in values.items():
        _number(name, value)
        if not np.isfinite(value):
            raise ParameterError(f"{name} is {value!r}; give a finite number.")


def positive(**values: float) -> None:
    """Each value must lie above zero; infinity is allowed."""
    for name, value in values.items():
        _number(name, value)
        if not value > 0:
            raise ParameterError(f"{name} is {value}; give a number above 0.")


def share(**values: float) -> None:
    """Each value must lie between 0 and 1."""
    for name, value in values.items():
        _number(name, value)
        if not 0 < value < 1:
            raise ParameterError(f"{name} is {value}; give a number between 0 and 1.")


def whole(least: int, **values: int) -> None:
    """Each value must be a whole number of at least `least`."""
    for name, value in values.items():
        if not isinstance(value, Integral) or value < least:
            raise ParameterError(f"{name} is {value!r}; give a whole number of at least {least}.")


def table(data, *columns) -> None:
    """The data must be a table that has none of the columns twice."""
    if not isinstance(data, pd.DataFrame):
        raise ParameterError(f"data must be a DataFrame; a {type(data).__name__} was given.")
    names = set(data.columns[data.columns.duplicated()])
    if twice := [f"'{name}'" for name in dict.fromkeys(columns) if name in names]:
        raise ParameterError(
            f"The data have more than one column {', '.join(twice)}: rename all but one."
        )


def correlation(r: float, n: float, above: int) -> None:
    """A correlation with the number of pairs behind it."""
    finite(r=r, n=n)
    if abs(r) > 1:
        raise ParameterError(f"The correlation is {r}; it must lie between -1 and 1.")
    if n <= above:
        raise ParameterError(f"n is {n}; more than {above} pairs are needed.")


def _number(name: str, value) -> None:
    if not isinstance(value, (int, float, np.integer, np.floating)):
        raise ParameterError(f"{name} is {value!r}; give a number.")
