"""What parameters the notebooks take, and whether given values fit them.

The `parameters` cell is read as syntax (``n_clients: int = 201``), never run.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import ParameterError

TYPES: dict[str, type] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "list": list,
    "dict": dict,
    "None": type(None),
}
STUDY = ("data", "codebook", "scenario")
"""Which study a notebook shows: one that does not take them shows the shipped cohort."""
WORDS = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}


@dataclass(frozen=True)
class Parameter:
    """A parameter as a notebook declares it: name, annotation (`int`, `str | None`), default."""

    name: str
    annotation: str
    default: object

    @property
    def types(self) -> tuple[type, ...]:
        """The types a value may have; ``list[str]`` counts as list."""
        names = [part.split("[")[0].strip() for part in self.annotation.split("|")]
        return tuple(TYPES[name] for name in names)

    def accepts(self, value: object) -> bool:
        """Whether a value fits; whole numbers fit `float`, and truth values fit only `bool`."""
        if isinstance(value, bool):
            return bool in self.types
        return isinstance(value, self.types) or (isinstance(value, int) and float in self.types)

    def from_text(self, text: str) -> object:
        """The value that a piece of text on the command line stands for.

        Raises
        ------
        ValueError
            The text does not stand for a value of this parameter's type.
        """
        if type(None) in self.types and text in ("", "None"):
            return None
        if bool in self.types:
            if text.lower() not in WORDS:
                raise ValueError(text)
            return WORDS[text.lower()]
        if float in self.types:
            return float(text)
        if int in self.types:
            return int(text)
        if str in self.types:
            return text
        value = ast.literal_eval(text)
        if not self.accepts(value):
            raise ValueError(text)
        return value


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
    found = {}
    try:
        for statement in ast.parse(source).body:
            parameter = _declared(statement)
            found[parameter.name] = parameter
    except (SyntaxError, ValueError) as error:
        raise ParameterError(f"{notebook}, the parameters cell: {error}.") from error
    return found


def _declared(statement: ast.stmt) -> Parameter:
    """One line of a parameters cell."""
    if isinstance(statement, ast.AnnAssign) and statement.value is not None:
        target, annotation = statement.target, ast.unparse(statement.annotation)
    elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target, annotation = statement.targets[0], ""
    else:
        raise ValueError(f"line {statement.lineno} is not of the form `name: type = value`")
    try:
        default = ast.literal_eval(statement.value)
    except ValueError:
        raise ValueError(f"the value in line {statement.lineno} is not a plain literal") from None
    if not isinstance(target, ast.Name):
        raise ValueError(f"line {statement.lineno} does not name a parameter")
    annotation = annotation or ("None" if default is None else type(default).__name__)
    parameter = Parameter(target.id, annotation, default)
    try:
        parameter.types  # noqa: B018  an unknown type name shows here
    except KeyError as error:
        raise ValueError(f"line {statement.lineno} has the unknown type {error}") from None
    return parameter


def all_parameters(notebooks: Iterable[Path]) -> dict[str, dict[str, Parameter]]:
    """The parameters of several notebooks: name of the notebook to its parameters."""
    return {Path(notebook).stem: notebook_parameters(notebook) for notebook in notebooks}


def listing(declared: Mapping[str, Mapping[str, Parameter]]) -> str:
    """All parameters of all notebooks, as lines of text."""
    lines = []
    for notebook, parameters in declared.items():
        known = ", ".join(f"{p.name}: {p.annotation} = {p.default!r}" for p in parameters.values())
        lines.append(f"  {notebook}: {known or 'none'}")
    return "\n".join(["The notebooks take:", *lines])


def check_parameters(
    values: Mapping[str, object], declared: Mapping[str, Mapping[str, Parameter]]
) -> None:
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
        With every problem, and the parameters that there are.
    """
    problems = []
    for name, value in values.items():
        takers = {nb: ps[name] for nb, ps in declared.items() if name in ps}
        if not takers:
            problems.append(f"No notebook takes a parameter {name!r}.")
        others = [nb for nb in declared if nb not in takers]
        if takers and others and value and name in STUDY:
            problems.append(
                f"{', '.join(others)} takes no parameter {name!r}, and would show another study: "
                f"let its cell tagged `parameters` set {name}, or leave the notebook out."
            )
        wrong = {nb: p for nb, p in takers.items() if not p.accepts(value)}
        if wrong:
            expected = " or ".join(sorted({p.annotation for p in wrong.values()}))
            problems.append(
                f"{name} = {value!r} is of type {type(value).__name__}; "
                f"{', '.join(wrong)} expects {expected}."
            )
    if problems:
        raise ParameterError("\n".join([*problems, listing(declared)]))


def parse_parameters(
    pairs: Iterable[tuple[str, str]], declared: Mapping[str, Mapping[str, Parameter]]
) -> dict[str, object]:
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
        except (ValueError, SyntaxError):
            values[name] = text  # refused below, with every other problem
    check_parameters(values, declared)
    return values
