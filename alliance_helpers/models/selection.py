"""What stepwise selection would have done with other samples of the same clients.

Inclusion frequencies beside those on pure noise, the models most often found, and how much of
R-squared is optimism.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from . import arguments
from .resamples import Batch, Resampler, batches, permutation_test, permuted_rows
from .stepwise import Path, Rule, run

__all__ = [
    "bootstrap_paths",
    "bootstrap_selection",
    "optimism_corrected_r2",
    "permutation_test",
    "selected_models",
]


def bootstrap_selection(
    data: pd.DataFrame,
    outcome: str,
    blocks: Mapping[str, Sequence[str]],
    n_boot: int = 1000,
    seed: int = 1995,
    p_enter: float = 0.05,
    p_remove: float = 0.10,
    cluster: str | None = None,
    noise: bool = True,
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
        reference (`resamples.permuted_rows`).
    noise : bool
        Whether to repeat the procedure with the outcome of each resample permuted beforehand.

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
    majority = np.maximum(positive, times - positive)
    table = pd.DataFrame(
        {
            "block": np.repeat(source.names, [len(block) for block in source.blocks]),
            "term": source.terms,
            "inclusion": times / n_boot,
            "same_sign": np.divide(
                majority, times, out=np.full(len(times), np.nan), where=times > 0
            ),
        }
    )
    if noise:
        permuted = bootstrap_paths(source, rule, n_boot, seed, permute=True)
        table["noise_inclusion"] = permuted.selected[-1].mean(axis=1)
    return table


def selected_models(
    data: pd.DataFrame,
    outcome: str,
    blocks: Mapping[str, Sequence[str]],
    n_boot: int = 1000,
    seed: int = 1995,
    p_enter: float = 0.05,
    p_remove: float = 0.10,
    cluster: str | None = None,
    top: int = 10,
) -> pd.DataFrame:
    """The models that the stepwise procedure ends with most often.

    Parameters
    ----------
    data, outcome, blocks, n_boot, seed, p_enter, p_remove, cluster
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
    rule = Rule("stepwise", p_enter, p_remove)
    source = Resampler(data, outcome, blocks, cluster)
    chosen = bootstrap_paths(source, rule, n_boot, seed).selected[-1]
    full = _run(source, source.batch(np.ones((source.n_units, 1))), rule).selected[-1, :, 0]
    models, counts = np.unique(chosen.T, axis=0, return_counts=True)
    order = np.lexsort((models.sum(axis=1), -counts))[:top]
    terms = np.array(source.terms, dtype=object)
    return pd.DataFrame(
        {
            "model": [" + ".join(terms[models[k]]) or "(none)" for k in order],
            "n_terms": models[order].sum(axis=1),
            "frequency": counts[order] / n_boot,
            "as_full_sample": (models[order] == full).all(axis=1),
        }
    )


def optimism_corrected_r2(
    data: pd.DataFrame,
    outcome: str,
    blocks: Mapping[str, Sequence[str]],
    n_boot: int = 1000,
    seed: int = 1995,
    p_enter: float = 0.05,
    p_remove: float = 0.10,
    cluster: str | None = None,
) -> pd.DataFrame:
    """R-squared as it looks, and as it would hold up in new clients.

    Parameters
    ----------
    data, outcome, blocks, n_boot, seed, p_enter, p_remove, cluster
        As in `bootstrap_selection`.

    Returns
    -------
    DataFrame : procedure r_squared optimism r_squared_corrected n_terms n_boot n
        One row for ``stepwise`` and one for ``enter`` (all candidates in). ``optimism`` is the
        mean over resamples of R2 in the resample minus R2 of the same equation in the full
        sample; selection is repeated in every resample.

    Notes
    -----
    Harrell, Lee & Mark (1996), Stat Med 15:361-387. With a cluster whole case managers are
    resampled, so that the new clients are those of new case managers.

    Examples
    --------
    >>> rng = np.random.default_rng(1995)
    >>> data = pd.DataFrame(rng.normal(size=(201, 3)), columns=["age", "symptoms", "alliance"])
    >>> table = optimism_corrected_r2(data, "alliance", {"client": ["age", "symptoms"]}, 200)
    >>> table["procedure"].tolist()
    ['stepwise', 'enter']
    """
    arguments.whole(0, seed=seed)
    source = Resampler(data, outcome, blocks, cluster)
    records = []
    for rule in (Rule("stepwise", p_enter, p_remove), Rule("enter", p_enter, p_remove)):
        rng = np.random.default_rng(seed)
        apparent = _run(source, source.batch(np.ones((source.n_units, 1))), rule)
        optimism = 0.0
        for size in batches(n_boot):
            batch = source.batch(source.weights(source.draw(rng, size)))
            path = _run(source, batch, rule)
            optimism += (path.r_squared[-1] - _transported(source, batch, path)).sum()
        optimism /= n_boot
        r_squared = float(apparent.r_squared[-1, 0])
        n_terms = int(apparent.selected[-1].sum())
        corrected = r_squared - optimism
        records.append((rule.method, r_squared, optimism, corrected, n_terms, n_boot, source.n))
    columns = "procedure r_squared optimism r_squared_corrected n_terms n_boot n"
    return pd.DataFrame(records, columns=columns.split())


def bootstrap_paths(
    source: Resampler, rule: Rule, n_boot: int, seed: int, permute: bool = False
) -> Path:
    """The procedure on every resample.

    The rows drawn come from ``np.random.default_rng(seed)``, batch after batch, through
    ``source.draw``; permutations of the outcome from a stream of their own.
    """
    arguments.whole(0, seed=seed)
    rng = np.random.default_rng(seed)
    shuffler = np.random.default_rng([seed, 1])
    paths = []
    for size in batches(n_boot):
        weights = source.weights(source.draw(rng, size))
        outcomes = None
        if permute:
            order = permuted_rows(source.codes, source.n, size, shuffler)
            outcomes = source.Z[order.T, -1]
        paths.append(_run(source, source.batch(weights, outcomes), rule))
    return Path(
        *(
            np.concatenate([getattr(path, name) for path in paths], axis=-1)
            for name in ("selected", "beta", "r_squared")
        )
    )


def _run(source: Resampler, batch: Batch, rule: Rule) -> Path:
    return run(batch.correlations, batch.n, source.blocks, rule)


def _transported(source: Resampler, batch: Batch, path: Path) -> np.ndarray:
    """R2 in the full sample of the equations found in the resamples."""
    scale = np.divide(
        1, batch.spreads[:-1], out=np.zeros_like(batch.spreads[:-1]), where=batch.spreads[:-1] > 0
    )
    slopes = path.beta[-1] * scale * batch.spreads[-1]
    intercept = batch.means[-1] - (slopes * batch.means[:-1]).sum(axis=0)
    R = source.Z.T @ source.Z / source.n
    explained = 2 * R[-1, :-1] @ slopes - np.einsum("pb,pb->b", slopes, R[:-1, :-1] @ slopes)
    return explained - intercept**2
