"""Questionnaire scores from items and signed keys; the same code for every scale."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd

from .codebook import N_ITEMS, RESPONSES, SUBSCALES, Scale
from .errors import ParameterError

CHUNK = 20_000
MOMENTS = 50_000
"""Of more respondents than this, evenly spaced ones serve to look for items reversed wrongly."""


def score_wai(items: pd.DataFrame, form: str = "WAI-36", max_missing: float = 0.2) -> pd.DataFrame:
    """Score a form of the Working Alliance Inventory.

    Parameters
    ----------
    items : DataFrame, shape (n respondents, 36 or 12)
        Raw responses before any reversing, columns in item order, NaN where unanswered.
    form : {"WAI-36", "WAI-S", "WAI-SR"}
    max_missing : float
        Largest share of a subscale's items that may be unanswered. Missing answers are prorated
        by the person's mean of that subscale, after reversing; the total needs all subscales.

    Returns
    -------
    DataFrame
        `task bond goal total n_missing`, indexed as `items`; sums of items (36 items: 12 to 84 a
        subscale, 36 to 252 the total).

    Raises
    ------
    ParameterError
        Unknown form, wrong number of items, responses outside the form's range.

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
    if items.shape[1] != N_ITEMS[form]:
        raise ParameterError(
            f"{form} has {N_ITEMS[form]} items; {items.shape[1]} columns were given. "
            "Give one column per item, in item order."
        )
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
    sign = _signs(keys, items.shape[1])
    member = np.array([np.isin(np.arange(1, len(sign) + 1), np.abs(n)) for n in parts.values()])
    member = member.T.astype(float)
    size = member.sum(axis=0)
    mean = np.empty((len(items), len(parts)))
    n_missing = np.empty(len(items))
    moments = _Moments(items.shape[1])
    every = -(-len(items) // MOMENTS)
    for start in range(0, len(items), CHUNK):
        rows = slice(start, start + CHUNK)
        x = _matrix(items.iloc[rows], low, high, start)
        gone = np.isnan(x)
        reverse = sign < 0
        x[:, reverse] = low + high - x[:, reverse]
        moments.add(x[(-start) % every :: every])
        x[gone] = 0.0
        answered = size - gone @ member
        enough = (answered >= np.ceil(size * (1 - max_missing) - 1e-9)) & (answered > 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean[rows] = np.where(enough, x @ member / answered, np.nan)
        n_missing[rows] = gone.sum(axis=1)
    total = mean @ size if len(parts) > 1 else mean[:, 0] * size[0]
    scores = {p: mean[:, i] * (size[i] if how == "sum" else 1) for i, p in enumerate(parts)}
    scores.pop("total", None)
    scores["total"] = total if how == "sum" else total / size.sum()
    moments.warn(items.columns)
    return pd.DataFrame(scores | {"n_missing": n_missing}, index=items.index)


def _signs(keys: dict[str, list[int]], k: int) -> np.ndarray:
    sign = np.ones(k)
    for numbers in keys.values():
        for number in numbers:
            sign[abs(number) - 1] = np.sign(number)
    return sign


def _matrix(items: pd.DataFrame, low: float, high: float, start: int) -> np.ndarray:
    try:
        x = items.to_numpy(dtype=float, na_value=np.nan, copy=True)
    except (TypeError, ValueError):
        raise ParameterError(
            "The items hold text; give numbers, with NaN where unanswered."
        ) from None
    wrong = np.argwhere((x < low) | (x > high))
    if len(wrong):
        row, column = wrong[0]
        raise ParameterError(
            f"{len(wrong)} responses lie outside {low:g} to {high:g}; the first is "
            f"{x[row, column]:g} in record {start + row + 1}, item {column + 1} "
            f"({items.columns[column]})."
        )
    return x


class _Moments:
    """Running corrected item-total correlations over complete respondents."""

    def __init__(self, k: int) -> None:
        self.n, self.sum, self.cross = 0, np.zeros(k), np.zeros((k, k))

    def add(self, x: np.ndarray) -> None:
        x = x[~np.isnan(x).any(axis=1)]
        self.n += len(x)
        self.sum += x.sum(axis=0)
        self.cross += x.T @ x

    def warn(self, names) -> None:
        if self.n < 10 or len(self.sum) < 3:
            return
        cov = self.cross / self.n - np.outer(self.sum, self.sum) / self.n**2
        with_rest = cov.sum(axis=1) - np.diag(cov)
        negative = [f"{i + 1} ({names[i]})" for i in np.flatnonzero(with_rest < -1e-12)]
        if negative:
            warnings.warn(
                f"Item {', '.join(negative)}: negative correlation with the rest of the scale. "
                "Was it reversed already, or not at all?",
                UserWarning,
                stacklevel=4,
            )
