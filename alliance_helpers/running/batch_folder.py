"""A batch's folder: what is asked, what is done, and whether it may be gone on with."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import platform
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ParameterError
from ..paths import (
    DATA,
    LIST,
    Known,
    held,
    is_known,
    is_part,
    listed,
    refuse_others,
    remove,
    told,
    write_whole,
)
from .one_run import PREFIX, RunResult
from .preload import helper_files

PACKAGES = (
    "alliance-kit",
    "ipykernel",
    "matplotlib",
    "numpy",
    "pandas",
    "papermill",
    "pingouin",
    "pyarrow",
    "scipy",
    "seaborn",
    "statsmodels",
)
Fingerprint = dict[str, dict[str, str]]
# How a changed part is called when a resume is refused.
SPOKEN = {
    "grid": "the {}",
    "notebooks": "the notebook {}",
    "helpers": "the helper {}",
    "data": "the file {}",
    "versions": "the version of {}",
}


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def versions() -> dict[str, str]:
    """The versions of what computes; an absent package is `absent`."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def notebook_digest(text: str) -> str:
    """Digest of a notebook's cells; outputs and editors' metadata do not count."""
    cells = json.loads(text)["cells"]
    kept = [[c["cell_type"], "".join(c["source"]), c["metadata"].get("tags", [])] for c in cells]
    return _digest(json.dumps(kept).encode())


def _files(place: Path) -> list[Path]:
    return sorted(p for p in place.rglob("*") if p.is_file()) if place.is_dir() else [place]


def fingerprint(
    grid: object, notebooks: Mapping[str, str], data: Iterable[Path] = ()
) -> Fingerprint:
    """Digests of everything that a batch's findings depend on.

    Parameters
    ----------
    grid : object
        The runs asked for; anything with a faithful `repr`.
    notebooks : mapping
        Name to text of the notebooks.
    data : iterable of pathlib.Path
        Files and folders that the grid names, besides the project's own `data/`.

    Returns
    -------
    dict
        `grid`, `notebooks`, `helpers`, `data` and `versions`, each a mapping of names to digests.
    """
    places = [DATA, *data]
    return {
        "grid": {"grid": _digest(repr(grid).encode())},
        "notebooks": {name: notebook_digest(text) for name, text in notebooks.items()},
        "helpers": {n: _digest(p.read_bytes()) for n, p in helper_files().items()},
        "data": {str(p): _digest(p.read_bytes()) for place in places for p in _files(place)},
        "versions": versions(),
    }


def changes(before: Fingerprint, now: Fingerprint) -> list[str]:
    """What differs between two fingerprints, in words."""
    found = []
    for part, spoken in SPOKEN.items():
        old, new = before.get(part, {}), now.get(part, {})
        for name in sorted(old.keys() | new.keys()):
            if old.get(name) != new.get(name):
                how = "changed" if name in old and name in new else "is new or gone"
                if part == "versions":
                    how = f"was {old.get(name)} and is {new.get(name)}"
                found.append(f"{spoken.format(name)} {how}")
    return found


if TYPE_CHECKING:
    import pandas as pd

PLAN = "batch.json"
TABLES = ("findings.csv", "findings.parquet", "runs.csv", "batch.html")
TEXT = ("finding", "claim", "analysis", "informant", "term", "criterion", "verdict")
FAILURE = ("error_notebook", "error_cell", "error_name", "error_message")


@dataclass(frozen=True)
class BatchSummary:
    """How a batch ended.

    Attributes
    ----------
    out : pathlib.Path
        Its folder, with `findings.parquet`, `findings.csv`, `runs.csv` and `batch.html`.
    runs, done, failed, missing : int
        Runs of the grid; those that came to their end; those that did not; those not started.
    resumed : int
        Runs of `done` that were there before.
    seconds : float
    interrupted : bool
        Stopped by Ctrl-C or a termination signal.
    """

    out: Path
    runs: int
    done: int
    failed: int
    missing: int
    resumed: int
    seconds: float
    interrupted: bool

    @property
    def exit_code(self) -> int:
        """0 when every run is done, else 1."""
        return 0 if self.done == self.runs else 1


class BatchFolder:
    """Reads and writes one batch's folder; nothing else does.

    Parameters
    ----------
    path : pathlib.Path
        Need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path).absolute()
        self.scratch = self.path / ".scratch"
        self._known: Known = {}

    @contextlib.contextmanager
    def claimed(self, plan: Fingerprint, resume: bool) -> Iterator[BatchFolder]:
        """Hold the folder for one batch: a new one, or the one that it holds.

        Parameters
        ----------
        plan : dict
            The batch's fingerprint.
        resume : bool
            Go on with what the folder holds; with nothing there, start.

        Raises
        ------
        ParameterError
            The folder holds something else, or what the batch depends on has changed.
        OutputError
            It cannot be written, another process writes to it, or files in it that would be
            written again are no longer as the batch wrote them.
        """
        with held(self.path):
            self._known = listed(self.path)
            self._fits(plan, resume)
            with told(self.path):
                self._clear_scratch()
                self.scratch.mkdir(exist_ok=True)
            try:
                yield self
            finally:
                self._clear_scratch()

    def _fits(self, plan: Fingerprint, resume: bool) -> None:
        """Refuse a folder that is not for this batch; begin one that is empty."""
        before = self._plan()
        if before is None:
            with told(self.path):
                strangers = [p for p in self.path.iterdir() if p.name != LIST and not is_part(p)]
            if strangers:
                raise ParameterError(f"{self.path} is not empty and holds no batch; name another.")
            write_whole(self.path / PLAN, json.dumps(plan, indent=1))
        elif not resume:
            raise ParameterError(
                f"{self.path} holds another batch. Name another folder, or add --resume to run "
                "what is missing from that one."
            )
        else:
            different = changes(before, plan)
            if different:
                shown = [
                    *different[:10],
                    *([f"... and {len(different) - 10} more"] * (len(different) > 10)),
                ]
                raise ParameterError(
                    f"The batch in {self.path} cannot be resumed, its runs would not be alike: "
                    f"{'; '.join(shown)}. Name another folder to start over."
                )
            with told(self.path):
                refuse_others(self.path, self._changed(plan))

    def _plan(self) -> Fingerprint | None:
        """The plan of the batch that the folder holds, if it holds one."""
        with told(self.path):
            try:
                plan = json.loads((self.path / PLAN).read_text(encoding="utf-8"))
            except (FileNotFoundError, ValueError):
                return None
        return plan if isinstance(plan, dict) else None

    def _changed(self, plan: Fingerprint) -> list[str]:
        """Files that the runs still to be done would replace, and that are somebody else's."""
        files = [self.path / name for name in TABLES]
        runs = [*self.path.glob("runs/*.json"), *self.path.glob("notebooks/*")]
        for run in {int(path.stem) for path in runs if path.stem.isdecimal()}:
            if (self.load(run) or {}).get("status") != "done":
                files += [self._record(run), *self._kept(run)]
                files += [self.notebooks(run) / f"{name}.ipynb" for name in plan["notebooks"]]
        there = {self._name(path) for path in files if path.exists() or path.is_symlink()}
        return sorted(n for n in there if not is_known(self.path / n, n, self._known))

    def _name(self, path: Path) -> str:
        return path.relative_to(self.path).as_posix()

    def _kept(self, run: int) -> list[Path]:
        """Notebooks of a run that are on the folder's list."""
        files = self.notebooks(run).glob("*.ipynb")
        return [file for file in files if self._name(file) in self._known]

    def _clear_scratch(self) -> None:
        for run in self.scratch.glob(f"{PREFIX}*"):
            shutil.rmtree(run, ignore_errors=True)
        with contextlib.suppress(OSError):  # not there, or not empty
            self.scratch.rmdir()

    def _record(self, run: int) -> Path:
        return self.path / "runs" / f"{run:06d}.json"

    def notebooks(self, run: int) -> Path:
        """Where the executed notebooks of a run are kept."""
        return self.path / "notebooks" / f"{run:06d}"

    def save(self, result: RunResult) -> None:
        """Write what a run brought; its record comes last, and makes it count."""
        kept = [self._name(path) for path in self._kept(result.run)]
        with told(self.path):
            remove(self.path, [n for n in kept if is_known(self.path / n, n, self._known)])
        for name, text in result.notebooks.items():
            write_whole(self.notebooks(result.run) / f"{name}.ipynb", text)
        write_whole(self._record(result.run), json.dumps(result.as_json()))

    def load(self, run: int) -> dict | None:
        """What a run brought, or None if it has not been run."""
        try:
            return json.loads(self._record(run).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None

    def done(self, runs: int) -> set[int]:
        """The numbers of the runs that need not be run again."""
        return {r for r in range(1, runs + 1) if (self.load(r) or {}).get("status") == "done"}

    def write_tables(self, parameters: pd.DataFrame, seeds: pd.Series) -> pd.DataFrame:
        """Write findings.csv, findings.parquet and runs.csv from all runs' records.

        Parameters
        ----------
        parameters : pandas.DataFrame
            One row per run, index `run` from 1, one column per parameter of the grid.
        seeds : pandas.Series
            The seed of each run, with the same index.

        Returns
        -------
        pandas.DataFrame
            The table of runs.
        """
        import pandas as pd  # here, so that workers start without it

        rows, tables = [], {}
        for run in parameters.index:
            record = self.load(run)
            rows.append(_run_row(run, record))
            if record is not None and record["findings"] is not None:
                tables[run] = _findings(record["findings"])
        runs = pd.DataFrame(rows).set_index("run")
        about = parameters.assign(seed=seeds)
        runs = about.join(runs[[c for c in runs if c not in FAILURE] + list(FAILURE)]).reset_index()
        write_whole(self.path / "runs.csv", runs.to_csv(index=False, lineterminator="\n"))
        if tables:
            findings = pd.concat(tables, names=["run"]).reset_index("run")
            clash = {c: f"parameter_{c}" for c in parameters if c in findings}
            left = parameters.rename(columns=clash)
            findings = left.merge(findings, left_index=True, right_on="run", how="right")
            findings.insert(0, "run", findings.pop("run"))
            text = findings.to_csv(index=False, lineterminator="\n")
            write_whole(self.path / "findings.csv", text)
            parquet = io.BytesIO()
            findings.to_parquet(parquet, index=False)
            write_whole(self.path / "findings.parquet", parquet.getvalue())
        return runs


def _findings(text: str) -> pd.DataFrame:
    import pandas as pd

    return pd.read_csv(io.StringIO(text), dtype=dict.fromkeys(TEXT, str))


def _run_row(run: int, record: Mapping | None) -> dict[str, object]:
    """One row of runs.csv."""
    if record is None:
        return {"run": run, "status": "missing"} | dict.fromkeys(FAILURE)
    ran = [r for r in record["records"] if r["status"] != "skipped"]
    seconds = {f"seconds_{r['notebook']}": r["seconds"] for r in ran}
    row = {"run": run, "status": record["status"]}
    row["seconds"] = sum(s for s in seconds.values() if s is not None)
    first = next((r for r in record["records"] if r["status"] == "failed"), {})
    failure = {name: first.get(name.replace("error_notebook", "notebook")) for name in FAILURE}
    return row | seconds | failure
