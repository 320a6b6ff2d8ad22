"""What parameters the notebooks take, and whether the values of a run, or of a grid, fit them.

The `parameters` cell is read as syntax (``n_clients: int = 201``), never run. A grid is a YAML file
that says which values the runs of a batch have.
"""

from __future__ import annotations

import ast
import io
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, product
from pathlib import Path
from tokenize import COMMENT, generate_tokens

from ..errors import CodebookError, ParameterError, listed, meant
from ..paths import at, refuse_odd
from ..study.yaml_text import load_yaml, read_text

TYPES = {kind.__name__: kind for kind in (str, int, float, bool)}
# Which study a notebook shows: one that does not take them shows the shipped cohort.
STUDY = ("data", "codebook", "scenario")
PLACES = ("data", "codebook", "claims")  # name files
WORDS = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}
READ = TYPES | {"bool": lambda text: WORDS[text.lower()]}
MANY = 10_000  # runs of a grid that need a `yes`
MOST = 1_000_000  # runs, and values of a range
GRID = {
    "parameters": "must map names to values",
    "runs": "must be a list of mappings of names to values",
    "notebooks": "must be a list of names",
}


@dataclass(frozen=True)
class Parameter:
    """A parameter as a notebook declares it: `name: annotation = default  # meaning`.

    What holds a `=`, which papermill takes for a second parameter, stands on a line below.
    """

    name: str
    annotation: str
    default: object
    meaning: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.annotation} = {self.default!r}"

    def accepts(self, value: object) -> bool:
        """Whether a value fits; whole numbers fit `float`, and truth values fit only `bool`."""
        kind = TYPES[self.annotation]
        if isinstance(value, bool):
            return kind is bool
        return isinstance(value, kind) or (isinstance(value, int) and kind is float)

    def from_text(self, text: str) -> object:
        """The value that a piece of text on the command line stands for.

        Raises
        ------
        ValueError, KeyError
            The text does not stand for a value of this parameter's type.
        """
        return READ[self.annotation](text)


Declared = Mapping[str, Mapping[str, Parameter]]  # notebook -> name -> parameter


def notebook_parameters(notebook: Path) -> dict[str, Parameter]:
    """Read a notebook's parameters from its cell tagged `parameters`.

    Parameters
    ----------
    notebook : pathlib.Path
        An ``.ipynb`` file.

    Returns
    -------
    dict
        Name to `Parameter`, in the order of the cell.

    Raises
    ------
    ParameterError
        The file is not a notebook, no cell of it is tagged `parameters` (another editor may drop
        tags), or that cell holds something else than literals.
    """
    try:
        cells = json.loads(Path(notebook).read_text(encoding="utf-8"))["cells"]
        tagged = [c for c in cells if "parameters" in c["metadata"].get("tags", [])]
        source = "".join(tagged[0]["source"]) if tagged else None
    except FileNotFoundError:
        raise ParameterError(f"There is no notebook {notebook}.") from None
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise ParameterError(f"{notebook} is not a notebook: {error!r}.") from error
    if source is None:
        raise ParameterError(
            f"{notebook} has no cell tagged `parameters`, so that it would show the shipped cohort "
            "and not the study asked for. Tag the cell that sets its parameters (in JupyterLab: "
            "Property Inspector, Cell Tags), or put back the notebook as it was."
        )
    try:
        found = [(_declared(line), line.end_lineno) for line in ast.parse(source).body]
    except (SyntaxError, ValueError) as error:
        raise ParameterError(f"{notebook}, the parameters cell: {error}.") from error
    tokens = generate_tokens(io.StringIO(source).readline)
    told = {t.start[0]: t.string.lstrip("# ") for t in tokens if t.type == COMMENT}
    lines = [line for _, line in found]
    more = {line - 1: f" {text}" for line, text in told.items() if line not in lines}
    meanings = {line: told.get(line, "") + more.get(line, "") for line in lines}
    return {p.name: replace(p, meaning=meanings[line]) for p, line in found}


def _declared(statement: ast.stmt) -> Parameter:
    """One line of a parameters cell."""
    match statement:
        case ast.AnnAssign(target=ast.Name(name), annotation=kind, value=ast.expr() as value):
            annotation = ast.unparse(kind)
        case ast.Assign(targets=[ast.Name(name)], value=value):
            annotation = ""
        case _:
            raise ValueError(f"line {statement.lineno} is not of the form `name: type = value`")
    try:
        default = ast.literal_eval(value)
    except ValueError:
        raise ValueError(f"the value in line {statement.lineno} is not a plain literal") from None
    annotation = annotation or type(default).__name__
    if annotation not in TYPES:
        raise ValueError(f"line {statement.lineno} has the unknown type {annotation}")
    return Parameter(name, annotation, default)


def all_parameters(notebooks: Iterable[Path]) -> Declared:
    """The parameters of several notebooks: name of the notebook to its parameters."""
    return {Path(notebook).stem: notebook_parameters(notebook) for notebook in notebooks}


def described(declared: Declared) -> str:
    """Every parameter with its type, default and meaning, and the notebooks that take it.

    The comments of the notebooks' parameters cells are the one place where meanings stand.
    """
    takers: dict[tuple[str, str], list[str]] = {}
    for notebook, parameters in declared.items():
        for parameter in parameters.values():
            takers.setdefault((str(parameter), parameter.meaning), []).append(notebook)
    lines = []
    for (parameter, meaning), notebooks in takers.items():
        where = "every notebook" if len(notebooks) == len(declared) else ", ".join(notebooks)
        lines += [parameter, f"    {meaning}", f"    taken by {where}"]
    return "\n".join(lines)


def check_parameters(values: Mapping[str, object], declared: Declared) -> None:
    """Refuse names no notebook takes and values of the wrong type, all of them at once.

    What names the study (`STUDY`) must be taken by every notebook.

    Parameters
    ----------
    values : mapping
        Name to value.
    declared : mapping
        As `all_parameters` returns it.

    Raises
    ------
    ParameterError
        With every problem.
    """
    _refuse(_unfit(values.items(), declared))


def _refuse(problems: Iterable[str]) -> None:
    """Raise, if there are problems, with all of them and where the parameters are listed."""
    if problems := list(dict.fromkeys(problems)):
        raise ParameterError("\n".join([*problems, "`alliance run --help-parameters` lists all."]))


def _unfit(pairs: Iterable[tuple[str, object]], declared: Declared) -> list[str]:
    """What is wrong with names and values."""
    problems = []
    for name, value in pairs:
        takers = {nb: ps[name] for nb, ps in declared.items() if name in ps}
        if not takers:
            known = dict.fromkeys(chain.from_iterable(declared.values()))
            problems.append(f"No notebook takes a parameter {name!r}; {meant(name, known)}")
        others = [nb for nb in declared if nb not in takers]
        if takers and others and value and name in STUDY:
            problems.append(
                f"{', '.join(others)} takes no parameter {name!r}, and would show another study: "
                f"let its cell tagged `parameters` set {name}, or leave the notebook out."
            )
        if wrong := {nb: p for nb, p in takers.items() if not p.accepts(value)}:
            expected = " or ".join(sorted({p.annotation for p in wrong.values()}))
            problems.append(
                f"{name} = {value!r} is of type {type(value).__name__}; "
                f"{', '.join(wrong)} expects {expected}."
            )
    return problems


def parse_parameters(pairs: Iterable[tuple[str, str]], declared: Declared) -> dict[str, object]:
    """Turn ``-p NAME VALUE`` pairs into typed values.

    Parameters
    ----------
    pairs : iterable of (str, str)
        As the command line gives them.
    declared : mapping
        As `all_parameters` returns it.

    Raises
    ------
    ParameterError
        A name that no notebook takes, or a value of the wrong type.
    """
    values: dict[str, object] = {}
    for name, text in pairs:
        takers = [ps[name] for ps in declared.values() if name in ps]
        try:
            values[name] = takers[0].from_text(text) if takers else text
        except (ValueError, KeyError):
            values[name] = text  # refused below, with every other problem
    check_parameters(values, declared)
    return values


def absolute_places(values: Mapping[str, object]) -> dict[str, object]:
    """The same values, with the files that they name, or that a scenario brings, as paths."""
    named = {name: values[name] for name in PLACES if isinstance(values.get(name), str)}
    for place in named.values():
        refuse_odd(place)
    places = {n: str(at(v).absolute()) for n, v in named.items() if v}
    if values.get("scenario"):
        from ..cohorts.courses import BROUGHT, courses

        if values["scenario"] in [*courses()]:  # whatever its type is, which is looked at later
            places = {name: str(file) for name, file in BROUGHT.items()} | places
    return {**values, **places}


@dataclass(frozen=True)
class Grid:
    """The runs of a batch.

    Attributes
    ----------
    runs : list of dict
        Name to value; what a run does not name keeps the notebooks' default.
    notebooks : list of str
        Names of notebooks; empty for all.
    """

    runs: list[dict[str, object]]
    notebooks: list[str]

    @property
    def names(self) -> list[str]:
        """The parameters that the grid sets, in the order they are first named."""
        return list(dict.fromkeys(name for run in self.runs for name in run))


def read_grid(path: Path, yes: bool = False) -> Grid:
    """Read a grid from YAML.

    Parameters
    ----------
    path : pathlib.Path
        ``parameters:`` maps a name to a value, a list or ``{from: 1, to: 20}`` (the end belongs to
        it), and every combination is a run, the last name changing fastest; ``runs:``
        lists further runs; ``notebooks:`` names the notebooks.
    yes : bool
        More than 10,000 runs are meant.

    Raises
    ------
    ParameterError
        The file cannot be read, or is not such a grid (with every problem), or has more than 10,000
        runs without `yes`.
    """
    try:
        content = load_yaml(read_text(Path(path)), Path(path).name)
    except CodebookError as error:
        problem = replace(error.problems[0], file=f"The grid {path}", remedy="")
        raise ParameterError(str(problem)) from None
    unknown = [key for key in content if key not in GRID]
    problems = [f"It has no part {key!r}; there are {', '.join(GRID)}." for key in unknown]
    parameters, runs, notebooks = (content.get(key) or [] for key in GRID)
    fit = (not parameters or isinstance(parameters, dict), _all(dict, runs), _all(str, notebooks))
    problems += [f"`{key}:` {GRID[key]}." for key, fits in zip(GRID, fit, strict=True) if not fits]
    axes = {}
    for name, values in parameters.items() if isinstance(parameters, dict) else ():
        try:
            axes[str(name)] = _axis(values)
        except ValueError as error:
            problems.append(f"{name}: {error}.")
    if not problems and not axes and not runs:
        problems.append("It names no parameters and no runs.")
    if problems:
        raise ParameterError("\n  ".join([f"The grid {path} cannot be used:", *problems]))
    count = (math.prod(map(len, axes.values())) if axes else 0) + len(runs)
    if count > (MOST if yes else MANY):
        sizes = listed(f"{name} {len(values):,}" for name, values in axes.items())
        remedy = f"At most {MOST:,} can be." if yes else "If that is meant, add --yes."
        number = f"{count:,}" if count < 10**15 else "more than 10**15"
        raise ParameterError(
            f"The grid asks for {number} runs ({sizes or 'nothing'} combined, and {len(runs):,} "
            f"further runs). {remedy}"
        )
    combinations = product(*axes.values()) if axes else ()
    every = [*(dict(zip(axes, values, strict=True)) for values in combinations), *runs]
    return Grid([absolute_places(run) for run in every], notebooks)


def _all(kind: type, given: object) -> bool:
    return isinstance(given, list) and all(isinstance(entry, kind) for entry in given)


def _axis(given: object) -> Sequence:
    """The values of one parameter: one, a list, or ``{from: .., to: ..}``."""
    if not isinstance(given, dict):
        if given == []:
            raise ValueError("the list is empty")
        return given if isinstance(given, list) else [given]
    if given.keys() != {"from", "to"}:
        raise ValueError("a range has the form {from: 1, to: 20}")
    first, last = given["from"], given["to"]
    for number in (first, last):
        if type(number) is not int:
            raise ValueError(f"{number!r} in the range is no whole number")
    if not first <= last < first + MOST:
        length = "empty" if last < first else "too long"
        raise ValueError(f"the range from {first} to {last} is {length}")
    return range(first, last + 1)


def check_grid(grid: Grid, declared: Declared) -> None:
    """Refuse a grid that the notebooks cannot run, before anything starts.

    Raises
    ------
    ParameterError
        Unknown names, wrong types, runs that are there twice.
    """
    told = [repr(sorted(run.items())) for run in grid.runs]
    count = Counter(told)
    problems = [f"The run {run} is there twice."
                for run, text in zip(grid.runs, told, strict=True) if count[text] > 1]  # fmt: skip
    if "out" in grid.names:
        problems.append("The grid cannot set out: the batch gives every run a folder of its own.")
    pairs: dict = {}  # of the values that fit or fail alike, the first
    for name, value in chain.from_iterable(run.items() for run in grid.runs):
        pairs.setdefault((name, type(value), bool(value)), (name, value))
    _refuse([*problems, *_unfit(pairs.values(), declared)])
