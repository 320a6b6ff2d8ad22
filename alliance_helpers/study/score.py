"""Questionnaire scores from items and signed keys; the same code for every scale."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd

from ..errors import ParameterError, no_numbers
from .codebook import N_ITEMS, RESPONSES, SUBSCALES, Scale, say

CHUNK = 8_000  # respondents whose answers stay near the processor
# Of more respondents than this, evenly spaced ones serve to look for items reversed wrongly.
LOOKED_AT = 10_000


def score_wai(
    items: pd.DataFrame | np.ndarray,
    form: str = "WAI-36",
    max_missing: float = 0.2,
    allow_fractions: bool = False,
) -> pd.DataFrame:
    """Score a form of the Working Alliance Inventory.

    Parameters
    ----------
    items : DataFrame or array-like, shape (n respondents, 36 or 12)
        Raw responses before any reversing, columns in item order, NaN where unanswered.
    form : {"WAI-36", "WAI-S", "WAI-SR"}
    max_missing : float
        Largest share of a subscale's items that may be unanswered. Missing answers are prorated
        by the person's mean of that subscale, after reversing; the total needs all subscales.
    allow_fractions : bool
        Take answers such as 3.5, which no form offers: means of two raters, imputed values.

    Returns
    -------
    DataFrame
        `task bond goal total n_missing`, indexed as `items`; sums of items (36 items: 12 to 84 a
        subscale, 36 to 252 the total).

    Raises
    ------
    ParameterError
        Unknown form, wrong number of items, responses that are not numbers, are not whole or lie
        outside the form's range.

    Warns
    -----
    UserWarning
        Naming every item whose corrected item-total correlation is negative: most likely it was
        reversed twice or not at all.

    References
    ----------
    Horvath & Greenberg (1989); Tracey & Kokotovic (1989); Hatcher & Gillaspy (2006).

    Examples
    --------
    >>> items = pd.DataFrame([[4] * 36])
    >>> score_wai(items).loc[0, "total"]
    np.float64(144.0)
    """
    if form not in SUBSCALES:
        raise ParameterError(f"Unknown form {form!r}; use one of {', '.join(SUBSCALES)}.")
    items = pd.DataFrame(items)
    if items.shape[1] != N_ITEMS[form]:
        given = {"has": N_ITEMS[form], "given": items.shape[1]}
        raise ParameterError(" ".join(say("other_width", form=form, **given)))
    if not allow_fractions:
        _refuse(items, _columns(items), lambda x: np.isfinite(x) & (x != np.floor(x)), "fractions")
    return score(items, SUBSCALES[form], RESPONSES[form], max_missing=max_missing)


def score_scale(items: pd.DataFrame, scale: Scale) -> pd.DataFrame:
    """Score a scale of the codebook from its items (see :func:`score`)."""
    return score(items, scale.keys, scale.limits, scale.score, scale.max_missing)


def score(
    items: pd.DataFrame,
    keys: dict[str, list[int]],
    limits: tuple[float, float],
    how: str = "sum",
    max_missing: float = 0.2,
) -> pd.DataFrame:
    """Subscales and total of any questionnaire with signed keys.

    Parameters
    ----------
    items : DataFrame, shape (n, k)
        Raw responses, NaN where unanswered.
    keys : dict
        Subscale name to item numbers from 1; a minus reverses the item (low + high - x).
    limits : (low, high)
        The response scale.
    how : {"sum", "mean"}
    max_missing : float
        As in :func:`score_wai`.

    Returns
    -------
    DataFrame
        One column per subscale, then `total` and `n_missing`.
    """
    if not 0 <= max_missing < 1:
        raise ParameterError(f"max_missing is {max_missing}; give a share from 0 to below 1.")
    low, high = limits
    parts = {part: numbers for part, numbers in keys.items() if part != "total"} or keys
    sign = signs(keys, items.shape[1])
    columns = _columns(items)
    _refuse(items, columns, lambda x: (x < low) | (x > high), "responses", low=low, high=high)
    size = {part: len(numbers) for part, numbers in parts.items()}
    weight = size if how == "sum" else dict.fromkeys(size, 1)
    scores = {part: np.empty(len(items)) for part in dict.fromkeys([*parts, "total"])}
    n_missing, small = np.empty(len(items), int), np.min_scalar_type(len(columns))
    for start in range(0, len(items), CHUNK):
        rows = slice(start, start + CHUNK)
        x = [column[rows].astype(float) for column in columns]
        blank = [np.isnan(values) for values in x]
        for values, gone, s in zip(x, blank, sign, strict=True):
            if s < 0:
                np.subtract(low + high, values, out=values)
            values[gone] = 0
        blank = [gone.astype(small) for gone in blank]
        n_missing[rows] = sum(blank)
        total = 0
        for part, numbers in parts.items():
            at = [abs(i) - 1 for i in numbers]
            answered = len(at) - sum(blank[i] for i in at)
            mean = _mean(sum(x[i] for i in at), answered, len(at), max_missing)
            total = total + mean * size[part]
            scores[part][rows] = mean * weight[part]
        scores["total"][rows] = total if how == "sum" else total / sum(size.values())
    _warn(columns, sign, items.columns)
    return pd.DataFrame(scores | {"n_missing": n_missing}, index=items.index, copy=False)


def signs(keys: dict[str, list[int]], n: int) -> np.ndarray:
    """For each of n items 1, or -1 if a key reverses it, or 0 if none has it."""
    sign = np.zeros(n)
    for number in (i for numbers in keys.values() for i in numbers):
        sign[abs(number) - 1] = np.sign(number)
    return sign


def _mean(total: np.ndarray, answered: np.ndarray, k: int, max_missing: float) -> np.ndarray:
    """Mean of each person's answers to k items, if enough are there."""
    mean = total / np.maximum(answered, 1)
    mean[answered < max(np.ceil(k * (1 - max_missing) - 1e-9), 1)] = np.nan
    return mean


def _columns(items: pd.DataFrame) -> list[np.ndarray]:
    """The items one by one, as they are kept; nothing is copied where it need not be."""
    found = []
    for position in range(items.shape[1]):
        values = items.iloc[:, position]
        plain = isinstance(values.dtype, np.dtype) and values.dtype.kind in "iuf"
        if odd := no_numbers(values):
            item = {"item": position + 1, "name": items.columns[position]}
            raise ParameterError(" ".join(say("no_numbers", odd=odd, **item)))
        found.append(values.to_numpy() if plain else values.to_numpy(dtype=float, na_value=np.nan))
    return found


def _refuse(items, columns: list[np.ndarray], wrong: Callable, what: str, **filled) -> None:
    """Refuse responses that are wrong, naming the first."""
    found = [wrong(x) for x in columns]
    if any(map(np.any, found)):
        marked = np.column_stack(found)
        record, item = np.argwhere(marked)[0]
        first = {"value": columns[item][record], "record": record + 1, "item": item + 1}
        said = say(what, n=marked.sum(), name=items.columns[item], **first, **filled)
        raise ParameterError(" ".join(filter(None, said)))


def _warn(columns: list[np.ndarray], sign: np.ndarray, names) -> None:
    """Name the items that run against the others."""
    negative = [f"{i + 1} ({names[i]})" for i in against(columns, sign)]
    if negative:
        said = " ".join(say("negative", items=", ".join(negative)))
        warnings.warn(said, UserWarning, stacklevel=4)


def against(columns: list[np.ndarray], sign: np.ndarray) -> np.ndarray:
    """Positions of items whose correlation with the sum of the others is negative beyond chance.

    After reversing; three standard errors, so that a form of 36 items seldom warns for nothing.
    """
    every = -(-len(columns[0]) // LOOKED_AT) or 1
    x = np.array([s * c[::every] for c, s in zip(columns, sign, strict=True)], float)
    x = x[:, ~np.isnan(x).any(axis=0)]
    k, n = x.shape
    if n < 10 or k < 3:
        return np.array([], dtype=int)
    x -= x.mean(axis=1, keepdims=True)
    total, own = x.sum(axis=0), (x**2).sum(axis=1)
    with_all = x @ total
    rest = (total @ total - 2 * with_all + own).clip(0)
    return np.flatnonzero(with_all - own < -3 / np.sqrt(n) * np.sqrt(own * rest) - 1e-9)
