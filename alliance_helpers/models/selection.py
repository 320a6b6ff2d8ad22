"""What stepwise selection would have done with other samples of the same clients.

Inclusion frequencies beside those on pure noise, the models most often found, how much of
R-squared is optimism, and a test of the whole procedure; many regressions at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..errors import NotEstimableError, ParameterError
from .design import require_whole, runs
from .permutations import monte_carlo_interval, permuted_rows
from .stepwise import Path, Rule, correlate, moments, run

# Resamples worked on side by side; fixed, so that results do not depend on memory.
BATCH = 512


@dataclass(frozen=True)
class Batch:
    """Resamples ready for `stepwise.run`; the last axis counts them.

    Attributes
    ----------
    correlations : ndarray (p + 1, p + 1, b)
    n : ndarray (b,), rows in each resample
    means, spreads : ndarray (p + 1, b), in standard units of the full sample
    """

    correlations: np.ndarray
    n: np.ndarray
    means: np.ndarray
    spreads: np.ndarray


class Resampler:
    """The complete rows of a hierarchical regression, ready to be weighted over and over.

    Parameters
    ----------
    data, outcome, blocks, cluster
        As in `regression.hierarchical_regression`, with its errors.

    Attributes
    ----------
    terms, blocks : names, and positions of each block's candidates
    Z : ndarray (n, p + 1), complete rows in standard units, the outcome last
    R : ndarray (p + 1, p + 1), their correlations
    codes : ndarray (n,) of group numbers, or None
    units : ndarray (n,), what is drawn with each row: the row itself, or its group
    """

    def __init__(self, data, outcome: str, blocks: Mapping, cluster: str | None = None) -> None:
        sums = moments(data, outcome, blocks, cluster)
        self.Z = sums.rows / np.sqrt(np.diag(sums.products) / sums.n)
        self.terms, self.blocks, self.names = sums.terms, sums.blocks, list(blocks)
        self.codes, (self.n, self.m) = sums.codes, self.Z.shape
        self.R = self.Z.T @ self.Z / self.n
        self.units = np.arange(self.n) if cluster is None else self.codes
        self.n_units = int(self.units.max()) + 1
        if self.n_units < 2:
            raise NotEstimableError(f"All complete rows have the same '{cluster}'.")
        self.pairs = np.triu_indices(self.m + 1)
        self._sums = self._by_unit()

    def draw(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """Rows, or whole groups, drawn with replacement: indices (size, n_units)."""
        return rng.integers(0, self.n_units, (size, self.n_units))

    def resampled(self, n_boot: int, seed: int, permute: bool = False) -> Iterator[Batch]:
        """All resamples, batch after batch.

        The rows drawn come from ``np.random.default_rng(seed)`` through `draw`; permutations of
        the outcome, if wanted, from a stream of their own.
        """
        require_whole(0, seed=seed)
        rng, shuffler = np.random.default_rng(seed), np.random.default_rng([seed, 1])
        for size in batches(n_boot):
            drawn, units = self.draw(rng, size), self.n_units
            flat = (drawn + units * np.arange(size)[:, None]).ravel()
            times = np.bincount(flat, minlength=size * units).reshape(size, units)
            outcomes = None
            if permute:
                outcomes = self.Z[permuted_rows(self.codes, self.n, size, shuffler).T, -1]
            yield self._batch(times.astype(float).T, outcomes)

    def permuted(self, size: int, rng: np.random.Generator, held: int = 0) -> np.ndarray:
        """Correlations (p + 1, p + 1, size) with the outcome in permuted places.

        What the first `held` candidates explain of it stays where it is (Freedman & Lane 1983).
        """
        order = permuted_rows(self.codes, self.n, size, rng)
        before, outcome = self.Z[:, :held], self.Z[:, -1]
        fitted = before @ np.linalg.lstsq(before, outcome)[0]
        outcomes = fitted[:, None] + (outcome - fitted)[order.T]
        return self._batch(np.ones((self.n_units, size)), outcomes).correlations

    def _batch(self, weights: np.ndarray, outcomes: np.ndarray | None) -> Batch:
        """Correlations of all resamples by one matrix product: weights (n_units, b).

        `outcomes` (n, b), if given, take the outcome's place.
        """
        products = np.empty((self.m + 1, self.m + 1, weights.shape[1]))
        products[self.pairs] = products[self.pairs[::-1]] = self._sums @ weights
        totals, n = products[:-1, -1], np.rint(products[-1, -1]).astype(np.intp)
        products = products[:-1, :-1]
        if outcomes is not None:
            weighted = weights[self.units] * outcomes
            products[:-1, -1] = products[-1, :-1] = self.Z[:, :-1].T @ weighted
            products[-1, -1] = np.einsum("nb,nb->b", weighted, outcomes)
            totals[-1] = weighted.sum(axis=0)
        means = totals / n
        products -= totals[:, None] * means[None]
        spreads = np.sqrt(np.maximum(np.einsum("iib->ib", products), 0) / n)
        flat = spreads <= 1e-7
        products[flat[:, None] | flat[None]] = 0.0
        return Batch(correlate(products), n, means, spreads)

    def _by_unit(self) -> np.ndarray:
        """Sums inside each unit of the products of all pairs of columns, ones the last of them."""
        order, starts, _ = runs(self.units)
        columns = np.vstack([self.Z[order].T, np.ones(self.n)])
        pairs = zip(*self.pairs, strict=True)
        return np.array([np.add.reduceat(columns[i] * columns[j], starts) for i, j in pairs])


def batches(total: int) -> Iterator[int]:
    """Sizes of the batches in which `total` resamples are worked on."""
    require_whole(1, resamples=total)
    for start in range(0, total, BATCH):
        yield min(BATCH, total - start)


def bootstrap_selection(
    data, outcome, blocks, n_boot=1000, seed=1995, p_enter=0.05, p_remove=0.10, cluster=None
) -> pd.DataFrame:
    """How often each candidate is selected when the stepwise procedure is repeated on resamples.

    Parameters
    ----------
    data, outcome, blocks, p_enter, p_remove
        As in `regression.hierarchical_regression`; rows with a missing value in any candidate are
        left out once.
    n_boot : int
        Resamples.
    seed : int
    cluster : str, optional
        Column of the case manager: whole case managers are resampled, and permuted for the noise
        reference (`permutations.permuted_rows`).

    Returns
    -------
    DataFrame : block term inclusion same_sign noise_inclusion
        ``inclusion``: share of resamples whose final model holds the term. ``same_sign``: among
        these the share in which its coefficient has the more frequent sign (NaN if never
        selected). ``noise_inclusion``: the same share when nothing is related to the outcome.
        A term of no importance is selected in 5 % of samples but in about 17 % of bootstrap
        samples, so compare with this column and not with .05. Resamples repeat a sample's own
        luck: about one such term in twenty is selected in half of them.

    Raises
    ------
    ParameterError, NotEstimableError
        As `regression.hierarchical_regression`.

    Notes
    -----
    Inclusion frequencies: Sauerbrei & Schumacher (1992), Stat Med 11:2093-2109. All cross-products
    of all resamples are one matrix product, and the stepwise rule is one batched sweep.

    Examples
    --------
    >>> rng = np.random.default_rng(1995)
    >>> data = pd.DataFrame(rng.normal(size=(201, 3)), columns=["age", "symptoms", "alliance"])
    >>> data["alliance"] += data["age"]
    >>> table = bootstrap_selection(data, "alliance", {"client": ["age", "symptoms"]}, n_boot=200)
    >>> table["inclusion"].round(2).tolist()[0]
    1.0
    """
    rule = Rule("stepwise", p_enter, p_remove)
    source = Resampler(data, outcome, blocks, cluster)
    final = bootstrap_paths(source, rule, n_boot, seed)
    chosen = final.selected[-1]
    times = chosen.sum(axis=1)
    positive = (chosen & (final.beta[-1] > 0)).sum(axis=1)
    with np.errstate(invalid="ignore"):  # never selected
        same_sign = np.maximum(positive, times - positive) / times
    block = np.repeat(source.names, [len(block) for block in source.blocks])
    table = pd.DataFrame({"block": block, "term": source.terms, "inclusion": times / n_boot})
    table["same_sign"] = same_sign
    permuted = bootstrap_paths(source, rule, n_boot, seed, permute=True)
    return table.assign(noise_inclusion=permuted.selected[-1].mean(axis=1))


def selected_models(
    data, outcome: str, blocks: Mapping, n_boot=1000, seed=1995, cluster=None, top=10, **limits
) -> pd.DataFrame:
    """The models that the stepwise procedure ends with most often.

    Parameters
    ----------
    data, outcome, blocks, n_boot, seed, cluster, p_enter, p_remove (in `limits`)
        As in `bootstrap_selection`; the same seed gives the same resamples.
    top : int
        Models listed.

    Returns
    -------
    DataFrame : model n_terms frequency as_full_sample
        ``model``: its terms joined by " + ", in the order of the blocks; "(none)" if nothing was
        selected. ``frequency``: share of the resamples. ``as_full_sample``: whether the full
        sample leads to this model too.

    Examples
    --------
    >>> rng = np.random.default_rng(1995)
    >>> data = pd.DataFrame(rng.normal(size=(201, 3)), columns=["age", "symptoms", "alliance"])
    >>> data["alliance"] += data["age"]
    >>> selected_models(data, "alliance", {"client": ["age", "symptoms"]}, 200)["model"].iloc[0]
    'age'
    """
    rule = Rule("stepwise", **limits)
    source = Resampler(data, outcome, blocks, cluster)
    chosen = bootstrap_paths(source, rule, n_boot, seed).selected[-1]
    full = _full_sample(source, rule).selected[-1, :, 0]
    models, counts = np.unique(chosen.T, axis=0, return_counts=True)
    order = np.lexsort((models.sum(axis=1), -counts))[:top]
    terms, models = np.array(source.terms, dtype=object), models[order]
    table = pd.DataFrame({"model": [" + ".join(terms[m]) or "(none)" for m in models]})
    table["n_terms"], table["frequency"] = models.sum(axis=1), counts[order] / n_boot
    return table.assign(as_full_sample=(models == full).all(axis=1))


def optimism_corrected_r2(
    data, outcome: str, blocks: Mapping, n_boot=1000, seed=1995, cluster=None, **limits: float
) -> pd.DataFrame:
    """R-squared as it looks, and as it would hold up in new clients.

    Parameters
    ----------
    data, outcome, blocks, n_boot, seed, cluster, p_enter, p_remove (in `limits`)
        As in `bootstrap_selection`.

    Returns
    -------
    DataFrame, one row : procedure r_squared optimism r_squared_corrected n_terms n
        ``optimism`` is the mean over resamples of R2 in the resample minus R2 of the same equation
        in the full sample; selection is repeated in every resample.

    Notes
    -----
    Harrell, Lee & Mark (1996), Stat Med 15:361-387. With a cluster whole case managers are
    resampled, so that the new clients are those of new case managers.

    Examples
    --------
    >>> rng = np.random.default_rng(1995)
    >>> data = pd.DataFrame(rng.normal(size=(201, 3)), columns=["age", "symptoms", "alliance"])
    >>> table = optimism_corrected_r2(data, "alliance", {"client": ["age", "symptoms"]}, 200)
    >>> bool((table["r_squared_corrected"] < table["r_squared"]).all())
    True
    """
    rule, source = Rule("stepwise", **limits), Resampler(data, outcome, blocks, cluster)
    apparent, optimism = _full_sample(source, rule), 0.0
    for batch in source.resampled(n_boot, seed):
        path = run(batch.correlations, batch.n, source.blocks, rule)
        optimism += (path.r_squared[-1] - _transported(source, batch, path)).sum() / n_boot
    r_squared, n_terms = float(apparent.r_squared[-1, 0]), int(apparent.selected[-1].sum())
    row = (rule.method, r_squared, optimism, r_squared - optimism, n_terms, source.n)
    columns = "procedure r_squared optimism r_squared_corrected n_terms n"
    return pd.DataFrame([row], columns=columns.split())


def bootstrap_paths(source: Resampler, rule: Rule, n_boot, seed, permute=False) -> Path:
    """The procedure on every resample, in the order of `Resampler.resampled`."""
    drawn = source.resampled(n_boot, seed, permute)
    paths = [run(batch.correlations, batch.n, source.blocks, rule) for batch in drawn]
    names = ("selected", "beta", "r_squared")
    return Path(*(np.concatenate([getattr(p, name) for p in paths], axis=-1) for name in names))


def _full_sample(source: Resampler, rule: Rule) -> Path:
    return run(source.R[:, :, None].copy(), np.array([source.n]), source.blocks, rule)


def permutation_test(
    data, outcome: str, blocks: Mapping, cluster=None, n_perm=999, seed=1995, tested=None, **limits
) -> pd.DataFrame:
    """Test the whole stepwise procedure by the R-squared of its final model, or a block's part.

    Parameters
    ----------
    data, outcome, blocks, p_enter, p_remove (in `limits`)
        As in `regression.hierarchical_regression`.
    cluster : str, optional
        Column of the case manager. Given, the outcome is shuffled among the clients of a case
        manager, and whole case managers of like size change places; predictors stay where they
        are. Left out, dyads are permuted freely, which is right only if dyads are independent:
        with clients nested in case managers it rejects far too often.
    n_perm : int
        Permutations.
    seed : int
    tested : str, optional
        A block: what it adds to R-squared is tested, and everything that the blocks before it
        could explain is held constant. By default the whole model is tested.

    Returns
    -------
    DataFrame, one row : r_squared p_value p_low p_high r_squared_noise any_selected_noise n_perm n
        ``r_squared``: R2 of the final model, or what the tested block adds to it;
        ``r_squared_noise``: its mean under permutation; ``any_selected_noise``: share of the
        permutations in which anything (of the tested block) is selected.
        ``p_value`` is (1 + permutations with at least this R2) / (1 + n_perm); with all
        permutations it would lie between ``p_low`` and ``p_high``
        (`permutations.monte_carlo_interval`).

    Raises
    ------
    ParameterError, NotEstimableError
        As `regression.hierarchical_regression`; a tested block that is not there.

    Notes
    -----
    Phipson & Smyth (2010), Stat Appl Genet Mol Biol 9:39, for the p value;
    `permutations.permuted_rows` for the permutation. Its size at this study's shape is in
    benchmarks/permutation_size.csv.

    Examples
    --------
    >>> rng = np.random.default_rng(1995)
    >>> data = pd.DataFrame(rng.normal(size=(201, 3)), columns=["age", "symptoms", "alliance"])
    >>> data["alliance"] += data["age"]
    >>> test = permutation_test(data, "alliance", {"client": ["age", "symptoms"]}, n_perm=99)
    >>> float(test["p_value"].iloc[0])
    0.01
    """
    rule = Rule("stepwise", **limits)
    source = Resampler(data, outcome, blocks, cluster)
    require_whole(0, seed=seed)
    rng = np.random.default_rng(seed)
    if tested not in (None, *source.names):
        raise ParameterError(f"tested is {tested!r}; the blocks are {', '.join(source.names)}.")
    held = source.names.index(tested) if tested else 0
    candidates = sum(len(block) for block in source.blocks[:held])

    def part(correlations: np.ndarray) -> np.ndarray:
        n = np.full(correlations.shape[2], source.n)
        r_squared = run(correlations, n, source.blocks, rule).r_squared
        return r_squared[held if tested else -1] - (r_squared[held - 1] if held else 0.0)

    observed = part(source.R[:, :, None].copy())[0]
    r_squared = [part(source.permuted(size, rng, candidates)) for size in batches(n_perm)]
    r_squared = np.concatenate(r_squared)
    # Rounding must not decide whether a permutation that changes nothing reaches the observed.
    reached = int((r_squared >= observed - 1e-10).sum())
    p_value = (1 + reached) / (1 + n_perm), *monte_carlo_interval(reached, n_perm)
    noise = r_squared.mean(), (r_squared > 1e-10).mean()
    row = (observed, *p_value, *noise, n_perm, source.n)
    columns = "r_squared p_value p_low p_high r_squared_noise any_selected_noise n_perm n"
    return pd.DataFrame([row], columns=columns.split())


def _transported(source: Resampler, batch: Batch, path: Path) -> np.ndarray:
    """R2 in the full sample of the equations found in the resamples."""
    spread = batch.spreads[:-1]
    scale = np.divide(1, spread, out=np.zeros_like(spread), where=spread > 0)
    slopes = path.beta[-1] * scale * batch.spreads[-1]
    intercept = batch.means[-1] - (slopes * batch.means[:-1]).sum(axis=0)
    R = source.R
    explained = 2 * R[-1, :-1] @ slopes - np.einsum("pb,pb->b", slopes, R[:-1, :-1] @ slopes)
    return explained - intercept**2
