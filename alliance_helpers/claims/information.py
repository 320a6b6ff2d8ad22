"""What a case manager draws on, and what a client: the sources of information behind a rating.

The variables of each block are grouped by who reported them, and each group gets its relative
importance for each informant's alliance rating.
"""

from __future__ import annotations

import pandas as pd

from ..errors import NotEstimableError
from ..models.importance import relative_importance
from ..study.codebook import Codebook, Table
from ..study.read_codebook import book_of

RECORDS = "records"
COLUMNS = [
    "informant", "block", "source", "terms", "estimate", "conf_low", "conf_high", "share", "first",
    "last", "noise", "p_value", "r_squared", "n", "reason",
]  # fmt: skip


def information_sources(
    dyads: pd.DataFrame,
    codebook: Codebook | None = None,
    n_boot: int = 1000,
    n_noise: int = 200,
    seed: int = 1995,
) -> pd.DataFrame:
    """Relative importance of each source of information for each informant's alliance rating.

    Parameters
    ----------
    dyads : DataFrame
        One row per client.
    codebook : Codebook, optional
        Says who rates, what the blocks are and who reported what; the shipped one by default.
    n_boot, n_noise, seed
        As in `importance.relative_importance`; whole case managers are resampled.

    Returns
    -------
    DataFrame
        `informant block source terms`, then the columns of `relative_importance`. `source`: the
        informant or rater who reported the variables of the block listed in `terms`, or
        `records`. Where nothing can be estimated the row has the `reason`.

    Notes
    -----
    A source that shares its reporter with the rating (the client's view of outcome and the
    client's alliance) also holds the reporter's general favour: importance is not insight.

    Examples
    --------
    >>> from alliance_helpers.cohorts.simulate import simulate_dyads
    >>> table = information_sources(simulate_dyads("published", 201, 7), n_boot=50, n_noise=20)
    >>> table.groupby("informant")["share"].sum().round(6).tolist()
    [1.0, 1.0]
    """
    book = book_of(dyads, codebook)
    groups = _sources(dyads, book)
    tables = []
    for informant, entry in book.informants.items():
        head = pd.DataFrame(
            [(b, s, ", ".join(terms)) for (b, s), terms in groups.items()],
            columns=["block", "source", "terms"],
        )
        try:
            if not groups:
                raise NotEstimableError("The study has no other variables.")
            if entry["alliance"] not in dyads:
                raise NotEstimableError(f"The study has no {entry['alliance']}.")
            named = {f"{b}, {s}": terms for (b, s), terms in groups.items()}
            found = relative_importance(
                dyads, entry["alliance"], named, book.case_manager, n_boot, n_noise, seed
            )
            table = head.join(found.drop(columns="term")).assign(reason="")
        except NotEstimableError as error:
            table = head.assign(reason=f"not estimable: {error}")
        tables.append(table.assign(informant=informant))
    joined = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    return joined.reindex(columns=COLUMNS)


def reporter_of(term: str, book: Codebook) -> str:
    """Who reported a variable: an informant or rater of the codebook, else `records`.

    A scale says so itself. Any other variable is taken to come from whoever filled in the scales
    of the same table, if that is one person.

    Examples
    --------
    >>> from alliance_helpers.study.read_codebook import read_codebook
    >>> book = read_codebook()
    >>> [reporter_of(t, book) for t in ("living_skills", "health_sickness", "hospital_days")]
    ['client', 'rater', 'records']
    """
    if term in book.scales:
        return book.scales[term].informant or RECORDS
    name = book.derived[term].source if term in book.derived else term
    for table in book.tables.values():
        if any(name in (v, *(v + s for s in table.suffix.values())) for v in table.variables):
            raters = {s.informant for s in book.scales.values() if _filled_in(s.items, table)}
            return raters.pop() if len(raters) == 1 and raters != {""} else RECORDS
    return RECORDS


def _filled_in(items: tuple[str, ...], table: Table) -> bool:
    suffixes = ("", *table.suffix.values())
    return any(items[0] == variable + s for variable in table.variables for s in suffixes)


def _sources(dyads: pd.DataFrame, book: Codebook) -> dict[tuple[str, str], list[str]]:
    groups: dict[tuple[str, str], list[str]] = {}
    for block, terms in book.blocks.items():
        for term in terms:
            if block != "alliance" and term in dyads and dyads[term].nunique() > 1:
                groups.setdefault((block, reporter_of(term, book)), []).append(term)
    return groups
