"""What a batch is going to run: which notebooks, on which files, with which parameters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ParameterError, ScenarioError
from ..paths import NOTEBOOKS
from ..synthetic.scenarios import load_scenario
from .grid import Axis, Declared, Grid

if TYPE_CHECKING:
    import pandas as pd

PLACES = ("data", "codebook", "claims")  # parameters that name files


def choose_notebooks(names: Sequence[str], folder: Path = NOTEBOOKS) -> list[Path]:
    """The notebooks that are meant by names (`03_alliance_agreement`) or numbers (`03`).

    Raises
    ------
    ParameterError
        A name that fits no notebook.
    """
    numbered = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    others = [p for p in sorted(folder.glob("*.ipynb")) if p not in numbered and p.stem != "START"]
    available = {p.stem: p for p in (*numbered, *others)}
    if not numbered:
        raise ParameterError(f"There are no notebooks in {folder}.")
    if not names:
        return numbered
    chosen, unknown = set(), []
    for name in names:
        stem = name.removesuffix(".ipynb")
        fits = [s for s in available if s == stem or s.split("_")[0] == stem]
        chosen.update(fits)
        unknown += [] if fits else [name]
    if unknown:
        known = ", ".join(available)
        raise ParameterError(f"There is no notebook {', '.join(unknown)}; there are {known}.")
    return [path for stem, path in available.items() if stem in chosen]


def with_places(grid: Grid) -> tuple[Grid, list[Path]]:
    """The grid with absolute paths, and the files it names, which must exist; scenarios too."""
    found: dict[str, Path] = {}
    missing = []

    def absolute(name: str, value: object) -> object:
        if name not in PLACES or not isinstance(value, str) or not value:
            return value
        place = Path(value).expanduser().absolute()
        found[str(place)] = place
        if not place.exists():
            missing.append(f"{name}: there is no {place}.")
        return str(place)

    axes = tuple(
        axis
        if isinstance(axis.values, range)
        else type(axis)(axis.name, tuple(absolute(axis.name, v) for v in axis.values))
        for axis in grid.axes
    )
    runs = tuple({n: absolute(n, v) for n, v in run.items()} for run in grid.runs)
    missing += _studies(axes, runs)
    if missing:
        raise ParameterError("\n".join(dict.fromkeys(missing)))
    return Grid(axes, runs, grid.notebooks), list(found.values())


def _studies(axes: Sequence[Axis], runs: Sequence[dict[str, object]]) -> list[str]:
    """What is wrong with the studies that the runs ask for: unknown scenarios, two sources."""
    together = {axis.name: axis.values for axis in axes}
    asked = [*([together] if axes else []), *({n: (v,) for n, v in run.items()} for run in runs)]
    found = []
    for values in asked:
        scenarios = [str(v) for v in values.get("scenario", ()) if v]
        if scenarios and any(values.get("data", ())):
            found.append("A run has both data and a scenario; leave one of them out.")
        for name in scenarios:
            try:
                load_scenario(name)
            except ScenarioError as error:
                found.append(str(error))
    return found


def lacking(grid: Grid) -> dict[tuple[str, str], dict[str, str]]:
    """Which notebooks the user's own studies lack the parts for, by data and codebook.

    Raises
    ------
    DataError, CodebookError
        The first study that cannot be used, with every problem.
    """
    pairs = {(str(r.get("data") or ""), str(r.get("codebook") or "")) for r in grid.combinations()}
    own = sorted(pair for pair in pairs if pair[0])
    if not own:
        return {}
    from ..study import open_study
    from .sequence import skipped  # slow to import, like pandas below

    return {pair: skipped(open_study(*pair)) for pair in own}


def parameter_table(grid: Grid, declared: Declared) -> tuple[pd.DataFrame, pd.Series]:
    """One row per run: the grid's parameters, defaults filled in; and the seed of each run."""
    import pandas as pd

    defaults: dict[str, object] = {}
    for parameters in declared.values():
        for name, parameter in parameters.items():
            defaults.setdefault(name, parameter.default)
    names = grid.names()
    rows = [[run.get(name, defaults[name]) for name in names] for run in grid.combinations()]
    index = pd.RangeIndex(1, len(rows) + 1, name="run")
    table = pd.DataFrame(rows, index=index, columns=names)
    for name in table:
        kinds = {type(value) for value in table[name]}
        if kinds & {list, dict}:
            table[name] = [json.dumps(value) for value in table[name]]
        elif len(kinds - {type(None), int, float}) > 0 and len(kinds - {type(None)}) > 1:
            table[name] = [None if value is None else str(value) for value in table[name]]
    seeds = table["seed"] if "seed" in table else pd.Series(defaults.get("seed"), index=index)
    return table, seeds
