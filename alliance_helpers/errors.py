"""The errors a user can meet, in the language of research: all problems of a file at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from numbers import Real

SHOWN = 200


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, where it stands, and how to mend it.

    Parameters
    ----------
    file : str
        Name of the file (and sheet) as the user knows it.
    what : str
        What is wrong, naming the value found and what was expected.
    remedy : str
        What the user can do about it.
    row : int, optional
        Row as a spreadsheet shows it: the header is row 1, the first record row 2.
    column : str, optional
        Column as the file spells it.
    value : object, optional
        The offending value.
    rows : tuple of int, optional
        The first rows of a problem that `count` rows of one column share.
    count : int
        In how many rows it stands.
    """

    file: str
    what: str
    remedy: str
    row: int | None = None
    column: str | None = None
    value: object = None
    rows: tuple[int, ...] = ()
    count: int = 1

    def __str__(self) -> str:
        place = self.file
        if self.count > 1:
            more = self.count - len(self.rows)
            place += f", rows {', '.join(map(str, self.rows))}"
            place += f" and {more:,} more" if more else ""
        elif self.row is not None:
            place += f", row {self.row}"
        if self.column is not None:
            place += f", column {self.column}"
        told = f"{place}: {self.what} {self.remedy}"
        return "".join(c if c.isprintable() else " " for c in told)

    def record(self) -> dict:
        """The same as plain values, for JSON; `rows` are the first that have it."""
        rows = list(self.rows) or ([] if self.row is None else [self.row])
        value = None if self.value is None else str(self.value)
        same = {name: getattr(self, name) for name in ("file", "column", "count", "remedy")}
        return same | {"rows": rows, "value": value, "problem": self.what}


class AllianceError(Exception):
    """Base of every error that the kit raises on purpose; the command line exits with 2."""

    exit_code = 2

    def _render_traceback_(self) -> list[str]:
        """What Jupyter shows: the message alone, since it says what to do."""
        return [f"{type(self).__name__}: {self}"]


class ProblemsError(AllianceError):
    """Several problems reported together."""

    heading = "The input cannot be used"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        lines = [f"  {p}" for p in self.problems[:SHOWN]]
        if len(self.problems) > SHOWN:
            lines.append(f"  ... and {len(self.problems) - SHOWN:,} more")
        n = len(self.problems)
        super().__init__("\n".join([f"{self.heading} ({n} problem{'s' * (n != 1)}):", *lines]))


class DataError(ProblemsError):
    """The data do not fit their codebook."""

    heading = "The data do not fit their codebook"


class CodebookError(ProblemsError):
    """The codebook itself is wrong."""

    heading = "The codebook cannot be used"


class ParameterError(AllianceError, ValueError):
    """An argument or parameter has a value that cannot be used."""


class ScenarioError(ParameterError):
    """A scenario is unknown or its targets cannot be reached together."""


class OutputError(AllianceError):
    """The output folder cannot be written."""


class NotEstimableError(AllianceError, ValueError):
    """A model cannot be estimated on these data; the message says why."""


class RunError(AllianceError):
    """Something failed while running; the command line exits with 1."""

    exit_code = 1


def no_numbers(column) -> str:
    """What a column (Series or array) holds that is no number, in words; empty if it holds none.

    One rule for every function: whole numbers, fractions, true or false and missing values are
    numbers; text is not, even where it looks like one, nor are categories and dates.
    """
    kind = column.dtype.kind
    if column.dtype == "category":
        return "categories"
    if kind == "O":
        values = column.tolist() if column.ndim == 1 else column.ravel().tolist()
        odd = [v for v in values if not (isinstance(v, Real) or type(v).__name__ in NO_TEXT)]
        return show(odd[0]) if odd else ""
    return "" if kind in "biuf" else {"U": "text", "S": "text", "c": "complex"}.get(kind, "dates")


# Types that stand among numbers: missing values, and numpy's own true and false.
NO_TEXT = ("NoneType", "NAType", "bool")


def show(value: object) -> str:
    """A value as a message quotes it: short, on one line."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = " ".join(str(value).split()) if isinstance(value, str) else str(value)
    return repr(text if len(text) <= 40 else text[:37] + "...")


def listed(names, most: int = 8) -> str:
    """Names one after another, the first few of many.

    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    names = [str(name)[:64] for name in names]
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


def meant(name: object, known: Iterable[object]) -> str:
    """What may have been meant by a name that is not known, else the names that are.

    >>> meant("symptom", ["symptoms", "living_skills"])
    "did you mean 'symptoms'?"
    """
    known = [str(k) for k in known]
    close = get_close_matches(str(name), known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known are {listed(known or ['none'], 12)}."
