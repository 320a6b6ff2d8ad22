"""What predictors explain: block after block, as in 1995, and each over all orders of entry.

Blocks enter in a fixed order; inside each block terms enter and leave stepwise by the probability
of F, or all at once; what earlier blocks hold stays. Predictors that go together share what they
explain, so a part of R-squared belongs to none alone: LMG gives each the average of what it adds
over all orders (Lindeman, Merenda & Gold 1980; Gromping 2007, Am Stat 61:139-147; for groups the
Shapley value of the groups).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import factorial

import numpy as np
import pandas as pd
from scipy import special

from ..errors import NotEstimableError, ParameterError
from .design import COLLINEAR, complete_rows, orthonormal, t_tests
from .permutations import monte_carlo_interval
from .robust import fit_robust
from .selection import Resampler
from .sessions import Own, without_occasions
from .stepwise import NOTHING_LEFT, Moments, Path, Rule, correlate, moments, run

MOST_UNITS = 15
CELLS_AT_ONCE = 1 << 22


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
        html = f"<p>{self.n:,} of {self.n_given:,} rows are complete and used.</p>"
        how = {"index": False, "na_rep": "", "float_format": "{:.4g}".format}
        for title in ("fit", "coefficients", "steps"):
            html += f"<h4>{title}</h4>{getattr(self, title).to_html(**how)}"
        return html


def hierarchical_regression(
    data, outcome, blocks: Mapping, method="stepwise", p_enter=0.05, p_remove=0.10, cluster=None
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
    step by step with a loop of R's ``add1`` and ``drop1``. Terms enter only if 1 - R2 on the terms
    in the model, and that of each of these afterwards, is at least .0001. Works on cross-products
    gathered in one pass, so that time and memory grow with the rows only by that pass.

    Examples
    --------
    >>> rng = np.random.default_rng(1995)
    >>> data = pd.DataFrame(rng.normal(size=(201, 3)), columns=["age", "symptoms", "noise"])
    >>> data["alliance"] = data["age"] - data["symptoms"] + rng.normal(size=201)
    >>> blocks = {"pretreatment": ["age"], "outcome": ["symptoms", "noise"]}
    >>> hierarchical_regression(data, "alliance", blocks).steps["term"].tolist()
    ['age', 'symptoms']
    """
    rule = Rule(method, p_enter, p_remove)
    sums = moments(data, outcome, blocks, cluster)
    path = run(correlate(sums.products[:, :, None]), np.array([sums.n]), sums.blocks, rule)
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
        spreads = np.array([1 / sums.n + means @ inverse @ means, *np.diag(inverse)])
        self.std_error = np.sqrt(noise * spreads)
        self.dfs, self.covariance = np.full(len(self.estimate), self.df), None
        if sums.codes is not None:  # errors and degrees of freedom that respect groups instead
            rows = sums.rows + sums.means
            sample = complete_rows(rows[:, -1], rows[:, inside], sums.codes, self.terms)
            self.covariance = fit_robust(sample, orthonormal(sample))[1]
            self.std_error, self.dfs = np.sqrt(np.diag(self.covariance.vcov)), self.covariance.df

    @property
    def columns(self) -> dict[str, Sequence]:
        """What the table of coefficients holds, the intercept first."""
        made = {"term": ["intercept", *self.terms]}
        made |= t_tests(self.estimate, self.std_error, self.dfs)
        parts = {"beta": self.beta, "semipartial_r2": self.beta**2 * self.tolerance}
        parts["tolerance"] = self.tolerance
        return made | {name: [np.nan, *part] for name, part in parts.items()}

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


def relative_importance(
    data, outcome: str, groups: Mapping, cluster=None, n_boot=1000, n_noise=200, seed=1995
) -> pd.DataFrame:
    """Relative importance by LMG, exact over all subsets of groups of predictors.

    Parameters
    ----------
    data : DataFrame
        Rows with a missing value in a named column are left out.
    outcome : str
    groups : mapping of str to sequence of str
        Columns that enter together and get one importance. At most 15 groups.
    cluster : str, optional
        Column of the case manager: whole case managers are resampled, and the noise reference
        respects them.
    n_boot : int
        Bootstrap resamples for the intervals.
    n_noise : int
        Permutations of the outcome for the noise reference.
    seed : int

    Returns
    -------
    DataFrame : term estimate conf_low conf_high share first last noise p_value p_low p_high
    r_squared n
        ``estimate`` adds up to ``r_squared``; ``share`` is its part of it. ``first``: R-squared
        with nothing else in the model; ``last``: what it adds to all the others. ``noise``: mean
        importance when nothing is related to the outcome (it is never below zero), and
        ``p_value`` the share of such permutations that reach the estimate (``p_low`` to ``p_high``
        with all permutations, `permutations.monte_carlo_interval`). Intervals are bootstrap
        percentiles: since importance cannot be negative they say how stable an importance is, not
        whether there is any; that is what ``p_value`` is for.

    Raises
    ------
    ParameterError
        Unknown, repeated or non-numeric columns, more than 15 groups.
    NotEstimableError
        A constant predictor or outcome, fewer rows than predictors, one case manager, or a
        predictor that is a linear combination of predictors of other groups.

    Notes
    -----
    The R-squared of all subsets follows from one correlation matrix by sweeping predictors in or
    leaving them out, a tree whose cost is about six operations per subset; so a thousand resamples
    of six predictors take about a tenth of a second. Equal to an average over all orderings in R.

    Examples
    --------
    >>> rng = np.random.default_rng(1995)
    >>> data = pd.DataFrame(rng.normal(size=(201, 3)), columns=["age", "symptoms", "alliance"])
    >>> data["alliance"] += data["age"]
    >>> groups = {"client": ["age"], "outcome": ["symptoms"]}
    >>> table = relative_importance(data, "alliance", groups, n_boot=200)
    >>> table["share"].round(1).tolist()
    [1.0, 0.0]
    """
    if not 1 <= len(groups) <= MOST_UNITS:
        orders = f"importance over all orders is worked out for 1 to {MOST_UNITS} groups"
        raise ParameterError(f"{len(groups)} groups were given; {orders}. Put some together.")
    source = Resampler(data, outcome, groups, cluster)
    widths = [len(columns) for columns in groups.values()]
    _refuse_collinear(source.R[:-1, :-1], widths, list(groups))
    r_squared = subset_r_squared(source.R[None], widths)
    full = len(r_squared) - 1
    single = 1 << np.arange(len(widths))
    estimate = lmg(r_squared)[:, 0]
    table = pd.DataFrame({"term": list(groups), "estimate": estimate})
    found = [_by_resample(b.correlations, widths) for b in source.resampled(n_boot, seed)]
    limits = np.quantile(np.concatenate(found, axis=1), [0.025, 0.975], axis=1)
    table["conf_low"], table["conf_high"] = limits
    table["share"] = estimate / r_squared[full, 0]
    table["first"] = r_squared[single, 0]
    table["last"] = r_squared[full, 0] - r_squared[full - single, 0]
    by_chance = _by_resample(source.permuted(n_noise, np.random.default_rng([seed, 1])), widths)
    reached = (by_chance >= estimate[:, None] - 1e-12).sum(axis=1)
    table["noise"], table["p_value"] = by_chance.mean(axis=1), (1 + reached) / (1 + n_noise)
    table[["p_low", "p_high"]] = [monte_carlo_interval(r, n_noise) for r in reached]
    return table.assign(r_squared=r_squared[full, 0], n=source.n)


def lmg(r_squared: np.ndarray) -> np.ndarray:
    """Average increment of each unit over all orders of entry.

    Parameters
    ----------
    r_squared : ndarray (2**p, b)
        R-squared of every subset; bit j of the position says whether unit j is in.

    Returns
    -------
    ndarray (p, b)

    Examples
    --------
    >>> lmg(np.array([[0.0], [0.2], [0.3], [0.4]])).round(3).ravel().tolist()
    [0.15, 0.25]
    """
    p = len(r_squared).bit_length() - 1
    subsets = np.arange(1 << p)
    size = np.bitwise_count(subsets)
    weight = np.array([factorial(s) * factorial(p - 1 - s) / factorial(p) for s in range(p)])
    out = np.empty((p, r_squared.shape[1]))
    for j in range(p):
        without = subsets[(subsets >> j) & 1 == 0]
        out[j] = weight[size[without]] @ (r_squared[without | (1 << j)] - r_squared[without])
    return out


def subset_r_squared(correlations: np.ndarray, widths: Sequence[int]) -> np.ndarray:
    """R-squared of every subset of units, for many correlation matrices at once.

    Parameters
    ----------
    correlations : ndarray (b, m + 1, m + 1)
        The outcome last, the columns of each unit side by side.
    widths : sequence of p int
        Columns of each unit; they add up to m.

    Returns
    -------
    ndarray (2**p, b)
        Position s holds the subset whose units are the bits of s. A column that those before it
        determine adds nothing.

    Examples
    --------
    >>> R = np.array([[[1, 0, 0.6], [0, 1, 0.3], [0.6, 0.3, 1]]])
    >>> subset_r_squared(R, [1, 1]).round(2).ravel().tolist()
    [0.0, 0.36, 0.09, 0.45]
    """
    state = np.asarray(correlations, float)[None]
    total = state[0, :, -1, -1].copy()
    for width in widths:
        swept = state
        for _ in range(width):
            swept = _sweep(swept)
        state = np.concatenate([state[..., width:, width:], swept])
    return 1 - state[..., 0, 0] / total


def _sweep(state: np.ndarray) -> np.ndarray:
    """Hold the first column constant."""
    pivot = state[..., :1, :1]
    row = state[..., :1, 1:]
    scaled = np.divide(row, pivot, out=np.zeros_like(row), where=pivot > COLLINEAR)
    return state[..., 1:, 1:] - np.swapaxes(row, -1, -2) * scaled


def _refuse_collinear(correlations: np.ndarray, widths, names) -> None:
    """Collinear columns inside a group do no harm; across groups nobody can tell whose it is."""
    stops = np.cumsum([0, *widths])
    for name, start, stop in zip(names, stops, stops[1:], strict=False):
        parts = slice(start, stop), slice(start), slice(stop)
        own, before, both = (_rank(correlations[part, part]) for part in parts)
        if both < before + own:
            others = f"the predictors before it ({', '.join(names[: names.index(name)])})"
            remedy = "leave one of them out, or put them into one group"
            raise NotEstimableError(f"'{name}' is a linear combination of {others}: {remedy}.")


def _rank(matrix: np.ndarray) -> int:
    return np.linalg.matrix_rank(matrix, COLLINEAR**0.5, hermitian=True) if matrix.size else 0


def _by_resample(correlations: np.ndarray, widths) -> np.ndarray:
    matrices = correlations.transpose(2, 0, 1)
    parts = np.array_split(matrices, 1 + (len(matrices) << len(widths)) // CELLS_AT_ONCE)
    return np.concatenate([lmg(subset_r_squared(part, widths)) for part in parts], axis=1)


def changes(rows: pd.DataFrame, rating: str) -> pd.DataFrame:
    """What is new at an occasion: a rating that its past does not foretell, and other measures.

    Parameters
    ----------
    rows : DataFrame
        `person time`, the rating and the other measures; only complete rows.
    rating : str

    Returns
    -------
    DataFrame
        `person` and the measures, a row for each occasion with another just before it: deviations
        from the person's own means without the trend that all share, and without what the rating
        and the measure itself foretell of it at the occasion before.

    Raises
    ------
    NotEstimableError
        Fewer than ten such occasions.

    Examples
    --------
    >>> rows = pd.DataFrame({"person": np.repeat(np.arange(9), 3), "time": [1, 2, 3] * 9})
    >>> rows["rating"] = np.random.default_rng(1).normal(size=27)
    >>> changes(rows, "rating").shape
    (18, 2)
    """
    rows = rows.sort_values(["person", "time"], ignore_index=True)
    free = rows.drop(columns=["person", "time"]).astype(float)
    own = Own(pd.factorize(rows["person"])[0])
    free[:] = own.out_of(without_occasions(free.to_numpy(), rows["time"].to_numpy(), own))
    there = rows.groupby("person")["time"].diff() == 1
    if there.sum() < 10:
        raise NotEstimableError(f"only {there.sum()} occasions have another just before them")
    before, new = free.shift()[there], free[there].copy()
    for name in free:
        design = np.column_stack([np.ones(len(new)), before[[rating, name]]])
        new[name] -= design @ np.linalg.lstsq(design, new[name].to_numpy())[0]
    return new.assign(person=rows["person"])
