"""Could the whole stepwise procedure have found as much with nothing there to find?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from . import arguments
from .resamples import Resampler, batches, permuted_rows
from .stepwise import Rule, run


def permutation_test(
    data: pd.DataFrame,
    outcome: str,
    blocks: Mapping[str, Sequence[str]],
    cluster: str | None = None,
    n_perm: int = 999,
    seed: int = 1995,
    p_enter: float = 0.05,
    p_remove: float = 0.10,
) -> pd.DataFrame:
    """Test the whole stepwise procedure by the R-squared of its final model.

    Parameters
    ----------
    data, outcome, blocks, p_enter, p_remove
        As in `regression.hierarchical_regression`.
    cluster : str, optional
        Column of the case manager. Given, the outcome is shuffled among the clients of a case
        manager, and whole case managers of like size change places; predictors stay where they
        are. Left out, dyads are permuted freely, which is right only if dyads are independent:
        with clients nested in case managers it rejects far too often.
    n_perm : int
        Permutations.
    seed : int

    Returns
    -------
    DataFrame, one row : r_squared p_value r_squared_noise any_selected_noise n_perm n n_groups
        ``r_squared_noise``: mean R2 of the final model under permutation;
        ``any_selected_noise``: share of the permutations in which anything is selected.
        ``p_value`` is (1 + permutations with at least this R2) / (1 + n_perm).

    Raises
    ------
    ParameterError, NotEstimableError
        As `regression.hierarchical_regression`.

    Notes
    -----
    Phipson & Smyth (2010), Stat Appl Genet Mol Biol 9:39, for the p value;
    `resamples.permuted_rows` for the permutation. Its size at this study's shape is in
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
    rule = Rule("stepwise", p_enter, p_remove)
    source = Resampler(data, outcome, blocks, cluster)
    arguments.whole(0, seed=seed)
    rng = np.random.default_rng(seed)
    whole = source.batch(np.ones((source.n_units, 1)))
    observed = float(run(whole.correlations.copy(), whole.n, source.blocks, rule).r_squared[-1, 0])
    found = []
    for size in batches(n_perm):
        order = permuted_rows(source.codes, source.n, size, rng)
        correlations = np.repeat(whole.correlations, size, axis=2)
        with_outcome = source.Z[:, :-1].T @ source.Z[order.T, -1] / source.n
        correlations[:-1, -1] = correlations[-1, :-1] = with_outcome
        path = run(correlations, np.full(size, source.n), source.blocks, rule)
        found.append(path.r_squared[-1])
    r_squared = np.concatenate(found)
    # Rounding must not decide whether a permutation that changes nothing reaches the observed.
    reached = int((r_squared >= observed - 1e-10).sum())
    return pd.DataFrame(
        {
            "r_squared": [observed],
            "p_value": [(1 + reached) / (1 + n_perm)],
            "r_squared_noise": [r_squared.mean()],
            "any_selected_noise": [(r_squared > 1e-10).mean()],
            "n_perm": [n_perm],
            "n": [source.n],
            "n_groups": [source.n_units if cluster is not None else np.nan],
        }
    )
