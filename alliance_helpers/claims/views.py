"""Parts of the dyad table that analyses ask for, by the names in the codebook."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..errors import NotEstimableError
from ..models.agreement import agreement
from ..models.nesting import one_with_many
from ..paths import VERDICT_RATES
from ..study.clean import CleanStudy
from ..study.codebook import Codebook
from ..study.load import Study
from .rules import Rules, read_rules

BEFORE = ("pretreatment", "treatment")
EVERY = (*BEFORE, "outcome")
COVARIATES = ("site_type", "hospital_days_before")  # of hospital days, in the shipped claims


def overview(study: Study, cleaned: CleanStudy) -> pd.DataFrame:
    """Each raw table: file, rows as they came and after cleaning, values changed."""
    rows = []
    for name, frame in study.tables.items():
        rows.append(
            {
                "table": name,
                "file": study.codebook.tables[name].file,
                "rows_raw": len(frame),
                "rows_cleaned": len(cleaned.tables[name]),
                "columns": frame.shape[1],
                "values_changed": int((cleaned.log["table"] == name).sum()),
            }
        )
    return pd.DataFrame(rows)


def alliance_of(book: Codebook, informant: str) -> str:
    """The column that holds an informant's alliance rating."""
    if informant not in book.informants:
        raise NotEstimableError(f"the study has no ratings by the {informant.replace('_', ' ')}")
    return book.informants[informant]["alliance"]


def ratings(
    dyads: pd.DataFrame, book: Codebook, part: str = "total"
) -> tuple[pd.Series, pd.Series, pd.Series | None]:
    """Client's rating, case manager's rating, and the case managers (None without them).

    Ratings by unlike forms are percentages of what each form allows (Cohen, Cohen, Aiken & West
    1999), so that one can be taken from the other; :func:`rating_unit` says so. `part` is a
    subscale, or the total.
    """
    columns = [alliance_of(book, i) for i in ("client", "case_manager")]
    spans = [_allowed(c, book, part) for c in columns]
    found = [dyads[c if part == "total" else f"{c}_{part}"] for c in columns]
    if _unlike(spans):
        found = [
            100 * (x - low) / (high - low) for x, (low, high) in zip(found, spans, strict=True)
        ]
    return *found, dyads[book.case_manager] if book.case_manager else None


def rating_unit(book: Codebook) -> str:
    """What the ratings are measured in, for an axis."""
    columns = [entry["alliance"] for entry in book.informants.values()]
    if len(columns) == 2 and _unlike([_allowed(c, book, "total") for c in columns]):
        return "alliance rating (% of what the form allows)"
    scale = next((book.scales[c] for c in columns if c in book.scales), None)
    return f"alliance rating ({f'{scale.score} of items' if scale else 'in its own units'})"


def _allowed(rating: str, book: Codebook, part: str) -> tuple[float, float]:
    """Lowest and highest rating that the codebook allows."""
    if rating not in book.scales:
        columns = [v for t in book.tables.values() for v in t.variables.values()]
        return next(((v.low, v.high) for v in columns if v.name == rating), (-np.inf, np.inf))
    scale = book.scales[rating]
    parts = {p: len(items) for p, items in scale.keys.items() if p != "total"}
    n = parts.get(part, sum(parts.values()) or len(scale.keys.get("total", ())))
    low, high = scale.limits
    return (low * n, high * n) if scale.score == "sum" else (low, high)


def _unlike(spans: list[tuple[float, float]]) -> bool:
    return spans[0] != spans[1] and bool(np.isfinite(spans).all())


def agreement_by_subscale(
    dyads: pd.DataFrame, book: Codebook, conf_level: float = 0.95
) -> pd.DataFrame:
    """Agreement of the two informants on each subscale that both forms have, and on the total."""
    columns = [alliance_of(book, i) for i in ("client", "case_manager")]
    keys = [book.scales[c].keys if c in book.scales else {} for c in columns]
    parts = [p for p in keys[0] if p in keys[1] and p != "total"]
    tables = []
    for part in [*parts, "total"]:
        table = agreement(*ratings(dyads, book, part), conf_level).reset_index()
        table.insert(0, "subscale", part)
        tables.append(table[table["statistic"].isin(["pearson_r", "icc_a1", "ccc", "bias"])])
    return pd.concat(tables, ignore_index=True)


def predictor_blocks(
    dyads: pd.DataFrame, book: Codebook, blocks: tuple[str, ...] = BEFORE
) -> dict[str, list[str]]:
    """Blocks for a regression of an alliance rating: pretreatment and treatment come before it."""
    usable = {b: _usable(dyads, book.blocks.get(b, ())) for b in blocks}
    return {name: terms for name, terms in usable.items() if terms}


def outcome_blocks(
    dyads: pd.DataFrame, book: Codebook, outcome: str, informant: str
) -> dict[str, list[str]]:
    """Blocks for a regression of an outcome: pretreatment, treatment, one informant's alliance."""
    blocks = predictor_blocks(dyads, book) | {"alliance": [alliance_of(book, informant)]}
    return {b: [t for t in terms if t != outcome] for b, terms in blocks.items()}


def both_ratings(dyads: pd.DataFrame, book: Codebook):
    """The two ratings for a figure: columns, their names, their labels, and what is measured.

    A study with one informant has an empty column for the other.
    """
    names = ["client", "case_manager"]
    columns = {
        n: dyads[e["alliance"]] for n, e in book.informants.items() if e["alliance"] in dyads
    }
    if len(columns) == 2:
        columns = dict(zip(names, ratings(dyads, book), strict=False))
    frame = pd.DataFrame(columns, index=dyads.index).reindex(columns=names).astype(float)
    unit = rating_unit(book)
    return frame, names, [book.informant_label(n) for n in names], unit[0].upper() + unit[1:]


def pick_divider(dyads: pd.DataFrame, book: Codebook, by: str) -> str:
    """The column asked for if the study has it, else its sites, else none."""
    return next((c for c in (by, book.site) if c and c in dyads), "")


def usual_analysis(book: Codebook) -> str:
    """Case managers are respected where they are known."""
    return "nested" if book.case_manager else "as_published"


def whose_rating(dyads: pd.DataFrame, book: Codebook) -> pd.DataFrame:
    """How much of each rating is the case manager's; no rows where that cannot be told."""
    try:
        client, case_manager, groups = ratings(dyads, book)
        if groups is None:
            return pd.DataFrame({"reason": ["The study does not say who the case managers are."]})
        return one_with_many(client, case_manager, groups)
    except NotEstimableError as error:
        return pd.DataFrame({"reason": [f"Not estimable: {error}."]})


def pick_informant(book: Codebook, informant: str) -> str:
    """The informant asked for if there are ratings of theirs, else the one whose ratings there are.

    A name that is neither informant's stays as it is, for an error to name.
    """
    other = {"client": "case_manager", "case_manager": "client"}.get(informant)
    return other if informant not in book.informants and other in book.informants else informant


def pick_outcome(book: Codebook, outcome: str) -> str:
    """The outcome asked for if the study has it, else the first of its outcome block."""
    known = book.blocks.get("outcome", ())
    return outcome if outcome in known or not known else known[0]


def _usable(dyads: pd.DataFrame, names) -> list[str]:
    return [n for n in names if n in dyads and dyads[n].nunique() > 1]


def days_data(
    dyads: pd.DataFrame,
    book: Codebook,
    informant: str,
    days: str = "hospital_days",
    adjust: tuple[str, ...] = COVARIATES,
) -> tuple[pd.DataFrame, list[str], str | None]:
    """Numbers for a count regression of hospital days on one standardised alliance rating.

    Returns
    -------
    data : DataFrame
        Complete rows: the days, `alliance` (mean 0, SD 1), the covariates as numbers, the cluster.
    predictors : list of str
        `alliance` first.
    cluster : str or None
    """
    rating = dyads[alliance_of(book, informant)]
    data = pd.DataFrame({days: dyads[days], "alliance": rating})
    data = data.join(as_numbers(dyads, [a for a in adjust if a in dyads]))
    if book.case_manager:
        data[book.case_manager] = dyads[book.case_manager]
    data = data.dropna().reset_index(drop=True)
    data["alliance"] = (data["alliance"] - data["alliance"].mean()) / data["alliance"].std()
    predictors = [c for c in data if c not in (days, book.case_manager)]
    return data, predictors, book.case_manager


def as_numbers(dyads: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Numeric columns; a category becomes indicators against its first level."""
    columns = {}
    for name in names:
        if pd.api.types.is_numeric_dtype(dyads[name]):
            if dyads[name].std() > 0:
                columns[name] = dyads[name]
            continue
        for level in sorted(dyads[name].dropna().unique())[1:]:
            indicator = (dyads[name] == level).astype(float)
            columns[f"{name}: {level}"] = indicator.where(dyads[name].notna(), np.nan)
    return pd.DataFrame(columns, index=dyads.index)


def cleaning_summary(cleaned: CleanStudy) -> pd.DataFrame:
    """How many values of each table each cleaning rule changed."""
    log = cleaned.log.assign(rule=cleaned.log["rule"].astype(str))
    counted = log.groupby(["table", "rule"], sort=False).size()
    return counted.rename("values_changed").reset_index()


def dyad_summary(cleaned: CleanStudy, min_cell: int = 5) -> pd.DataFrame:
    """Each number of the dyad table: n, mean, SD and quartiles; no single value is shown.

    Indicators are left out, whose means are counts (Table 1 withholds small ones), and so are
    variables that fewer than `min_cell` people have.
    """
    numbers = cleaned.dyads.select_dtypes("number")
    numbers = numbers[[c for c in numbers if not c.endswith("_n_missing")]]
    numbers = numbers.loc[:, ~numbers.isin([0, 1]).where(numbers.notna(), True).all()]
    numbers = numbers.loc[:, numbers.count() >= min_cell]
    table = numbers.describe().T[["count", "mean", "std", "25%", "50%", "75%"]]
    return table.rename_axis("term").reset_index().rename(columns={"count": "n"})


def correlation_matrix(dyads: pd.DataFrame, book: Codebook) -> pd.DataFrame:
    """Pearson correlations of ratings, treatment and outcome variables, pairwise complete."""
    names = [entry["alliance"] for entry in book.informants.values()]
    names += [v for b in ("alliance", "treatment", "outcome") for v in book.blocks.get(b, ())]
    return dyads[_usable(dyads, dict.fromkeys(names))].astype(float).corr(min_periods=4)


def recovery(
    rules: Rules, analyses: tuple[str, ...] = ("as_1995", "as_published", "nested")
) -> pd.DataFrame:
    """Percentage of simulated cohorts in which each shipped claim is supported, by scenario.

    Read from `data/verdict_rates.csv`, which `python -m benchmarks.verdict_rates` writes.

    Parameters
    ----------
    rules : Rules
        Claims that are not the shipped ones have no rates.
    analyses : tuple of str
        The analyses whose percentages are shown, divided by a stroke.

    Returns
    -------
    DataFrame
        `finding claim informant`, claims as their texts, then a column per scenario.
    """
    rates = pd.read_csv(VERDICT_RATES, dtype={"finding": str})
    key = ["finding", "claim", "informant"]
    percent = (100 * rates["supported"]).map("{:.0f}".format)
    wide = rates.assign(percent=percent).pivot_table(
        "percent", [*key, "scenario"], "analysis", aggfunc="first", sort=False
    )
    joined = wide.reindex(columns=list(analyses)).fillna("–").agg(" / ".join, axis=1)
    table = joined.unstack("scenario")[list(dict.fromkeys(rates["scenario"]))]  # noqa: PD010
    shipped = read_rules(book=rules.book)
    own = [c for c in shipped.claims if c in rules.claims]
    texts = {c.key: c.text for c in own}
    if len(own) == len(shipped.claims):
        texts["all", "every_claim", "both"] = "Every claim at once"
    table = table.reindex(list(texts)).reset_index()
    return table.assign(claim=list(texts.values())).rename_axis(columns=None)
