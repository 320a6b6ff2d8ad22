"""The grid of a batch: a YAML file that says which parameter values to run, checked before use."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from ..errors import ParameterError
from .parameters import Parameter, check_parameters, listing

MANY = 10_000  # runs that need a `yes`
LARGEST_FILE = 1_000_000  # bytes
LARGEST_RANGE = 100_000_000  # values
KEYS = ("parameters", "runs", "notebooks")
RANGE_KEYS = {"from", "to", "step"}
FIXED = {"out": "the batch gives every run a folder of its own"}
Declared = Mapping[str, Mapping[str, Parameter]]


class _Loader(yaml.SafeLoader):
    """YAML without a silent loss: a key given twice is an error."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict:
    loader.flatten_mapping(node)
    pairs = loader.construct_pairs(node, deep=True)
    names = [name for name, _ in pairs]
    twice = sorted({str(name) for name in names if names.count(name) > 1})
    if twice:
        raise yaml.YAMLError(f"{', '.join(twice)} is given twice (line {node.start_mark.line + 1})")
    return dict(pairs)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


@dataclass(frozen=True)
class Axis:
    """The values that one parameter takes: a list, or a range that is not written out.

    Attributes
    ----------
    name : str
        The parameter.
    values : sequence
        A tuple, or a `range` for whole numbers.
    """

    name: str
    values: tuple | range


@dataclass(frozen=True)
class Grid:
    """Every combination of the axes, and further runs one by one.

    Attributes
    ----------
    axes : tuple of Axis
        Empty when only `runs` are given.
    runs : tuple of dict
        Further runs; what a run does not name keeps the notebooks' default.
    notebooks : tuple of str
        Names of notebooks; empty for all.
    """

    axes: tuple[Axis, ...]
    runs: tuple[dict[str, object], ...]
    notebooks: tuple[str, ...]

    def __len__(self) -> int:
        product = math.prod(len(axis.values) for axis in self.axes) if self.axes else 0
        return product + len(self.runs)

    def names(self) -> list[str]:
        """The parameters that the grid sets, in the order they are first named."""
        named = [axis.name for axis in self.axes] + [name for run in self.runs for name in run]
        return list(dict.fromkeys(named))

    def combinations(self) -> Iterator[dict[str, object]]:
        """The parameters of each run; the last axis changes fastest, `runs` come last."""
        if self.axes:
            names = [axis.name for axis in self.axes]
            for values in itertools.product(*(axis.values for axis in self.axes)):
                yield dict(zip(names, values, strict=True))
        yield from self.runs


def read_grid(path: Path) -> Grid:
    """Read a grid from YAML.

    Parameters
    ----------
    path : pathlib.Path
        ``parameters:`` maps a name to a value, a list or ``{from: 1, to: 20, step: 1}`` (the end
        belongs to it); ``runs:`` lists further runs; ``notebooks:`` names the notebooks.

    Raises
    ------
    ParameterError
        The file cannot be read, or is not such a grid; with every problem.
    """
    content = _load(Path(path))
    problems = [f"It has no part {key!r}; there are {', '.join(KEYS)}."
                for key in content if key not in KEYS]  # fmt: skip
    axes, runs = [], content.get("runs") or []
    parameters = content.get("parameters") or {}
    if not isinstance(parameters, dict):
        problems.append("`parameters:` must map names to values.")
        parameters = {}
    for name, given in parameters.items():
        try:
            axes.append(Axis(str(name), _values(given)))
        except ValueError as error:
            problems.append(f"{name}: {error}.")
    if not (isinstance(runs, list) and all(isinstance(run, dict) for run in runs)):
        problems.append("`runs:` must be a list of mappings of names to values.")
        runs = []
    notebooks = content.get("notebooks") or []
    if not (isinstance(notebooks, list) and all(isinstance(name, str) for name in notebooks)):
        problems.append("`notebooks:` must be a list of names.")
    if not problems and not axes and not runs:
        problems.append("It names no parameters and no runs.")
    if problems:
        raise ParameterError("\n  ".join([f"The grid {path} cannot be used:", *problems]))
    return Grid(tuple(axes), tuple(runs), tuple(notebooks))


def _load(path: Path) -> dict:
    """The mapping a grid file holds."""
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise ParameterError(f"The grid {path} has {size:,} bytes; at most {LARGEST_FILE:,}.")
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # a SafeLoader
    except OSError as error:
        raise ParameterError(f"The grid {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ParameterError(f"The grid {path} is not UTF-8 text: {error}.") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ParameterError(f"The grid {path} is not YAML that can be used: {error}") from error
    if not isinstance(content, dict):
        kind = "nothing" if content is None else f"a {type(content).__name__}"
        raise ParameterError(
            f"The grid {path} holds {kind}, not a mapping with parameters:, runs: or notebooks:."
        )
    return content


def _values(given: object) -> tuple | range:
    """The values of one axis."""
    if isinstance(given, dict):
        return _range(given)
    if not isinstance(given, list):
        return (given,)
    if not given:
        raise ValueError("the list is empty")
    return tuple(given)


def _range(given: dict) -> tuple | range:
    """The values that ``{from: .., to: .., step: ..}`` stands for."""
    unknown = set(map(str, given)) - RANGE_KEYS
    if unknown or not {"from", "to"} <= given.keys():
        raise ValueError("a range has the form {from: 1, to: 20} or {from: 0, to: 1, step: 0.1}")
    first, last, step = given["from"], given["to"], given.get("step", 1)
    for number in (first, last, step):
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise ValueError(f"{number!r} in the range is not a number")
        if not math.isfinite(number):
            raise ValueError(f"{number!r} in the range is not finite")
    if step == 0 or (last - first) / step < 0:
        raise ValueError(f"the range from {first} to {last} in steps of {step} is empty")
    if (last - first) / step > LARGEST_RANGE:
        raise ValueError(f"the range from {first} to {last} in steps of {step} is too long")
    if all(isinstance(number, int) for number in (first, last, step)):
        return range(first, last + (1 if step > 0 else -1), step)
    count = math.floor((last - first) / step + 1e-9) + 1
    return tuple(round(first + i * step, 12) for i in range(count))


def check_grid(grid: Grid, declared: Declared, yes: bool = False) -> None:
    """Refuse a grid that the notebooks cannot run, before anything starts.

    Parameters
    ----------
    grid : Grid
    declared : mapping
        The notebooks' parameters, as `parameters.all_parameters` returns them.
    yes : bool
        The number of runs is meant.

    Raises
    ------
    ParameterError
        Unknown names, wrong types, runs that are there twice, more than 10,000 runs without `yes`.
    """
    if len(grid) > MANY and not yes:
        sizes = " x ".join(f"{axis.name} {len(axis.values):,}" for axis in grid.axes)
        more = f" and {len(grid.runs):,} further runs" if grid.runs else ""
        raise ParameterError(
            f"The grid asks for {len(grid):,} runs ({sizes}{more}). If that is meant, add --yes."
        )
    problems = [f"The grid cannot set {n}: {FIXED[n]}." for n in grid.names() if n in FIXED]
    for name, value in _distinct(grid):
        if name in FIXED:
            continue
        try:
            check_parameters({name: value}, declared)
        except ParameterError as error:
            problems.append(str(error).split("\n")[0])
    problems += _twice(grid)
    if problems:
        known = listing(declared)
        raise ParameterError("\n".join([*dict.fromkeys(problems), known]))


def _distinct(grid: Grid) -> Iterator[tuple[str, object]]:
    """Every value that has to be checked; of a range of whole numbers one stands for all."""
    for axis in grid.axes:
        values = axis.values[:1] if isinstance(axis.values, range) else axis.values
        yield from ((axis.name, value) for value in values)
    for run in grid.runs:
        yield from run.items()


def _twice(grid: Grid) -> list[str]:
    """Values and runs that are there twice: one of them is a mistake."""
    found = []
    for axis in grid.axes:
        texts = [] if isinstance(axis.values, range) else [repr(v) for v in axis.values]
        found += [f"{axis.name} has {t} twice." for t in dict.fromkeys(texts) if texts.count(t) > 1]
    product = {axis.name: axis.values for axis in grid.axes}
    seen: set[str] = set()
    for run in grid.runs:
        text = repr(sorted(run.items()))
        inside = run.keys() == product.keys() and all(run[n] in product[n] for n in run)
        if text in seen or inside:
            found.append(f"The run {run} is there twice.")
        seen.add(text)
    return found
