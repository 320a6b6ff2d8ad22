"""How each claim stands up to methods that its study did not have: rows beside those of `findings`.

Each stress test is an analysis of its own name. It keeps the claims, bounds and verdict rules of
`data/findings.yml`; what it adds stands in `data/stress.yml`. A test that has nothing to say of a
kind of claim gives no row; one that cannot be worked out gives a row with the reason.
"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from ..errors import ParameterError
from ..study.clean import CleanStudy
from ..study.codebook import Codebook
from ..study.read_codebook import book_of
from .assess import COLUMNS, assess
from .multiverse import Multiverse
from .rules import Rules, read_rules
from .stress_tests import (
    bayes,
    correlations,
    days_hurdle,
    days_negbin,
    every_specification,
    false_discoveries,
    holm,
    jackknife,
    pulls,
    selection,
    stacked_ratings,
    surfaces,
)
from .stressed import Stressed, adjusted, imputed, rank, read_stress, sites

STRESS = {
    "imputed": imputed,
    "adjusted": adjusted,
    "sites": sites,
    "rank": rank,
    "dependent_correlations": correlations,
    "stacked": stacked_ratings,
    "truth_and_bias": pulls,
    "response_surface": surfaces,
    "holm": holm,
    "benjamini_hochberg": false_discoveries,
    "jackknife": jackknife,
    "selection": selection,
    "bayes": bayes,
    "negbin": days_negbin,
    "hurdle": days_hurdle,
    "multiverse": every_specification,
}


def stress(
    clean: CleanStudy | pd.DataFrame,
    codebook: Codebook | None = None,
    rules: Rules | None = None,
    finding: str | None = None,
    analyses: Iterable[str] | None = None,
    seed: int = 1995,
    settings: dict | None = None,
    specifications: Multiverse | None = None,
    reselected: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Stress tests of every claim.

    Parameters
    ----------
    clean : CleanStudy or DataFrame
        A cleaned study; or a dyad table, which has no items to score in other ways.
    codebook : Codebook, optional
        By default the study's own, or the shipped one.
    rules : Rules, optional
        The shipped `data/findings.yml` by default.
    finding : str, optional
        Only this finding: "1", "2", "3", "4" or "halo".
    analyses : iterable of str, optional
        Names among `STRESS`, in the order wanted; all by default.
    seed : int
        Of everything that draws.
    settings : dict, optional
        By default the shipped `data/stress.yml`, as `stressed.read_stress` returns it.
    specifications : Multiverse, optional
        Every specification of these claims, if it has been worked out already.
    reselected : DataFrame, optional
        What `reselection.inclusion` found, likewise.

    Returns
    -------
    DataFrame
        The columns of findings.csv. Estimates are those of `findings.assess`, but for `selection`
        (share of resamples that select the term) and `multiverse` (median over specifications).

    Raises
    ------
    ParameterError
        An analysis or finding that is not known.

    Examples
    --------
    >>> from alliance_helpers.cohorts.simulate import simulate_dyads
    >>> rows = stress(simulate_dyads("published", 201, 7), finding="3", analyses=["rank"])
    >>> rows["claim"].tolist()
    ['own_outcome', 'alone']
    """
    rules = rules or read_rules()
    names = list(STRESS) if analyses is None else list(analyses)
    if unknown := [n for n in names if n not in STRESS]:
        raise ParameterError(
            f"Unknown stress tests: {', '.join(unknown)}. Choose from {', '.join(STRESS)}."
        )
    finding = rules.finding(finding)
    dyads = clean if isinstance(clean, pd.DataFrame) else clean.dyads
    codebook = book_of(dyads, codebook)
    study = Stressed(clean, codebook, rules, finding, settings or read_stress(), seed)
    study.specifications, study.reselected = specifications, reselected
    rows = [row for name in names for row in STRESS[name](study, name)]
    return pd.DataFrame(rows, columns=COLUMNS)


def all_rows(
    clean: CleanStudy | pd.DataFrame,
    codebook: Codebook | None = None,
    rules: Rules | None = None,
    finding: str | None = None,
    seed: int = 1995,
    specifications: Multiverse | None = None,
    reselected: pd.DataFrame | None = None,
    analyses: Iterable[str] | None = None,
) -> pd.DataFrame:
    """Then and now: the rows of `findings.assess`, followed by those of `stress`.

    Parameters
    ----------
    clean, codebook, rules, finding, seed, specifications, reselected
        As in `stress`.
    analyses : iterable of str, optional
        Stress tests; by default all, and the multiverse only with its `specifications`, since it
        takes as long as the others together.

    Returns
    -------
    DataFrame
        The columns of findings.csv, as `then_and_now.then_and_now` takes them.
    """
    dyads = clean if isinstance(clean, pd.DataFrame) else clean.dyads
    codebook = book_of(dyads, codebook)
    rules = rules or read_rules()
    finding = rules.finding(finding)
    if analyses is None:
        analyses = [n for n in STRESS if n != "multiverse" or specifications is not None]
    quick = assess(dyads, codebook, rules, finding=finding)
    made = {"specifications": specifications, "reselected": reselected}
    slow = stress(clean, codebook, rules, finding, analyses, seed, **made)
    return pd.concat([quick, slow], ignore_index=True)
