"""Parts of the dyad table that analyses ask for, by the names in the codebook.

Among them what a null result on hospital days says: Bayes factors, and what the study could have
seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from itertools import product

import numpy as np
import pandas as pd
from scipy.special import ndtri
from scipy.stats import rankdata

from ..errors import NotEstimableError
from ..models.agreement import agreement
from ..models.design import complete_rows
from ..models.inference import bayes_factor_correlation
from ..models.informants import one_with_many
from ..models.nesting import worths
from ..study.clean import CleanStudy, clean
from ..study.codebook import Codebook
from ..study.load import Study
from ..study.read_codebook import book_of

BEFORE = ("pretreatment", "treatment")
EVERY = (*BEFORE, "outcome")
Blocks = dict[str, list[str]]
KAPPAS = (0.1, 0.2, 1 / 3, 0.5, 0.75, 1.0, 1.5, 2.0)
COVARIATES = ("site_type", "hospital_days_before")  # of hospital days, in the shipped claims


class Tables:
    """Several tables as one result, shown one below the other under their names."""

    def _repr_html_(self) -> str:
        return "".join(
            f"<h4>{part.name}</h4>{getattr(self, part.name).to_html(index=False)}"
            for part in fields(self)
        )


def one_below_the_other(
    calls: Iterable[tuple[dict[str, str], Callable[[], pd.DataFrame]]], columns: str
) -> pd.DataFrame:
    """The tables that calls return, each beside its head; a `reason` where there is none."""
    tables, heads = [pd.DataFrame()], []
    for head, find in calls:
        try:
            table, reason = find(), ""
        except NotEstimableError as error:
            table, reason = pd.DataFrame(index=[0]), f"not estimable: {error}"
        tables.append(table)
        heads += [head | {"reason": reason}] * len(table)
    joined = pd.concat(tables, ignore_index=True).assign(**pd.DataFrame(heads))
    return joined.reindex(columns=columns.split())


def each_variable(informants: Iterable[str], blocks: Blocks, find: Callable) -> list[dict]:
    """A row for each informant and variable of the blocks; none where `find` cannot estimate."""
    rows = []
    for informant, (block, terms) in product(informants, blocks.items()):
        for term in terms:
            with suppress(NotEstimableError):
                found = find(informant, term)
                rows.append({"informant": informant, "block": block, "term": term} | found)
    return rows


QUARTILES = (0.25, 0.5, 0.75)


def enough_beyond(n, min_cell: int, at: Sequence[float] = QUARTILES) -> np.ndarray:
    """Which quantiles of n values have `min_cell` people or more on either side, and may be shown.

    Each of few people's quantiles is the value of one of them.
    """
    return np.multiply.outer(np.asarray(n), np.minimum(at, np.subtract(1, at))) >= min_cell - 1e-9


@dataclass(frozen=True, repr=False)
class Overview(Tables):
    """What a study brought, and what cleaning made of it.

    Attributes
    ----------
    tables : DataFrame
        Each raw table: file, rows as they came and after cleaning, columns, values changed.
    changes : DataFrame
        How many values of each table each cleaning rule changed.
    dyads : DataFrame
        Each number of the dyad table: n, mean, SD and quartiles; no single value is shown.
        Indicators are left out, whose means are counts (Table 1 withholds small ones), and so are
        variables that fewer than `min_cell` people have, and quartiles with fewer on either side.
    """

    tables: pd.DataFrame
    changes: pd.DataFrame
    dyads: pd.DataFrame


def overview(cleaned: CleanStudy | Study, min_cell: int = 5) -> Overview:
    """What came, what cleaning changed, and the numbers it ends with; a raw study is cleaned first.

    Examples
    --------
    >>> from alliance_helpers import load_study, overview
    >>> overview(load_study()).tables["rows_raw"].tolist()[:2]
    [201, 198]
    """
    cleaned = clean(cleaned) if isinstance(cleaned, Study) else cleaned
    log = cleaned.log.assign(rule=cleaned.log["rule"].astype(str))
    told, changed = cleaned.codebook.tables, log["table"].value_counts()
    rows = [
        (name, told[name].file, n, len(cleaned.tables[name]), width, changed.get(name, 0))
        for name, (n, width) in cleaned.raw.items()
    ]
    columns = ["table", "file", "rows_raw", "rows_cleaned", "columns", "values_changed"]
    changes = log.groupby(["table", "rule"], sort=False).size()
    numbers = cleaned.dyads.select_dtypes("number")
    numbers = numbers[[c for c in numbers if not c.endswith("_n_missing")]]
    numbers = numbers.loc[:, ~numbers.isin([0, 1]).where(numbers.notna(), True).all()]
    numbers = numbers.loc[:, numbers.count() >= min_cell]
    wanted = ["count", "mean", "std", "25%", "50%", "75%"]
    described = pd.DataFrame({n: numbers[n].describe() for n in numbers}, wanted).T
    quartiles = described[wanted[3:]]
    described[wanted[3:]] = quartiles.where(enough_beyond(described["count"], min_cell))
    return Overview(
        tables=pd.DataFrame(rows, columns=columns),
        changes=changes.rename("values_changed").reset_index(),
        dyads=described.rename_axis("term").reset_index().rename(columns={"count": "n"}),
    )


def ratings(
    dyads: pd.DataFrame, codebook: Codebook | None = None, part: str = "total"
) -> tuple[pd.Series, pd.Series, pd.Series | None]:
    """Client's rating, case manager's rating, and the case managers (None without them).

    Ratings by unlike forms are percentages of what each form allows (Cohen, Cohen, Aiken & West
    1999), so that one can be taken from the other; `Codebook.rating_unit` says so. `part` is a
    subscale, or the total.

    Examples
    --------
    >>> dyads = open_cohort().dyads
    >>> client, case_manager, groups = ratings(dyads)
    >>> len(client) == len(case_manager) == len(groups)
    True
    """
    book = book_of(dyads, codebook)
    columns = {i: book.alliance_of(i) for i in ("client", "case_manager")}
    found = {i: dyads[c if part == "total" else f"{c}_{part}"] for i, c in columns.items()}
    for i, (low, high) in book.unlike_forms(part).items():
        found[i] = 100 * (found[i] - low) / (high - low)
    return *found.values(), dyads[book.case_manager] if book.case_manager else None


def agreement_by_subscale(
    dyads: pd.DataFrame, codebook: Codebook | None = None, conf_level: float = 0.95
) -> pd.DataFrame:
    """Agreement of the two informants on each subscale that both forms have, and on the total.

    Examples
    --------
    >>> dyads = open_cohort().dyads
    >>> len(agreement_by_subscale(dyads))
    16
    """
    book = book_of(dyads, codebook)
    columns = [book.alliance_of(i) for i in ("client", "case_manager")]
    keys = [book.scales[c].keys if c in book.scales else {} for c in columns]
    parts = [p for p in keys[0] if p in keys[1] and p != "total"]
    tables = []
    for part in [*parts, "total"]:
        table = agreement(*ratings(dyads, book, part), conf_level).reset_index()
        table.insert(0, "subscale", part)
        tables.append(table[table["statistic"].isin(["pearson_r", "icc_a1", "ccc", "bias"])])
    return pd.concat(tables, ignore_index=True)


def regression_blocks(
    dyads: pd.DataFrame,
    codebook: Codebook | None = None,
    outcome: str | None = None,
    informant: str | None = None,
    blocks: tuple[str, ...] = BEFORE,
) -> Blocks:
    """Blocks of predictors for a hierarchical regression, in the order in which they enter.

    Of an alliance rating: pretreatment and treatment, which come before it. Of an `outcome`: these,
    and then one informant's alliance. Variables that do not vary are left out.

    Examples
    --------
    >>> dyads = open_cohort().dyads
    >>> list(regression_blocks(dyads, outcome="symptoms", informant="client"))
    ['pretreatment', 'treatment', 'alliance']
    """
    book = book_of(dyads, codebook)
    found = {b: terms for b in blocks if (terms := usable(dyads, book.blocks.get(b, ())))}
    if outcome is None:
        return found
    return explaining(dyads, found, outcome, book.alliance_of(informant))


def explaining(dyads: pd.DataFrame, before: Blocks, outcome: str, alliance: str) -> Blocks:
    """The blocks that explain an outcome: those before it, and then an alliance rating."""
    if outcome not in dyads:
        raise NotEstimableError(f"the study has no {outcome!r}")
    blocks = {**before, "alliance": [alliance]}
    return {b: [t for t in terms if t != outcome] for b, terms in blocks.items()}


def both_ratings(dyads: pd.DataFrame, codebook: Codebook | None = None):
    """The two ratings for a figure: columns, their names, their labels, and what is measured.

    A study with one informant has an empty column for the other.

    Examples
    --------
    >>> dyads = open_cohort().dyads
    >>> both_ratings(dyads)[0].shape
    (201, 2)
    """
    book = book_of(dyads, codebook)
    names = ["client", "case_manager"]
    columns = {n: dyads[c] for n in book.informants if (c := book.alliance_of(n)) in dyads}
    if len(columns) == 2:
        columns = dict(zip(names, ratings(dyads, book), strict=False))
    frame = pd.DataFrame(columns, index=dyads.index).reindex(columns=names).astype(float)
    unit = book.rating_unit
    return frame, names, [book.informant_label(n) for n in names], unit[0].upper() + unit[1:]


def whose_rating(dyads: pd.DataFrame, codebook: Codebook | None = None) -> pd.DataFrame:
    """How much of each rating is the case manager's; no rows where that cannot be told.

    Examples
    --------
    >>> dyads = open_cohort().dyads
    >>> sorted(whose_rating(dyads)["informant"].unique())
    ['both', 'case_manager', 'client']
    """
    try:
        client, case_manager, groups = ratings(dyads, codebook)
        if groups is None:
            return pd.DataFrame({"reason": ["The study does not say who the case managers are."]})
        return one_with_many(client, case_manager, groups)
    except NotEstimableError as error:
        return pd.DataFrame({"reason": [f"Not estimable: {error}."]})


def usable(dyads: pd.DataFrame, names) -> list[str]:
    """Those of the variables that the cohort has and that vary in it."""
    return [n for n in names if n in dyads and dyads[n].nunique() > 1]


def days_data(
    dyads: pd.DataFrame,
    codebook: Codebook | None = None,
    informant: str = "case_manager",
    days: str = "hospital_days",
    adjust: tuple[str, ...] = COVARIATES,
) -> tuple[pd.DataFrame, list[str], str | None]:
    """Numbers for a count regression of hospital days on one standardised alliance rating.

    Returns
    -------
    data : DataFrame
        Complete rows: the days, `alliance` (mean 0, SD 1), the covariates as `as_numbers` makes
        them, the cluster.
    predictors : list of str
        `alliance` first.
    cluster : str or None

    Examples
    --------
    >>> dyads = open_cohort().dyads
    >>> days_data(dyads)[1:]
    (['alliance', 'site_type: neuropsychiatric', 'hospital_days_before'], 'case_manager_id')
    """
    book = book_of(dyads, codebook)
    data = pd.DataFrame({days: dyads[days], "alliance": dyads[book.alliance_of(informant)]})
    data = data.join(as_numbers(dyads, [a for a in adjust if a in dyads], book))
    if book.case_manager:
        data[book.case_manager] = dyads[book.case_manager]
    data = data.dropna().reset_index(drop=True)
    data["alliance"] = (data["alliance"] - data["alliance"].mean()) / data["alliance"].std()
    return data, [c for c in data if c not in (days, book.case_manager)], book.case_manager


def as_numbers(dyads: pd.DataFrame, names: list[str], book: Codebook) -> pd.DataFrame:
    """Covariates as numbers: a category as indicators against its first level.

    Days, which are skewed and whose mean days to come follow in proportion, as log(1 + days).
    """
    columns = {}
    for name in names:
        column = dyads[name]
        if pd.api.types.is_numeric_dtype(column.dtype):
            x = column.to_numpy(float, na_value=np.nan)
            known = x[~np.isnan(x)]
            if len(known) and known.min() < known.max():
                days = known.min() >= 0 and book.describe(name)[1] == "days"
                columns[name] = np.log1p(x) if days else x
            continue
        codes, levels = pd.factorize(column, sort=True)
        for k, level in enumerate(levels[1:], 1):
            columns[f"{name}: {level}"] = np.where(codes < 0, np.nan, codes == k)
    return pd.DataFrame(columns, index=dyads.index)


def complete(
    dyads: pd.DataFrame, book: Codebook, columns: list[str], covariates: Sequence[str] = ()
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """The dyads that have all of these variables, and a known case manager.

    Returns
    -------
    values : ndarray (m, k + q)
        The columns, then the covariates as numbers.
    groups : ndarray (m,) of case managers, or None where the study names none
    rows : ndarray (m,)
        Positions in the dyad table.

    Raises
    ------
    NotEstimableError
        A variable is not in the table, or fewer than four dyads are complete.
    """
    if lacking := [c for c in columns if c not in dyads]:
        raise NotEstimableError(f"the study has no {', '.join(lacking)}")
    held = as_numbers(dyads, [c for c in covariates if c in dyads], book).to_numpy(float)
    values = np.column_stack([*(dyads[c].to_numpy(float) for c in columns), held])
    managers = pd.factorize(dyads[book.case_manager])[0] if book.case_manager else None
    known = True if managers is None else managers >= 0
    rows = np.flatnonzero(~np.isnan(values).any(axis=1) & known)
    if len(rows) < 4:
        raise NotEstimableError(f"only {len(rows)} dyads have all of {', '.join(columns)}")
    return values[rows], None if managers is None else managers[rows], rows


def worth_of(X: np.ndarray, y: np.ndarray, groups: np.ndarray | None) -> float:
    """How many independent dyads these are worth to an association; the mean of several."""
    return float(np.mean([one["n_effective"] for one in worths(complete_rows(y, X, groups))]))


def rank_normal(x) -> np.ndarray:
    """Scores with a normal distribution and the order of `x` (Blom 1958)."""
    x = np.asarray(x, float)
    return ndtri((rankdata(x) - 0.375) / (len(x) + 0.25))


def bayes_factors(
    dyads: pd.DataFrame, codebook: Codebook | None = None, days: str = "hospital_days"
) -> pd.DataFrame:
    """Evidence for no correlation of each rating with hospital days, over the prior's width.

    Correlations of rank-normal scores, at the effective n (days are skewed, dyads share case
    managers). The prior on the correlation is a stretched beta of width kappa: 1 is uniform, 1/3
    the default of R's BayesFactor.

    Returns
    -------
    DataFrame
        `informant kappa r n n_effective bf10 bf01`.

    Examples
    --------
    >>> dyads = open_cohort().dyads
    >>> bool((bayes_factors(dyads)["n_effective"] > 0).all())
    True
    """
    book, rows = book_of(dyads, codebook), []
    for informant in book.informants:
        found, groups, kept = complete(dyads, book, [book.alliance_of(informant), days])
        x, y = (rank_normal(column) for column in found.T)
        if not (np.ptp(x) and np.ptp(y)):
            raise NotEstimableError(f"{days} or the rating is the same for everybody")
        worth = worth_of(x, y, groups)
        r = float(np.corrcoef(x, y)[0, 1])
        for kappa in KAPPAS:
            bf10 = float(bayes_factor_correlation(r, worth, kappa))
            rows.append((informant, kappa, r, len(kept), worth, bf10, 1 / bf10))
    return pd.DataFrame(
        rows, columns=["informant", "kappa", "r", "n", "n_effective", "bf10", "bf01"]
    )


def correlation_matrix(dyads: pd.DataFrame, codebook: Codebook | None = None) -> pd.DataFrame:
    """Pearson correlations of ratings, treatment and outcome variables, pairwise complete.

    The column `n`: the fewest clients behind any correlation of a row.

    Examples
    --------
    >>> dyads = open_cohort().dyads
    >>> float(correlation_matrix(dyads).loc["client_alliance", "case_manager_alliance"].round(3))
    0.183
    """
    book = book_of(dyads, codebook)
    names = [entry["alliance"] for entry in book.informants.values()]
    names += [v for b in ("alliance", "treatment", "outcome") for v in book.blocks.get(b, ())]
    values = dyads[usable(dyads, dict.fromkeys(names))].astype(float)
    there = values.notna().astype(int)
    return values.corr(min_periods=4).assign(n=(there.T @ there).min())
