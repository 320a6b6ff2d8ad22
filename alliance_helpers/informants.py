"""Does a variable go with one informant's rating more than with the other's?"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import special

from .errors import ParameterError
from .estimation import arguments


def dependent_correlations(
    r_xy: float, r_xz: float, r_yz: float, n: float, conf_level: float = 0.95
) -> pd.DataFrame:
    """Difference between two correlations that share a variable, measured on the same dyads.

    Parameters
    ----------
    r_xy, r_xz : float
        The correlations to compare: of x (an outcome, say) with one informant's rating y and
        with the other's z.
    r_yz : float
        Correlation of the two ratings.
    n : float
        Number of independent dyads, or the effective n.
    conf_level : float
        Level of the interval.

    Returns
    -------
    DataFrame, one tidy row
        Estimate r_xy - r_xz; ``statistic`` is Williams' t with n - 3 degrees of freedom,
        ``std_error`` the estimate divided by it; the interval is Zou's.

    Raises
    ------
    ParameterError
        A correlation outside -1 to 1, three that cannot hold together, n not above 3.

    Notes
    -----
    Williams (1959), recommended by Steiger (1980), as in R's ``psych::r.test``; Zou (2007) for
    the interval, which is asymmetric and may rarely disagree with the test.

    Examples
    --------
    >>> row = dependent_correlations(0.45, 0.10, 0.28, n=201)
    >>> row[["estimate", "p_value"]].round(4).values.tolist()
    [[0.35, 0.0]]
    """
    for r in (r_xy, r_xz, r_yz):
        arguments.correlation(r, n, above=3)
    arguments.share(conf_level=conf_level)
    determinant = 1 - r_xy**2 - r_xz**2 - r_yz**2 + 2 * r_xy * r_xz * r_yz
    if determinant <= 0 or max(abs(r_xy), abs(r_xz), abs(r_yz)) == 1:
        raise ParameterError(
            f"Correlations of {r_xy}, {r_xz} and {r_yz} cannot hold together among three "
            "variables that differ."
        )
    difference = r_xy - r_xz
    spread = 2 * (n - 1) / (n - 3) * determinant + ((r_xy + r_xz) / 2) ** 2 * (1 - r_yz) ** 3
    std_error = np.sqrt(spread / ((n - 1) * (1 + r_yz)))
    t = difference / std_error
    low, high = _zou(r_xy, r_xz, r_yz, n, special.ndtri(0.5 + conf_level / 2))
    row = {
        "term": "r_xy - r_xz",
        "estimate": difference,
        "std_error": std_error,
        "statistic": t,
        "df": n - 3,
        "p_value": 2 * special.stdtr(n - 3, -abs(t)),
        "conf_low": low,
        "conf_high": high,
        "n": n,
    }
    return pd.DataFrame([row])


def _zou(r_xy, r_xz, r_yz, n, quantile) -> tuple[float, float]:
    reach = quantile / np.sqrt(n - 3)
    (low1, high1), (low2, high2) = (
        np.tanh(np.arctanh(r) + reach * np.array([-1, 1])) for r in (r_xy, r_xz)
    )
    together = (r_yz - r_xy * r_xz / 2) * (1 - r_xy**2 - r_xz**2 - r_yz**2) + r_yz**3
    c = together / ((1 - r_xy**2) * (1 - r_xz**2))

    def combine(first: float, second: float) -> float:
        return np.sqrt(max(first**2 + second**2 - 2 * c * first * second, 0))

    difference = r_xy - r_xz
    low = difference - combine(r_xy - low1, high2 - r_xz)
    return float(low), float(difference + combine(high1 - r_xy, r_xz - low2))
