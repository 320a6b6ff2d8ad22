"""The stepwise rule of 1995, once, for one sample or for thousands of resamples side by side.

Every regression on p candidates and an outcome follows from the (p + 1) x (p + 1) matrix of their
correlations. Entering or removing a term is one sweep of that matrix (Beaton 1964; Goodnight 1979,
Am Stat 33:149-158), and sweeping a stack of matrices costs little more than sweeping one.
All arrays hold the resamples on their last axis.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from scipy import special

from ..errors import NotEstimableError, ParameterError
from .design import complete_columns, constant, require


@dataclass(frozen=True)
class Moments:
    """What a regression needs to know of its complete rows.

    Attributes
    ----------
    terms : tuple of p candidate names, block after block
    blocks : tuple of integer arrays, positions of each block's candidates in `terms`
    n : int, complete rows
    means : ndarray (p + 1,), the outcome last
    products : ndarray (p + 1, p + 1), sums of products about the means
    rows : ndarray (n, p + 1), complete rows about the means
    codes : ndarray of int (n,), group of each row, or None
    """

    terms: tuple[str, ...]
    blocks: tuple[np.ndarray, ...]
    n: int
    means: np.ndarray
    products: np.ndarray
    rows: np.ndarray
    codes: np.ndarray | None


def moments(data, outcome: str, blocks: Mapping, cluster: str | None = None) -> Moments:
    """Check the columns and gather their means and cross-products over complete rows.

    Parameters
    ----------
    data : DataFrame
    outcome : str
    blocks : mapping of block name to column names
    cluster : str, optional
        Rows without a label here are left out too.

    Returns
    -------
    Moments

    Raises
    ------
    ParameterError
        Unknown, repeated, non-numeric or infinite columns, an empty block.
    NotEstimableError
        No more complete rows than terms plus one, or a constant column; the message names it.

    Examples
    --------
    >>> import pandas as pd
    >>> data = pd.DataFrame({"x": [1.0, 2, 3, 4], "y": [2.0, 4, 6, 9]})
    >>> moments(data, "y", {"block": ["x"]}).products.round(2).tolist()
    [[5.0, 11.5], [11.5, 26.75]]
    """
    terms = _candidates(blocks)
    columns = [*terms, outcome]
    rows, codes = complete_columns(data, columns, cluster)
    n = len(rows)
    if n <= len(terms) + 1:
        few = f"{n} complete rows of {len(data)} are too few for {len(terms)} candidates"
        raise NotEstimableError(f"{few}: at least {len(terms) + 2} are needed.")
    if flat := constant(rows, columns):
        raise NotEstimableError(f"{'; '.join(flat)}: leave it out.")
    means = rows.mean(axis=0)
    rows -= means
    products = rows.T @ rows
    sizes = np.cumsum([0, *(len(columns) for columns in blocks.values())])
    positions = tuple(np.arange(a, b) for a, b in pairwise(sizes))
    return Moments(terms, positions, n, means, products, rows, codes)


def _candidates(blocks) -> tuple[str, ...]:
    """Names of all candidates, block after block."""
    lists = [*blocks.values()] if isinstance(blocks, Mapping) else []
    if not lists or any(isinstance(columns, str) or not len(columns) for columns in lists):
        raise ParameterError(
            "blocks maps each block's name to a list of columns, at least one column each."
        )
    return tuple(column for columns in blocks.values() for column in columns)


# Share of the outcome's variance below which a fit counts as perfect and stops.
NOTHING_LEFT = 1e-12


@dataclass(frozen=True)
class Rule:
    """When a term enters and leaves.

    Parameters
    ----------
    method : "stepwise" or "enter"
        "enter" takes every term of a block that passes the tolerance, the largest tolerance first.
    p_enter, p_remove : float
        Probability of F to enter and to remove; the first must not be the larger (SAS takes .15
        for both).
    tolerance : float
        A term enters only if 1 - R2 on the terms in the model is at least this for itself, and
        stays at least this for each of them.

    Raises
    ------
    ParameterError

    Examples
    --------
    >>> Rule(p_enter=0.05, p_remove=0.10).tolerance
    0.0001
    """

    method: str = "stepwise"
    p_enter: float = 0.05
    p_remove: float = 0.10
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        if self.method not in ("stepwise", "enter"):
            raise ParameterError(f"method is 'stepwise' or 'enter'; '{self.method}' was given.")
        require("finite", p_enter=self.p_enter, p_remove=self.p_remove)
        require("share", tolerance=self.tolerance)
        if not 0 < self.p_enter <= self.p_remove < 1:
            limits = f"p_remove ({self.p_remove}) must not be below p_enter ({self.p_enter})"
            why = "otherwise the same term enters and leaves for ever"
            raise ParameterError(f"{limits}, both between 0 and 1: {why}.")


@dataclass(frozen=True)
class Path:
    """Where the rule ended, after each block and for each resample.

    Attributes
    ----------
    selected : ndarray of bool (blocks, p, B)
    beta : ndarray (blocks, p, B)
        Standardised coefficients, 0 for terms that are out.
    r_squared : ndarray (blocks, B)
    steps : list, what happened to a single sample (B = 1)
        (block, action, term, F, p value, R2 after it).
    matrices : list, the swept matrix of a single sample after each block
        The standardised coefficients in its last row, and minus the inverse correlations of the
        terms in the model.
    """

    selected: np.ndarray
    beta: np.ndarray
    r_squared: np.ndarray
    steps: list[tuple] = field(default_factory=list)
    matrices: list[np.ndarray] = field(default_factory=list)


def correlate(products: np.ndarray) -> np.ndarray:
    """Correlations from centred cross-products of shape (p + 1, p + 1, B), the outcome last.

    A column without variance gets correlations and a diagonal of 0, so that no tolerance admits
    it; an outcome without variance keeps a diagonal of 1.
    """
    spread = np.sqrt(np.maximum(np.einsum("iib->ib", products), 0))
    scale = np.divide(1, spread, out=np.zeros_like(spread), where=spread > 0)
    out = products * scale[:, None]
    out *= scale[None]
    out[-1, -1] = 1.0
    return out


def run(correlations, n, blocks, rule: Rule) -> Path:
    """Apply the rule to every resample at once.

    Parameters
    ----------
    correlations : ndarray (p + 1, p + 1, B)
        Of the candidates and, last, the outcome. Overwritten.
    n : ndarray (B,)
        Rows of each resample.
    blocks : sequence of integer arrays
        Positions of each block's candidates, in the order in which blocks enter. Terms of
        earlier blocks stay.
    rule : Rule

    Returns
    -------
    Path

    Examples
    --------
    >>> R = np.array([[1, 0.2, 0.6], [0.2, 1, 0.1], [0.6, 0.1, 1]])[:, :, None]
    >>> run(R, np.array([100]), [np.array([0, 1])], Rule()).selected[0, :, 0].tolist()
    [True, False]
    """
    work = _Work(correlations, np.asarray(n, dtype=np.intp), blocks, rule)
    while work.ids.size:
        work.step()
    return work.path


class _Work:
    """The resamples still under way: each is in some block, with some terms in its model."""

    def __init__(self, A, n, blocks, rule) -> None:
        m, _, B = A.shape
        self.p, self.rule, self.single = m - 1, rule, B == 1
        self.A, self.n, self.ids = A, n, np.arange(B)
        self.member = np.zeros((len(blocks), self.p), dtype=bool)
        for position, block in enumerate(blocks):
            self.member[position, block] = True
        shape = len(blocks), self.p, B
        self.path = Path(np.zeros(shape, dtype=bool), np.zeros(shape), np.zeros(shape[::2]))
        self.inside, self.barred = np.zeros((2, self.p, B), dtype=bool)
        self.block, self.size = np.zeros((2, B), dtype=np.intp)
        self.first_df = max(int(n.min()) - self.p - 2, 1)
        df = np.arange(self.first_df, int(n.max()))
        self.f_enter = self.f_remove = np.full(len(df), -1.0)  # everything enters, nothing leaves
        if rule.method == "stepwise":
            self.f_enter = special.stdtrit(df, 1 - rule.p_enter / 2) ** 2
            # A hair's breadth lower, so that rounding keeps no term entering and leaving.
            self.f_remove = special.stdtrit(df, 1 - rule.p_remove / 2) ** 2 * (1 - 1e-9)

    def step(self) -> None:
        """One action of every resample: a term leaves, a term enters, or the block is done."""
        A, p = self.A, self.p
        at = np.arange(len(self.ids))
        diagonal = np.einsum("iib->ib", A)[:p]
        with_outcome, rest = A[p, :p], A[p, p]
        current = self.member[self.block].T
        open_fit = rest > NOTHING_LEFT
        remove, leaving, f_leave = self._leaver(diagonal, with_outcome, rest, current, at)
        remove &= open_fit
        enter, coming, f_come = self._comer(diagonal, with_outcome, rest, current, at)
        enter &= open_fit & ~remove
        refused = self._collinear(coming, diagonal, at) & enter
        self.barred[coming[refused], at[refused]] = True
        enter &= ~refused
        done = ~(remove | enter | refused)
        if done.any():
            self._close_block(np.flatnonzero(done))
        act = remove | enter
        if act.any():
            self._sweep(np.where(remove, leaving, coming), act, remove)
        if self.single and act[0]:
            gone, f = bool(remove[0]), float((f_leave if remove[0] else f_come)[0])
            p_value = float(special.fdtrc(1, self.n[0] - 1 - self.size[0] - gone, f))
            term = (leaving if gone else coming)[0]
            self._tell("remove" if gone else "enter", term, f, p_value)
        self._forget_finished()

    def _leaver(self, diagonal, with_outcome, rest, current, at):
        candidates = self.inside & current
        loss = np.full(diagonal.shape, np.inf)
        np.divide(with_outcome**2, -diagonal, out=loss, where=candidates)
        weakest = loss.argmin(axis=0)
        df = self.n - 1 - self.size
        f = loss[weakest, at] * df / np.maximum(rest, NOTHING_LEFT)
        return f < self.f_remove[np.maximum(df - self.first_df, 0)], weakest, f

    def _comer(self, diagonal, with_outcome, rest, current, at):
        candidates = current & ~self.inside & ~self.barred & (diagonal >= self.rule.tolerance)
        gain = np.full(diagonal.shape, -1.0)
        np.divide(with_outcome**2, diagonal, out=gain, where=candidates)
        df = self.n - 2 - self.size
        stepwise = self.rule.method == "stepwise"
        best = (gain if stepwise else np.where(candidates, diagonal, -1.0)).argmax(axis=0)
        f = gain[best, at] * df / np.maximum(rest - gain[best, at], NOTHING_LEFT**2)
        wanted = candidates[best, at] & (df >= 1)
        return wanted & (f > self.f_enter[np.maximum(df - self.first_df, 0)]), best, f

    def _collinear(self, coming, diagonal, at):
        """Would entering push the tolerance of a term in the model below the limit?"""
        column = self.A[: self.p, coming, at]
        inflation = -diagonal + column**2 / np.maximum(diagonal[coming, at], self.rule.tolerance)
        return (self.inside & (inflation * self.rule.tolerance > 1)).any(axis=0)

    def _sweep(self, pivot, act, reverse) -> None:
        A, at = self.A, np.flatnonzero(act)
        k = pivot[at]
        column = np.zeros(A.shape[1:])
        column[:, at] = A[:, k, at]
        divisor = np.ones(A.shape[2])
        divisor[at] = A[k, k, at]
        scaled = column / divisor
        for row in range(A.shape[0]):
            A[row] -= column[row] * scaled
        signed = np.where(reverse, -1.0, 1.0) * scaled
        A[:, k, at] = signed[:, at]
        A[k, :, at] = signed[:, at].T
        A[k, k, at] = -1 / divisor[at]
        self.inside[k, at] = ~reverse[at]
        self.size[at] += np.where(reverse[at], -1, 1)
        self.barred[:, at] = False

    def _close_block(self, done) -> None:
        block, ids = self.block[done], self.ids[done]
        inside = self.inside[:, done]
        self.path.selected[block, :, ids] = inside.T
        self.path.beta[block, :, ids] = np.where(inside, self.A[-1, :-1, done].T, 0.0).T
        self.path.r_squared[block, ids] = 1 - self.A[-1, -1, done]
        if self.single:
            self._tell_refused()
            self.path.matrices.append(self.A[:, :, 0].copy())
        self.block[done] += 1
        self.barred[:, done] = False

    def _forget_finished(self) -> None:
        """Drop resamples that are through, once they are many enough to be worth the copy."""
        going = self.block < len(self.member)
        finished = len(going) - np.count_nonzero(going)
        if finished == len(going) or finished > 0.2 * len(going):
            self.A = self.A[:, :, going]
            self.inside, self.barred = self.inside[:, going], self.barred[:, going]
            self.n, self.ids = self.n[going], self.ids[going]
            self.block, self.size = self.block[going], self.size[going]
        elif finished:
            self.block[~going] = len(self.member) - 1

    def _tell(self, action: str, term: int, f: float, p_value: float) -> None:
        r_squared = float(1 - self.A[-1, -1, 0])
        self.path.steps.append((int(self.block[0]), action, int(term), f, p_value, r_squared))

    def _tell_refused(self) -> None:
        diagonal, at = np.einsum("iib->ib", self.A)[: self.p], np.array([0])
        for term in np.flatnonzero(self.member[self.block[0]] & ~self.inside[:, 0]):
            crowded = self._collinear(np.array([term]), diagonal, at)[0]
            if diagonal[term, 0] < self.rule.tolerance or crowded:
                self._tell("refused_tolerance", term, np.nan, np.nan)
