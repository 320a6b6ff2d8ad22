"""The cohort that a notebook works on, and what may be changed about it.

It is the shipped one, your own, or a simulated one; what changes is whom it holds, how it is
scored, its predictors.

Each change gives a new cohort, which everything after it follows: scores, reliabilities, missing
values, regressions, claims and figures. The cohort it was made from stays as it was.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from html import escape
from io import StringIO
from itertools import chain
from types import SimpleNamespace

import pandas as pd
from pandas.api.types import is_list_like, is_numeric_dtype
from tqdm import tqdm

from ..errors import ParameterError, listed, meant
from ..study.clean import CleanStudy, assembled, clean
from ..study.codebook import SHORT_OF_36, Codebook, row_variables
from ..study.load import Study, load_study

# The cohort opened last: where results go, whose words they use, its size, changes and sessions.
OPENED = SimpleNamespace(out="", codebook=None, n=0, changes=(), sessions=None)
_kept: dict[str, CleanStudy] = {}
FEW = 5  # people of whom no result may tell
BLOCKS = ("pretreatment", "treatment", "outcome")  # that notebooks ask for by name
ASSIGNED = re.compile(r"^(\w+)(?:: .+?)? = ", re.M)  # a parameter, one a line
CHANGES = ("without", "subscale", "blocks")  # parameters of `changed`
Values = str | float | Iterable[str | float]


def followed(things: Iterable, what: str) -> tqdm:
    """The things one by one, with a line that says how far, where somebody may be waiting.

    That is a notebook that writes no files: in runs, batches and plain Python there is none.
    """
    hidden = bool(OPENED.out) or not hasattr(_shell(), "kernel")
    return tqdm(things, what, leave=False, file=sys.stdout, disable=hidden)


def _shell():
    return sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None


def check_names() -> None:
    """Refuse a name that the cell of parameters lacks; papermill alone only logs it.

    What papermill is given stands in a cell of its own. A name that an earlier version of the
    cell of parameters set is forgotten, so that one mistyped since is no old value's excuse.
    """
    scope = getattr(_shell(), "user_ns", {})
    cells = [(c.startswith("# Parameters\n"), ASSIGNED.findall(c)) for c in scope.get("In", [])]
    own = [i for i, (given, names) in enumerate(cells) if "data" in names and not given]
    if own:
        known, since = cells[own[-1]][1], {n for _, names in cells[own[-1] :] for n in names}
        for name in {n for i in own for n in cells[i][1]} - since:
            scope.pop(name, None)
        odd = [n for given, names in cells[own[-1] :] if given for n in names if n not in known]
        if odd:
            raise ParameterError(f"There is no parameter {odd[0]!r} here; {meant(odd[0], known)}")


def _open(cohort: Cohort) -> None:
    OPENED.codebook, OPENED.n, OPENED.changes = cohort.codebook, len(cohort.dyads), cohort.changes
    OPENED.sessions = cohort.sessions


def rounded_n(n, whole=None, book: Codebook | None = None):
    """How many people a result on real records says it is of: the cohort, less whole fives.

    Or how many of the `whole` number of case managers, or of sessions; of the cohort opened last,
    unless the `book` is another's.

    Beside the cohort's size, or another result's, the number itself would say how few have no
    value. On synthetic records it is `n`.
    """
    book = book or OPENED.codebook
    if book is None or book.synthetic:
        return n
    whole = OPENED.n if whole is None else whole
    return whole - (whole - n) // FEW * FEW


def rounded_count(n):
    """A count in tables of a part of a study on real records, to the nearest five.

    Beside that of the whole study the count itself would say how many of it were left out.
    """
    real = OPENED.codebook is not None and not OPENED.codebook.synthetic
    return round(n / FEW) * FEW if real and OPENED.changes else n


@dataclass(frozen=True, repr=False)
class Cohort(CleanStudy):
    """A cleaned study whose parts can be changed; `changes` says in words what was."""

    changes: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        about = "; ".join([f"{len(self.dyads):,} dyads from {self.source}", *self.changes])
        book = self.codebook
        rows = [(b, ", ".join(map(book.label, names))) for b, names in book.blocks.items()]
        table = pd.DataFrame(rows, columns=["Block", "Variables"]).to_html(index=False)
        return f"<p><strong>{escape(book.title)}</strong>: {escape(about)}</p>{table}"

    def only(self, **values: Values) -> Cohort:
        """Only the dyads with these values: `cohort.only(site_type="general")`.

        Parameters
        ----------
        **values : str, number or list of them
            Of columns of `dyads`.

        Raises
        ------
        ParameterError
            A column or a value that the cohort does not have, or nobody is left.
        """
        return self._of(self._holding(values).all(axis=1), "only " + _listed(values))

    def without(self, **values: Values) -> Cohort:
        """Without the dyads with any of these values: `cohort.without(site="Site 03")`.

        Parameters and errors are those of :meth:`only`.
        """
        return self._of(~self._holding(values).any(axis=1), "without " + _listed(values))

    def rescored(self, form: str = "", max_missing: float | None = None) -> Cohort:
        """The alliance scored by another rule.

        Parameters
        ----------
        form : {"WAI-S", "WAI-SR"}
            A short form, from the answers to the 36 items.
        max_missing : float
            Share of a subscale's items that may be unanswered, from 0 to below 1.

        Raises
        ------
        ParameterError
        """
        scales, new = dict(self.codebook.scales), {}
        if form:
            new["keys"] = SHORT_OF_36[_one_of(form, SHORT_OF_36, "form")]
        if max_missing is not None:
            if not (isinstance(max_missing, int | float) and 0 <= max_missing < 1):
                raise ParameterError(f"max_missing is {max_missing!r}; give a share, 0 to below 1.")
            new["max_missing"] = max_missing
        for name in self._rated():
            if form and scales[name].form != "WAI-36":
                known = scales[name].form or "of no known form"
                remedy = "short forms are scored from the 36 answers to a WAI-36"
                raise ParameterError(f"{name} is {known}: {remedy}.")
            scales[name] = replace(scales[name], **new)
        said = [f"scored as {form}"] if form else []
        said += [f"at most {max_missing:.0%} of a subscale unanswered"] if max_missing else []
        said += ["every item answered"] if max_missing == 0 else []
        return self._as(replace(self.codebook, scales=scales), ", ".join(said) or "as it was")

    def with_blocks(self, **blocks: Iterable[str]) -> Cohort:
        """Other predictors: `cohort.with_blocks(pretreatment=["client_age"])`.

        Parameters
        ----------
        **blocks : list of str
            Columns of `dyads` for blocks of the codebook, or for new ones.

        Raises
        ------
        ParameterError
        """
        chosen = {b: tuple(n) if is_list_like(n) else (n,) for b, n in blocks.items()}
        for name in chain.from_iterable(chosen.values()):
            if not is_numeric_dtype(self.dyads[_one_of(name, self.dyads.columns, "variable")]):
                raise ParameterError(f"{name!r} has no numbers; take what `derived` makes of it.")
        book = replace(self.codebook, blocks={**self.codebook.blocks, **chosen})
        stands = Counter(chain.from_iterable(map(set, book.blocks.values())))
        if twice := [name for name in chain(*chosen.values()) if stands[name] > 1]:
            raise ParameterError(f"{twice[0]!r} would stand in two blocks; leave it out of one.")
        return self._as(book, "; ".join(f"{b} is {', '.join(n)}" for b, n in chosen.items()))

    def using(self, subscale: str) -> Cohort:
        """A subscale as the alliance rating of every informant: `cohort.using("bond")`.

        Raises
        ------
        ParameterError
        """
        informants = dict(self.codebook.informants)
        for who, name in zip(informants, self._rated(), strict=True):
            parts = [p for p in self.codebook.scales[name].keys if p != "total"]
            alliance = f"{name}_{_one_of(subscale, parts, 'subscale')}"
            informants[who] = {**informants[who], "alliance": alliance}
        return self._as(replace(self.codebook, informants=informants), f"{subscale} as the rating")

    def _rated(self) -> list[str]:
        """The scale of each informant's rating."""
        rated = [self.codebook.alliance_of(i) for i in self.codebook.informants]
        return [_one_of(name, self.codebook.scales, "scale of the rating") for name in rated]

    def _holding(self, values: Mapping[str, Values]) -> pd.DataFrame:
        """For each of these columns, which dyads have one of its values."""
        found = {}
        for column, wanted in values.items():
            cells = self.dyads[_one_of(column, self.dyads.columns, "column")]
            wanted = wanted if is_list_like(wanted) else [wanted]
            there = cells.dropna().unique().tolist()
            found[column] = cells.isin([_one_of(v, there, f"value of {column}") for v in wanted])
        return pd.DataFrame(found, index=self.dyads.index)

    def _of(self, keep: pd.Series, said: str) -> Cohort:
        if not keep.any():
            raise ParameterError(f"Nobody is left: {said}.")
        client = self.codebook.client
        clients = self.dyads.loc[keep, client]
        tables = {
            name: table[table[client].isin(clients)] if client in table else table
            for name, table in self.tables.items()
        }
        return self._made(replace(self, tables=tables), f"{said} ({(~keep).sum():,} dyads fewer)")

    def _as(self, book: Codebook, said: str) -> Cohort:
        return self._made(replace(self, codebook=book), said)

    def _made(self, changed: Cohort, said: str) -> Cohort:
        made = replace(assembled(changed), changes=(*self.changes, said))
        _open(made)
        sys.stdout.write(f"{len(made.dyads):,} dyads, {said}.\n")
        return made


def changed(cohort: Cohort, without: str = "", subscale: str = "", blocks: str = "") -> Cohort:
    """A cohort as the parameters of a notebook ask for it.

    Parameters
    ----------
    without : str
        `site=Site 03, Site 04; site_type=general`.
    subscale : str
        As for :meth:`Cohort.using`.
    blocks : str
        `pretreatment=client_age, client_female; treatment=contacts`.
    """
    book = cohort.codebook
    with redirect_stdout(StringIO()):  # `note` says it
        if without:
            left = _pairs(without, "without")
            if not book.synthetic and (who := [n for n in left if _tells_who(n, book)]):
                raise ParameterError(
                    f"without names {listed(who)}, which would tell in every result who was left "
                    "out: leave single people out by `where` in the codebook."
                )
            there = {n: {*map(str, cohort.dyads.get(n, ()))} for n in left}
            asked = {n: [v for told in left[n] for v in _parts(told, there[n])] for n in left}
            cohort = cohort.without(**asked)
        if subscale:
            cohort = cohort.using(subscale)
        chosen = _pairs(blocks, "blocks") if blocks else {}
        chosen = {b: [*chain.from_iterable(map(_parts, told))] for b, told in chosen.items()}
        for block in chosen:
            _one_of(block, {*book.blocks, *BLOCKS}, "block")
        return cohort.with_blocks(**chosen) if chosen else cohort


def _tells_who(name: str, book: Codebook) -> bool:
    """Whether a column is an id or a date of people."""
    variable = row_variables(book).get(name)
    groups = (book.case_manager, book.site)
    return variable is not None and variable.type in ("id", "date") and name not in groups


def _pairs(text: str, name: str) -> dict[str, list[str]]:
    pairs = [part.partition("=") for part in str(text).split(";") if part.strip()]
    if not pairs or not all(left.strip() and right.strip() for left, _, right in pairs):
        raise ParameterError(f"{name} is {text!r}; write it as column=value, value; column=value.")
    found: dict[str, list[str]] = {}
    for left, _, right in pairs:
        found.setdefault(left.strip(), []).append(right.strip())
    return found


def _parts(text: str, whole: Iterable = ()) -> list[str]:
    """What commas part, but for values that have a comma themselves."""
    return [text] if text in whole else [part.strip() for part in text.split(",")]


def _listed(values: Mapping[str, Values]) -> str:
    every = {c: v if is_list_like(v) else [v] for c, v in values.items()}
    return "; ".join(f"{c} {', '.join(map(str, v))}" for c, v in every.items())


def _one_of(value: object, known: Iterable, what: str) -> object:
    """The known thing that a value names, as text too; else what it might have meant."""
    names = {str(k): k for k in known}
    if str(value) in names:
        return names[str(value)]
    raise ParameterError(f"There is no {what} {str(value)!r}; {meant(value, names)}")


def open_study(data="", codebook="", scenario="", n_clients=201, seed=1995) -> Study:
    """The raw tables behind :func:`open_cohort`, with its parameters and its errors."""
    check_asked(data, codebook, scenario, n_clients, seed)
    if scenario:
        from .simulate import simulate_study

        return simulate_study(scenario, n_clients, seed)
    return load_study(data or None, codebook or None)


def check_asked(data="", codebook="", scenario="", n_clients=201, seed=1995) -> None:
    """Refuse parameters of :func:`open_cohort` that do not go together, before anything is read.

    Raises
    ------
    ParameterError, ScenarioError
    """
    if data and scenario:
        both = f"Both data ({data}) and scenario ({scenario})"
        raise ParameterError(f"{both} are given; leave one of them empty.")
    if scenario:
        from .courses import scenario_codebook
        from .simulate import check_size

        check_size(n_clients, seed)
        scenario_codebook(scenario)
        return
    idle = [f"{n} = {v!r}" for n, v, usual in (("n_clients", n_clients, 201), ("seed", seed, 1995))
            if v != usual]  # fmt: skip
    if idle:
        why = f"{' and '.join(idle)} would change nothing: only a simulated study has them"
        raise ParameterError(f"{why}. Name a scenario too, or leave them out.")


def open_cohort(
    data: str = "",
    codebook: str = "",
    scenario: str = "",
    n_clients: int = 201,
    seed: int = 1995,
    out: str = "",
    without: str = "",
    subscale: str = "",
    blocks: str = "",
) -> Cohort:
    """The cohort that a notebook's parameters ask for: one row per dyad, every change logged.

    Parameters
    ----------
    data : str
        Folder or file of your own study; empty for the shipped synthetic cohort.
    codebook : str
        Its data dictionary; empty for the one beside the data.
    scenario : str
        With `data` empty: simulate a study from this scenario of `data/scenarios.yml` instead.
    n_clients, seed : int
        Of the simulated study.
    out : str
        The folder in which `save_table`, `save_figure` and `save_record` write from now on; empty
        to show only. They use the words of this cohort's codebook.
    without, subscale, blocks : str
        Changes of the cohort; see :func:`changed`.

    Raises
    ------
    ParameterError
        If both `data` and `scenario` are given, or `n_clients` or `seed` without a scenario.
    DataError, CodebookError, ScenarioError

    Examples
    --------
    >>> from alliance_helpers import open_cohort
    >>> cohort = open_cohort(scenario="halo", n_clients=60, seed=3)
    >>> len(cohort.dyads), cohort.raw["hospital_episodes"]
    (60, (316, 3))
    """
    check_names()
    asked = (data, codebook, scenario, n_clients, seed)
    cohort = Cohort(**vars(_kept.pop(repr(asked), None) or clean(open_study(*asked))))
    OPENED.out = out
    _open(cohort)
    return changed(cohort, without, subscale, blocks)


def keep_cohort(data="", codebook="", scenario="", n_clients=201, seed=1995) -> None:
    """Open a cohort now; the next call of `open_cohort` for it, and only that one, is given it.

    For a process that forks kernels, each of which then finds the cohort open. One that warns is
    not kept: the warning belongs on the page of the notebook.
    """
    asked = (data, codebook, scenario, n_clients, seed)
    with warnings.catch_warnings(record=True) as warned:
        cohort = clean(open_study(*asked))
    if not warned:
        _kept[repr(asked)] = cohort
