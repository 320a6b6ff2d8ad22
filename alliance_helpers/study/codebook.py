"""What a codebook says: tables, variables, scales, informants, blocks; and a study's own words.

`read_codebook` reads one from a YAML file. Nothing in a codebook is ever evaluated as code.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path

from ..errors import NotEstimableError

FORMS, WORDS = (
    tomllib.loads(Path(__file__).with_name(name).read_text(encoding="utf-8"))
    for name in ("forms.toml", "words.toml")
)
SUBSCALES = {form: told["key"] for form, told in FORMS.items()}
SHORT_OF_36 = {form: told["of_36"] for form, told in FORMS.items() if "of_36" in told}
RESPONSES = {form: tuple(told["answers"]) for form, told in FORMS.items()}
N_ITEMS = {form: sum(map(len, key.values())) for form, key in SUBSCALES.items()}
TWINS = {a: b for a, n in N_ITEMS.items() for b in N_ITEMS if a != b and n == N_ITEMS[b]}
MAX_SPAN = 1_000
# Types of a link that can be held against one another.
KINDS = {"id": "id", "category": "id", "number": "number", "integer": "number", "date": "date"}
NUMERIC = ("number", "integer")
PICKED = ("rating", "session")  # rows of which a client has several that make one
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


def say(problem: str, /, **filled: object) -> tuple[str, str]:
    """What is wrong, and the remedy, as `words.toml` has them.

    >>> say("no_rows")
    ('has no rows.', 'Put the records under the header.')
    """
    what, remedy = WORDS["say"][problem]
    return what.format(**filled), remedy.format(**filled)


@dataclass(frozen=True)
class Variable:
    """One column of one table.

    `codes` maps what a cell holds to the category, or the number, it means; `format` is how dates
    are written, if not as year-month-day. The variable's own codes for "no answer" always hold
    (`missing`, `missing_ranges`); the study's (`study_missing`) outside its range only. An id may
    count anew `within` what other variables of its row hold.
    """

    name: str
    table: str
    column: str
    type: str = "number"
    label: str = ""
    unit: str = ""
    low: float = float("-inf")
    high: float = float("inf")
    values: tuple[str, ...] = ()
    codes: Mapping[str, str] = field(default_factory=dict)
    missing: tuple = ()
    study_missing: tuple = ()
    missing_ranges: tuple[tuple[float, float], ...] = ()
    out_of_range: str = "error"
    format: str | None = None
    optional: bool = False
    within: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """One raw table: where it is and what one of its rows stands for.

    `header` is the first and last row of the file's header, the names in its first; `where` maps a
    column of the file to what it holds in the rows that are kept. Of a client's several rows
    `occasion` and `suffix` make columns side by side (for `rated` tables, where the informant makes
    the occasion, too); or `event` says which is taken in the order of `time`.
    """

    name: str
    file: str
    key: tuple[str, ...]
    variables: Mapping[str, Variable]
    row: str = "client"
    sheet: str | None = None
    duplicates: str = "error"
    latest: str | None = None
    occasion: str | None = None
    suffix: Mapping[str, str] = field(default_factory=dict)
    ignore: tuple[str, ...] = ()
    header: tuple[int, int] = (1, 1)
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rated: bool = False
    time: str | None = None
    event: str | None = None

    @property
    def endings(self) -> tuple[str, ...]:
        """What a client's row puts behind the names of its variables, one for each occasion."""
        return tuple(self.suffix.values()) or ("",)

    def ignores(self, column: str) -> bool:
        """Whether the codebook leaves this column of the file aside."""
        return any(fnmatchcase(column, pattern) for pattern in self.ignore)


@dataclass(frozen=True)
class Scale:
    """A score made from items; `keys` maps a subscale to signed item numbers.

    What the file holds reversed has no minus there (`settled`: the codebook says so); the items of
    a `scored` one are scores already, and its limits theirs.
    """

    name: str
    items: tuple[str, ...]
    keys: Mapping[str, tuple[int, ...]]
    limits: tuple[float, float]
    label: str = ""
    unit: str = ""
    form: str | None = None
    score: str = "sum"
    max_missing: float = 0.2
    informant: str = ""
    scored: bool = False
    settled: bool = False

    def allowed(self, part: str = "total") -> tuple[float, float]:
        """Lowest and highest score of a subscale, or of all items."""
        parts = {p: len(items) for p, items in self.keys.items() if p != "total"}
        n = parts.get(part, sum(parts.values()) or len(self.keys.get("total", ())))
        low, high = self.limits
        return (low * n, high * n) if self.score == "sum" else (low, high)


@dataclass(frozen=True)
class Days:
    """Days of hospital stays inside a window counted from an anchor date."""

    name: str
    episodes: str
    admission: str
    discharge: str
    anchor: str
    from_years: float
    to_years: float
    label: str = ""
    unit: str = "days"


@dataclass(frozen=True)
class Derived:
    """A variable made from one other: an indicator of one value, or a logarithm."""

    name: str
    source: str
    is_value: str | None = None
    log: bool = False
    label: str = ""
    unit: str = ""


@dataclass(frozen=True)
class Codebook:
    """A study's data dictionary, read by :func:`read_codebook`."""

    title: str
    synthetic: bool
    client: str
    case_manager: str | None
    site: str | None
    tables: Mapping[str, Table]
    scales: Mapping[str, Scale]
    days: Mapping[str, Days]
    derived: Mapping[str, Derived]
    informants: Mapping[str, Mapping[str, str]]
    blocks: Mapping[str, tuple[str, ...]]
    file: str = "codebook.yml"
    text: str = ""

    def __repr__(self) -> str:
        scales, tables = len(self.scales), len(self.tables)
        return f"<{self.title}: a codebook of {tables} tables and {scales} scales>"

    def describe(self, name: str) -> tuple[str, str]:
        """Label and unit of a dyad-level variable, for printing; the name itself if unknown."""
        for kind in (self.scales, self.days, self.derived):
            if name in kind:
                return kind[name].label or name, kind[name].unit
        for table in self.tables.values():
            for suffix in ("", *table.suffix.values()):
                base = name.removesuffix(suffix)
                if v := table.variables.get(base):
                    when = f" ({suffix.strip('_').replace('_', ' ')})" if suffix else ""
                    return f"{v.label or base}{when}", v.unit
        for scale in self.scales.values():
            part = name.removeprefix(f"{scale.name}_")
            if part in scale.keys:
                return f"{scale.label or scale.name}: {part}", scale.unit
        return name, ""

    def label(self, name: str) -> str:
        """Label of a dyad-level variable, for printing."""
        return self.describe(name)[0]

    def informant_label(self, name: str) -> str:
        """What to call an informant in words."""
        usual = name.replace("_", " ").capitalize()
        return str(self.informants.get(name, {}).get("label", usual))

    def alliance_of(self, informant: str) -> str:
        """The column that holds an informant's alliance rating.

        Raises
        ------
        NotEstimableError
            The study has no ratings by that informant.
        """
        if informant not in self.informants:
            who = informant.replace("_", " ")
            raise NotEstimableError(f"the study has no ratings by the {who}")
        return self.informants[informant]["alliance"]

    @property
    def usual_analysis(self) -> str:
        """Case managers are respected where they are known."""
        return "nested" if self.case_manager else "as_published"

    @property
    def rating_unit(self) -> str:
        """What the ratings are measured in, for an axis."""
        if self.unlike_forms():
            return "alliance rating (% of what the form allows)"
        columns = [entry["alliance"] for entry in self.informants.values()]
        scale = next((self.scales[c] for c in columns if c in self.scales), None)
        return f"alliance rating ({f'{scale.score} of items' if scale else 'in its own units'})"

    def unlike_forms(self, part: str = "total") -> dict[str, tuple[float, float]]:
        """Lowest and highest rating each informant can give; empty if both forms allow the same.

        Empty too where there is one informant, or a rating without limits.
        """
        spans = {i: self._allowed(entry["alliance"], part) for i, entry in self.informants.items()}
        limits = [x for span in spans.values() for x in span]
        unlike = len(set(spans.values())) > 1 and all(map(math.isfinite, limits))
        return spans if unlike else {}

    def _allowed(self, rating: str, part: str) -> tuple[float, float]:
        if rating in self.scales:
            return self.scales[rating].allowed(part)
        found = row_variables(self).get(rating)
        return (found.low, found.high) if found else (-math.inf, math.inf)

    def __deepcopy__(self, memo: dict) -> Codebook:
        """Itself, since nothing changes it: pandas copies `attrs` deeply at every step."""
        return self


def expand(pattern: str) -> list[str]:
    """Names a pattern with one ``{first..last}`` stands for; zeros in front are kept.

    At most MAX_SPAN names: a longer or backward span gives none, which the codebook's rules report.

    >>> expand("bprs_{08..10}_intake")
    ['bprs_08_intake', 'bprs_09_intake', 'bprs_10_intake']
    """
    found = re.search(r"\{(\d{1,4})\.\.(\d{1,4})\}", pattern)
    if not found:
        return [pattern]
    first, last = found.groups()
    if int(last) - int(first) >= MAX_SPAN:
        return []
    width = len(first) if first.startswith("0") else 1
    before, after = pattern[: found.start()], pattern[found.end() :]
    return [f"{before}{i:0{width}d}{after}" for i in range(int(first), int(last) + 1)]


def limits_of(items: tuple[str, ...], tables: dict[str, Table]) -> tuple[float, float]:
    """The range of the first item, if it has one."""
    for table in tables.values() if items else ():
        for suffix in ("", *table.endings):
            if v := table.variables.get(items[0].removesuffix(suffix)):
                return v.low, v.high
    return -math.inf, math.inf


ENDING = "#ending"  # as a column in the codebook: what an id ends in, if that tells who rated


def role_of(table: str, column: str, variables: dict, values: tuple) -> Variable:
    """The variable that says who rated: the one listed for its column, or one of that name."""
    name = column if NAME.fullmatch(column) else "rated_by"
    plain = Variable(name, table, column, "category", values=values)
    listed = next((v for v in variables.values() if v.column == column), plain)
    return listed if listed.values else replace(listed, type="category", values=values)


def columns_of(pattern: str, settings: Mapping | None) -> list[str]:
    """The file's columns that an entry of `variables` names; braces count if the name's do.

    >>> columns_of("q_{1..2}", {"column": "Q{1..2}"}), columns_of("q", {"column": "Q{1..2}"})
    (['Q1', 'Q2'], ['Q{1..2}'])
    """
    column = (settings or {}).get("column", pattern)
    return expand(column) if expand(pattern) != [pattern] else [column]


def links(book: Codebook) -> set[str]:
    """The names that tables share because they are joined by them."""
    looked_up = [t for t in book.tables.values() if t.row in ("case_manager", "site")]
    keys = {name for table in looked_up for name in table.key}
    return {book.client, book.case_manager, book.site, *keys} - {None}


def row_variables(book: Codebook) -> dict[str, Variable]:
    """The tables' variables by their names in a client's row; what joins tables has no ending."""
    tables = [table for table in book.tables.values() if table.row != "episode"]
    shared = links(book)
    return {
        name + ending: v
        for table in tables
        for name, v in table.variables.items()
        for ending in ([""] if name in shared else table.endings)
    }


def dyad_variables(book: Codebook) -> set[str]:
    """Every name that the dyad table can have."""
    parts = {f"{s.name}_{p}" for s in book.scales.values() for p in s.keys if p != "total"}
    return {*book.scales, *book.days, *book.derived, *parts, *row_variables(book)}


def is_number(text: str) -> bool:
    """Whether a text is a finite number."""
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


ROLES = {"client": "client", "case_manager": "case manager"}
THEIR_OWN = "Neale"  # a text that speaks of the study of 1995 keeps its words


def own_words(
    text: str, book: Codebook | None, escape: Callable[[str], str] = lambda word: word
) -> str:
    """A text of the kit, with clients and case managers called as the study calls them.

    Parameters
    ----------
    text : str
        Plain text, or markup made from it; what the study itself labels stays as it is.
    book : Codebook or None
        Its informants' labels are the words, else the labels of their ids.
    escape : callable, optional
        Makes a word safe inside markup.

    Examples
    --------
    >>> from alliance_helpers.study.read_codebook import parse_codebook
    >>> book = parse_codebook('''
    ... study: {title: A ward, client: id}
    ... tables: {t: {file: t.csv, key: [id], variables: {id: {type: id}, x: {}, y: {}}}}
    ... informants:
    ...   client: {label: Inpatient, alliance: x}
    ...   case_manager: {label: GP, alliance: y}
    ... ''')
    >>> own_words("A client's rating, and case managers'", book)
    "An inpatient's rating, and GPs'"
    """
    words = _words(book) if book else {}
    if not words or THEIR_OWN in text:
        return text
    kept = [re.escape(label) for label in _labels(book) if _ROLE.search(label)]
    pattern = "|".join([*sorted(kept, key=len, reverse=True), _ROLE.pattern])

    def told(found: re.Match) -> str:
        own = words.get(" ".join((found["role"] or "").lower().split()))
        if own is None:
            return found.group()
        word = own if found["role"][0].isupper() or own[1:2].isupper() else own.lower()
        word = _plural(word) if found["several"] else word
        article = found["article"] or ""
        if article and word[0].lower() in "aeiou":
            article = article.replace(" ", "n ")
        return article + escape(word)

    return re.sub(pattern, told, text)


_ROLE = re.compile(r"\b(?P<article>[Aa] )?(?P<role>[Cc]lient|[Cc]ase\smanager)(?P<several>s?)\b")


def _plural(word: str) -> str:
    """Several of them: wives, deputies, coaches.

    >>> [_plural(word) for word in ("Nurse", "Wife", "Deputy", "Coach", "GP")]
    ['Nurses', 'Wives', 'Deputies', 'Coaches', 'GPs']
    """
    endings = {"fe$": "ves", "(?<=[^aeiou])y$": "ies", "(?<=ss|ch|sh|.x)$": "es", "$": "s"}
    return next(re.sub(e, several, word) for e, several in endings.items() if re.search(e, word))


def _words(book: Codebook) -> dict[str, str]:
    """What the study calls each role, where that is another word than the kit's."""
    words = {}
    for role, word in ROLES.items():
        name = getattr(book, role)
        label = book.informants.get(role, {}).get("label")
        if not label and name and book.label(name) != name:
            label = re.sub(r"(?i)[\s_-]*(id|code|number|no\.?)$", "", book.label(name))
        if label and label.lower() != word:
            words[word] = label
    return words


def _labels(book: Codebook) -> set[str]:
    """Every label that the study gives."""
    parts = (book.scales, book.days, book.derived, *(t.variables for t in book.tables.values()))
    return {book.title, *(v.label for part in parts for v in part.values())} - {""}
