"""The engine behind `missing.impute`: all imputations advance together as stacks of matrices."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..errors import NotEstimableError

DONORS = 5
RIDGE = 1e-5  # as mice: keeps collinear predictors, such as a total beside its parts, solvable
TIE_BREAK = 1e-9


class Chains:
    """Chained equations for one table.

    Parameters
    ----------
    values : ndarray (n, p), NaN where missing
    names : names of the p columns, for messages
    labels : ndarray of int (n,), cluster of each row, or None

    Attributes
    ----------
    incomplete : columns with missing values, those with the fewest first
    """

    def __init__(self, values, names, labels) -> None:
        n, p = values.shape
        self.order = np.arange(n) if labels is None else np.argsort(labels, kind="stable")
        self.raw = values[self.order]
        self.gone = np.isnan(self.raw)
        centre, spread = np.nanmean(self.raw, axis=0), np.nanstd(self.raw, axis=0)
        varies = spread > 1e-12 * np.maximum(np.abs(centre), 1)
        self.known = np.where(varies, (self.raw - centre) / np.where(varies, spread, 1.0), 0.0)
        counts = self.gone.sum(axis=0)
        self.incomplete = [j for j in np.argsort(counts, kind="stable") if counts[j]]
        self.groups = None if labels is None else _Groups(labels[self.order])
        constant = self._constant_within()
        layered = [] if labels is None else [j for j in range(p) if varies[j] and not constant[j]]
        self.mean_column = {j: 1 + p + i for i, j in enumerate(layered)}
        self.steps = []
        for j in (j for j in self.incomplete if varies[j]):
            others = [i for i in range(p) if i != j and varies[i]]
            step = self._step(j, others, constant)
            if step.spare < 1:
                what = "with a value. Impute fewer columns together, or without cluster."
                raise NotEstimableError(f"{names[j]}: its model has {step.lacks} {what}")
            self.steps.append(step)

    def run(self, seeds, n_iter: int) -> Iterator[np.ndarray]:
        """Completed tables (n, p) in the order of the input, one per seed."""
        streams = [np.random.default_rng(seed) for seed in seeds]
        n, p = self.raw.shape
        design = np.ones((len(streams), n, 1 + p + len(self.mean_column)))
        design[:, :, 1 : 1 + p] = np.nan_to_num(self.known)
        for step in self.steps:
            step.store(design, np.array([rng.choice(step.y, len(step.gone)) for rng in streams]))
        for j in self.mean_column:
            self._refresh(design, j)
        for _ in range(n_iter):
            for step in self.steps:
                step.store(design, step.draw(design, streams))
                self._refresh(design, step.j)
        back = np.argsort(self.order)
        for filled in design:
            yield self._raw_units(filled)[back]

    def _refresh(self, design, j: int) -> None:
        if j in self.mean_column:
            means = self.groups.means(design[:, :, 1 + j])
            design[:, :, self.mean_column[j]] = means[:, self.groups.row]

    def _raw_units(self, filled) -> np.ndarray:
        """Each value filled in was observed somewhere, and comes back exactly."""
        table = self.raw.copy()
        for j in self.incomplete:
            gone = self.gone[:, j]
            known, first = np.unique(self.known[~gone, j], return_index=True)
            table[gone, j] = self.raw[~gone, j][first][np.searchsorted(known, filled[gone, 1 + j])]
        return table

    def _constant_within(self) -> np.ndarray:
        """Columns whose observed values do not vary inside any cluster."""
        if self.groups is None:
            return np.zeros(self.raw.shape[1], bool)
        high = np.maximum.reduceat(np.where(self.gone, -np.inf, self.known), self.groups.starts)
        low = np.minimum.reduceat(np.where(self.gone, np.inf, self.known), self.groups.starts)
        return (high - low <= 1e-12).all(axis=0)

    def _step(self, j: int, others: list[int], constant):
        columns = [0, *(1 + i for i in others)]
        known, gone = self.known[:, j], self.gone[:, j]
        if self.groups is None:
            return _Plain(j, columns, known, gone)
        means = [self.mean_column[i] for i in others if not constant[i]]
        upper = [0, *(1 + i for i in others if constant[i]), *means]
        if constant[j]:
            return _Constant(j, upper, known, gone, self.groups)
        return _Nested(j, columns + means, known, gone, self.groups, len(upper))


class _Groups:
    """Runs of rows that belong together."""

    def __init__(self, sorted_labels: np.ndarray) -> None:
        self.starts = np.flatnonzero(np.diff(sorted_labels, prepend=-1))
        self.sizes = np.diff(self.starts, append=len(sorted_labels))
        self.row = np.repeat(np.arange(len(self.starts)), self.sizes)

    def means(self, stack: np.ndarray) -> np.ndarray:
        shape = (1, -1) + (1,) * (stack.ndim - 2)
        return np.add.reduceat(stack, self.starts, axis=1) / self.sizes.reshape(shape)


class _Plain:
    """One column given all others, rows independent."""

    def __init__(self, j, columns, known, gone) -> None:
        self.j, self.columns = j, np.array(columns)
        self.gone, self.seen = np.flatnonzero(gone), np.flatnonzero(~gone)
        self.y = known[self.seen]
        self._require(f"{len(self.seen)} rows", len(self.seen), len(columns))

    def _require(self, units: str, available: int, terms: int) -> None:
        self.spare, self.lacks = available - terms, f"{terms} terms, for {units}"

    def store(self, design, drawn) -> None:
        design[:, self.gone, 1 + self.j] = drawn

    def _rows(self, design, rows) -> np.ndarray:
        return design[:, rows[:, None], self.columns]

    def draw(self, design, streams) -> np.ndarray:
        """Values (b, n_missing) for the missing rows of b tables."""
        seen, gone = self._rows(design, self.seen), self._rows(design, self.gone)
        cross, moment = _products(seen, self.y)
        beta = _solve(cross, moment)
        fitted = _times(seen, beta)
        chi = np.array([rng.chisquare(self.spare) for rng in streams])
        sigma = np.sqrt(((self.y - fitted) ** 2).sum(axis=1) / chi)
        drawn = beta + sigma[:, None] * _noise(cross, streams)
        return self.y[_match(fitted, _times(gone, drawn), streams)]


class _Constant(_Plain):
    """One column that is constant within clusters: its rows are the clusters."""

    def __init__(self, j, columns, known, gone, groups: _Groups) -> None:
        self.groups = groups
        self.value = np.fmax.reduceat(known, groups.starts)
        super().__init__(j, columns, self.value, np.isnan(self.value))
        self._require(f"{len(self.seen)} clusters", len(self.seen), len(columns))
        self.rows = np.flatnonzero(gone)

    def _rows(self, design, rows) -> np.ndarray:
        return super()._rows(design, self.groups.starts[rows])

    def store(self, design, drawn) -> None:
        by_cluster = np.repeat(self.value[None], len(design), axis=0)
        by_cluster[:, self.gone] = drawn
        design[:, self.rows, 1 + self.j] = by_cluster[:, self.groups.row[self.rows]]


class _Nested(_Plain):
    """One column given the others and their cluster means, with a random intercept."""

    def __init__(self, j, columns, known, gone, groups: _Groups, n_upper: int) -> None:
        super().__init__(j, columns, known, gone)
        self.n_groups = len(groups.starts)
        self.gone_group = groups.row[self.gone]
        self.groups = _Groups(groups.row[self.seen])
        self.present = groups.row[self.seen][self.groups.starts]
        n, J = len(self.seen), len(self.present)
        lower = len(columns) - n_upper
        self.df_within = n - J - lower
        self._require(f"{J} clusters", J, n_upper)
        if self.df_within < 1:
            self._require(f"{n} rows in {J} clusters", n, J + lower)
        self.typical = (n - (self.groups.sizes**2).sum() / n) / max(J - 1, 1)

    def draw(self, design, streams) -> np.ndarray:
        seen, gone = self._rows(design, self.seen), self._rows(design, self.gone)
        m, at = self.groups.sizes, self.groups.row
        x_means, y_means = self.groups.means(seen), self.groups.means(self.y[None])
        cross, moment = _products(seen, self.y)
        within, shared = self._variances(seen, x_means, _solve(cross, moment), streams)
        shrunk = m * shared[:, None] / (within[:, None] + m * shared[:, None])
        weighted = (x_means * (m * shrunk)[:, :, None]).swapaxes(1, 2)
        cross -= weighted @ x_means
        beta = _solve(cross, moment - (weighted @ y_means[:, :, None])[:, :, 0])
        drawn = beta + np.sqrt(within)[:, None] * _noise(cross, streams)
        noise = np.array([rng.standard_normal(self.n_groups) for rng in streams])
        intercept = np.sqrt(shared)[:, None] * noise
        intercept[:, self.present] *= np.sqrt(1 - shrunk)
        intercept[:, self.present] += shrunk * (y_means - _times(x_means, drawn))
        expected = shrunk * (y_means - _times(x_means, beta))
        at_seen = _times(seen, beta) + expected[:, at]
        return self.y[_match(at_seen, _times(gone, drawn) + intercept[:, self.gone_group], streams)]

    def _variances(self, seen, x_means, beta, streams) -> tuple[np.ndarray, np.ndarray]:
        """Draws of the variance within clusters and of their intercepts (b,)."""
        means = self.groups.means(self.y[None]) - _times(x_means, beta)
        between = (self.groups.sizes * means**2).sum(axis=1)
        within = ((self.y - _times(seen, beta)) ** 2).sum(axis=1) - between
        chi = np.array([[r.chisquare(self.df_within), r.chisquare(self.spare)] for r in streams])
        within, between = within / chi[:, 0], between / chi[:, 1]
        return within, np.maximum((between - within) / self.typical, 0)


def _products(X, y) -> tuple[np.ndarray, np.ndarray]:
    """Cross-products (b, q, q), with a ridge, and moments (b, q)."""
    turned = X.swapaxes(1, 2)
    cross = turned @ X
    at = np.arange(X.shape[2])
    cross[:, at, at] = cross[:, at, at] * (1 + RIDGE) + 1e-12
    return cross, turned @ y


def _solve(cross, moment) -> np.ndarray:
    return np.linalg.solve(cross, moment[:, :, None])[:, :, 0]


def _noise(cross, streams) -> np.ndarray:
    """Normal draws (b, q) with covariance inverse to `cross`."""
    z = np.array([rng.standard_normal(cross.shape[1]) for rng in streams])
    return _solve(np.linalg.cholesky(cross).swapaxes(1, 2), z)


def _times(X, beta) -> np.ndarray:
    return (X @ beta[:, :, None])[:, :, 0]


def _match(at_seen, at_gone, streams) -> np.ndarray:
    """Donor (position among the seen rows) for each missing row: one of the nearest five."""
    b, n_seen = at_seen.shape
    n_gone = at_gone.shape[1]
    at_seen = at_seen + TIE_BREAK * np.array([rng.standard_normal(n_seen) for rng in streams])
    donors = np.argsort(at_seen, axis=1, kind="stable")
    pairs = zip(np.take_along_axis(at_seen, donors, axis=1), at_gone, strict=True)
    position = np.array([np.searchsorted(*pair) for pair in pairs])
    width = min(2 * DONORS, n_seen)
    window = np.clip(position - DONORS, 0, n_seen - width)[:, :, None] + np.arange(width)
    row = np.arange(b)[:, None, None]
    candidates = donors[row, window]
    distance = np.abs(at_seen[row, candidates] - at_gone[:, :, None])
    nearest = np.argpartition(distance, min(DONORS, width) - 1, axis=2)[:, :, : min(DONORS, width)]
    pick = np.array([rng.integers(nearest.shape[2], size=n_gone) for rng in streams])
    chosen = np.take_along_axis(nearest, pick[:, :, None], axis=2)
    return np.take_along_axis(candidates, chosen, axis=2)[:, :, 0]
