"""Hierarchical regression, block after block, as the packages of 1995 did it.

Blocks enter in a fixed order; inside each block terms enter and leave stepwise by the probability
of F, or all at once; what earlier blocks hold stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy import special

from ..errors import NotEstimableError
from .design import t_tests
from .robust import least_squares
from .stepwise import NOTHING_LEFT, Moments, Path, Rule, correlate, moments, run


@dataclass(frozen=True)
class BlockRegression:
    """A hierarchical regression.

    Attributes
    ----------
    fit : DataFrame
        block n r_squared adj_r_squared delta_r_squared f_change df1 df2 p_change; one row per
        block. A block from which nothing enters has delta_r_squared 0, df1 0 and no F.
    coefficients : DataFrame
        block term estimate std_error statistic df p_value conf_low conf_high beta semipartial_r2
        tolerance; the model as it stood after each block, the final model in the last block's rows.
    final : DataFrame
        The coefficients after the last block, without the column block.
    steps : DataFrame
        block step action term f p_value r_squared; action is enter, remove or refused_tolerance.
    n, n_given : int
        Rows used, and rows handed in.
    """

    names: tuple[str, ...]
    models: tuple[_Model, ...]
    path: Path
    n_given: int

    @property
    def n(self) -> int:
        return self.models[-1].n

    @cached_property
    def fit(self) -> pd.DataFrame:
        records, before = [], None
        for name, model in zip(self.names, self.models, strict=True):
            adjusted = 1 - (1 - model.r_squared) * (model.n - 1) / model.df
            records.append((name, model.n, model.r_squared, adjusted, *model.change(before)))
            before = model
        columns = "block n r_squared adj_r_squared delta_r_squared f_change df1 df2 p_change"
        return pd.DataFrame(records, columns=columns.split())

    @cached_property
    def coefficients(self) -> pd.DataFrame:
        table = pd.concat([m.coefficients for m in self.models], keys=self.names, names=["block"])
        return table.reset_index("block").reset_index(drop=True)

    @property
    def final(self) -> pd.DataFrame:
        return self.models[-1].coefficients

    @cached_property
    def steps(self) -> pd.DataFrame:
        terms, counts, records = self.models[-1].candidates, [0] * len(self.names), []
        for block, action, term, *numbers in self.path.steps:
            counts[block] += 1
            records.append((self.names[block], counts[block], action, terms[term], *numbers))
        columns = "block step action term f p_value r_squared"
        return pd.DataFrame(records, columns=columns.split())

    def _repr_html_(self) -> str:
        titles = "Blocks", "Coefficients after each block", "Steps"
        html = f"<p>{self.n:,} of {self.n_given:,} rows are complete and used.</p>"
        for title, table in zip(titles, (self.fit, self.coefficients, self.steps), strict=True):
            shown = table.to_html(index=False, na_rep="", float_format="{:.4g}".format)
            html += f"<h4>{title}</h4>{shown}"
        return html


def hierarchical_regression(
    data: pd.DataFrame,
    outcome: str,
    blocks: Mapping[str, Sequence[str]],
    method: str = "stepwise",
    p_enter: float = 0.05,
    p_remove: float = 0.10,
    cluster: str | None = None,
    tolerance: float = 1e-4,
) -> BlockRegression:
    """Regress an outcome on blocks of predictors, block after block.

    Parameters
    ----------
    data : DataFrame
        One row per dyad. Rows with a missing value in the outcome, in any candidate of any block
        or in the cluster are left out once, before the first block.
    outcome : str
    blocks : mapping of block name to column names
        In the order in which the blocks enter.
    method : "stepwise" or "enter"
        "stepwise": inside a block, the term with the largest probability of F above `p_remove`
        leaves, else the one with the smallest below `p_enter` enters, until neither is left.
        "enter": all terms of a block at once.
    p_enter, p_remove : float
        Probability of F to enter and to remove, as SPSS REGRESSION's PIN and POUT.
    cluster : str, optional
        Column of the case manager. Standard errors, degrees of freedom, tests and the F of each
        block's change then respect case managers (CR2, Satterthwaite, HTZ). Which terms are
        selected does not change.
    tolerance : float
        Terms enter only if 1 - R2 on the terms in the model, and that of each of these
        afterwards, is at least this.

    Returns
    -------
    BlockRegression
        ``beta`` is the standardised coefficient, ``semipartial_r2`` what R2 loses without the
        term, ``tolerance`` 1 - R2 of the term on the others of the model.

    Raises
    ------
    ParameterError
        Unknown, repeated or non-numeric columns, an empty block, p_enter not below p_remove.
    NotEstimableError
        No more complete rows than terms, a constant column, a perfect fit.

    Notes
    -----
    Algorithm: SPSS Statistics Algorithms, REGRESSION, METHOD=STEPWISE and METHOD=ENTER. Agrees
    step by step with a loop of R's ``add1`` and ``drop1``. Works on cross-products gathered in
    one pass, so that time and memory grow with the rows only by that pass.

    Examples
    --------
    >>> rng = np.random.default_rng(1995)
    >>> data = pd.DataFrame(rng.normal(size=(201, 3)), columns=["age", "symptoms", "noise"])
    >>> data["alliance"] = data["age"] - data["symptoms"] + rng.normal(size=201)
    >>> blocks = {"pretreatment": ["age"], "outcome": ["symptoms", "noise"]}
    >>> hierarchical_regression(data, "alliance", blocks).steps["term"].tolist()
    ['age', 'symptoms']
    """
    rule = Rule(method, p_enter, p_remove, tolerance)
    sums = moments(data, outcome, blocks, cluster)
    correlations = correlate(sums.products[:, :, None])
    path = run(correlations, np.array([sums.n]), sums.blocks, rule)
    if path.r_squared[-1, 0] > 1 - NOTHING_LEFT:
        raise NotEstimableError(f"The terms fit '{outcome}' perfectly: no error can be estimated.")
    inside = (np.flatnonzero(block) for block in path.selected[:, :, 0])
    models = tuple(_Model(sums, *pair) for pair in zip(path.matrices, inside, strict=True))
    return BlockRegression(tuple(blocks), models, path, len(data))


class _Model:
    """The model after a block, read off the swept matrix of correlations."""

    def __init__(self, sums: Moments, swept: np.ndarray, inside: np.ndarray) -> None:
        self.n, self.inside, self.candidates = sums.n, inside, sums.terms
        self.terms = [sums.terms[position] for position in inside]
        self.r_squared = 1 - swept[-1, -1]
        self.df = sums.n - 1 - len(inside)
        spread = np.sqrt(np.diag(sums.products))
        self.beta = swept[-1, inside]
        self.tolerance = -1 / np.diag(swept)[inside]
        self.alone = sums.products[-1, inside] / (spread[-1] * spread[inside])
        slopes = self.beta * spread[-1] / spread[inside]
        means = sums.means[inside]
        noise = (1 - self.r_squared) / self.df * spread[-1] ** 2
        self.inverse = -swept[np.ix_(inside, inside)]
        inverse = self.inverse / np.outer(spread[inside], spread[inside])
        self.estimate = np.array([sums.means[-1] - means @ slopes, *slopes])
        self.std_error = np.sqrt(
            noise * np.array([1 / sums.n + means @ inverse @ means, *np.diag(inverse)])
        )
        self.dfs, self.covariance = np.full(len(self.estimate), self.df), None
        if sums.codes is not None:  # errors and degrees of freedom that respect groups instead
            rows = sums.rows + sums.means
            fit = least_squares(rows[:, -1], rows[:, inside], sums.codes, self.terms)
            self.covariance = fit[-1]
            self.std_error, self.dfs = np.sqrt(np.diag(fit[-1].vcov)), fit[-1].df

    @property
    def columns(self) -> dict[str, Sequence]:
        """What the table of coefficients holds, the intercept first."""
        return {
            "term": ["intercept", *self.terms],
            **t_tests(self.estimate, self.std_error, self.dfs),
            "beta": [np.nan, *self.beta],
            "semipartial_r2": [np.nan, *self.beta**2 * self.tolerance],
            "tolerance": [np.nan, *self.tolerance],
        }

    @cached_property
    def coefficients(self) -> pd.DataFrame:
        return pd.DataFrame(self.columns)

    def moved(self, term: str) -> dict[str, object]:
        """A term's correlation `alone`, and the other that moves it most when left out.

        `moved_by` is that other, `without_it` the term's beta then.
        """
        place = self.terms.index(term)
        found = {"alone": self.alone[place]}
        if len(self.terms) == 1:
            return found
        shift = -self.inverse[place] / np.diag(self.inverse) * self.beta  # by leaving out each
        shift[place] = 0.0
        other = int(np.abs(shift).argmax())
        without = self.beta[place] + shift[other]
        return found | {"moved_by": self.terms[other], "without_it": without}

    def change(self, before: _Model | None) -> tuple[float, float, int, float, float]:
        """Gain in R2 over the model before, and its F test: gain, f, df1, df2, p_value."""
        old = set(before.inside) if before else set()
        new = [1 + place for place, term in enumerate(self.inside) if term not in old]
        if not new:
            return 0.0, np.nan, 0, self.df, np.nan
        gain = self.r_squared - (before.r_squared if before else 0.0)
        if self.covariance is not None:
            f, df1, df2, p_value = self.covariance.wald(self.estimate, new)
            return gain, f, df1, df2, p_value
        f = gain / len(new) / ((1 - self.r_squared) / self.df)
        return gain, f, len(new), self.df, float(special.fdtrc(len(new), self.df, f))
