"""The whole sequence once: check the input, run the notebooks, write the report."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from ..claims.rules import claims_file
from ..paths import (
    CALIBRATION,
    CODEBOOK,
    LIST,
    NOTEBOOKS,
    RAW,
    RESULTS,
    RUN_FILE,
    SCENARIOS,
    empty_for_a_run,
    held,
    sha256,
    told,
    write_whole,
    written_files,
)
from ..study.codebook import dyad_variables, own_words
from ..study.load import Study, codebook_beside
from .parameters import all_parameters, check_parameters
from .runner import NotebookRun, run_notebooks

LONGEST = "robustness"
NEEDS = {
    "client": "rating by the client",
    "case_manager": "rating by the case manager",
    "days": "hospital days (a variable named hospital_days)",
    "before": "variables from before or of treatment (the blocks pretreatment and treatment)",
}
PACKAGES = ("numpy", "pandas", "scipy", "statsmodels", "papermill", "matplotlib", "alliance-kit")


@dataclass(frozen=True)
class SequenceRun:
    """Where a run is, and how each notebook went."""

    out: Path
    records: tuple[NotebookRun, ...]
    seconds: float

    @property
    def failed(self) -> list[NotebookRun]:
        return [r for r in self.records if r.status != "done"]


def main_notebooks() -> list[Path]:
    """The notebooks of the sequence in reading order, then the stress tests."""
    return [*sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb")), NOTEBOOKS / f"{LONGEST}.ipynb"]


def skipped(study: Study) -> dict[str, str]:
    """Notebooks that this study lacks the parts for, and what they lack."""
    book = study.codebook
    has = {i: True for i in book.informants} | {
        "days": "hospital_days" in dyad_variables(book),
        "before": any(book.blocks.get(block) for block in ("pretreatment", "treatment")),
    }
    lacking = {}
    for path in main_notebooks():
        needs = json.loads(path.read_text("utf-8"))["metadata"].get("alliance", {}).get("needs", [])
        gone = [NEEDS[n] for n in needs if not has.get(n)]
        if gone:
            lacking[path.stem] = own_words(f"The study has no {' and no '.join(gone)}.", book)
    return lacking


def run_sequence(
    parameters: Mapping[str, object],
    out: str | Path | None = None,
    jobs: int = 2,
    progress: Callable[[NotebookRun], None] | None = None,
    skip: Mapping[str, str] | None = None,
) -> SequenceRun:
    """Run every notebook on one study and write the report.

    Parameters
    ----------
    parameters : mapping
        The notebooks' parameters; see their cell tagged `parameters`.
    out : path, optional
        The run's folder; a new one under `results/` by default, to which `results/latest` points.
    jobs : int
        Notebooks that run side by side.
    progress : callable, optional
        Called with each notebook's record.
    skip : mapping, optional
        Notebooks to leave out, with the reason that the report gives (see :func:`skipped`).

    Raises
    ------
    ParameterError, DataError, CodebookError, ScenarioError, OutputError
        Before anything is run or written.
    """
    started = time.perf_counter()
    parameters, skip = _absolute(parameters), dict(skip or {})
    notebooks = [path for path in main_notebooks() if path.stem not in skip]
    check_parameters(parameters | {"out": ""}, all_parameters(notebooks))
    folder = Path(out).absolute() if out else _new_folder()
    values = parameters | {"out": str(folder)}
    with held(folder, made=not out):
        empty_for_a_run(folder)
        longest_first = sorted(notebooks, key=lambda path: path.stem != LONGEST)
        records = run_notebooks(longest_first, folder / "notebooks", values, jobs, progress)
        records.sort(key=lambda record: record.notebook)
        seconds = time.perf_counter() - started
        add_stress_rows(folder)
        about = _about(parameters, records, seconds, skip)
        _write_run_file(folder, about)
        from ..pages.report import write_report

        write_report(folder)
        _write_run_file(folder, about | {"files": written_files(folder)})
    if not out:
        _point_latest(folder)
    return SequenceRun(folder, tuple(records), time.perf_counter() - started)


def add_stress_rows(folder: Path) -> None:
    """Append to findings.csv the analyses that only the robustness notebook has."""
    findings, stress = folder / "findings.csv", folder / "tables" / "robustness.csv"
    if not (findings.is_file() and stress.is_file()):
        return
    with findings.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    there = {row["analysis"] for row in rows}
    with stress.open(newline="", encoding="utf-8") as file:
        rows += [row for row in csv.DictReader(file) if row["analysis"] not in there]

    def write(part: Path) -> None:
        with part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    write_whole(findings, write)


def _absolute(parameters: Mapping[str, object]) -> dict[str, object]:
    made = dict(parameters)
    for name in ("data", "codebook", "claims"):
        if made.get(name):
            made[name] = str(Path(str(made[name])).absolute())
    return made


def _new_folder() -> Path:
    """A folder in results/ that no other run has, however many start at once."""
    first = folder = RESULTS / datetime.now().strftime("%Y%m%d-%H%M%S")
    n = 1
    while True:
        with told(folder), contextlib.suppress(FileExistsError):
            folder.mkdir(parents=True)
            return folder
        n += 1
        folder = first.with_name(f"{first.name}_{n}")


def _about(parameters: dict, records, seconds: float, skip: dict) -> dict[str, object]:
    return {
        "parameters": {k: v for k, v in parameters.items() if k != "out"},
        "seed": parameters.get("seed", 1995),
        "finished": datetime.now().astimezone().isoformat(timespec="seconds"),
        "seconds": round(seconds, 3),
        "notebooks": [asdict(r) for r in records],
        "skipped": skip,
        "inputs_sha256": input_hashes(parameters),
        "versions": {p: version(p) for p in PACKAGES} | {"python": platform.python_version()},
        "platform": sys.platform,
    }


def _write_run_file(folder: Path, about: dict[str, object]) -> None:
    write_whole(folder / RUN_FILE, json.dumps(about, indent=2, ensure_ascii=False) + "\n")


def input_hashes(parameters: Mapping[str, object]) -> dict[str, str]:
    """SHA-256 of every file that the run read: data, codebook, claims, scenarios."""
    given = {name: str(parameters.get(name) or "") for name in ("data", "codebook", "claims")}
    data = Path(given["data"]) if given["data"] else RAW
    if parameters.get("scenario"):
        tables = [SCENARIOS, CALIBRATION]
    else:
        tables = [data]
        if data.is_dir():
            tables = sorted(p for p in data.iterdir() if p.is_file() and p.name != LIST)
    book = Path(given["codebook"]) if given["codebook"] else codebook_beside(data) or CODEBOOK
    files = list(dict.fromkeys([*tables, book, claims_file(given["claims"], given["data"])]))
    names = [file.name for file in files]
    hashes = {}
    for file in files:
        hashes[file.name if names.count(file.name) == 1 else str(file)] = sha256(file)
    return hashes


def _point_latest(folder: Path) -> None:
    """Let results/latest lead to the run, unless that is a folder or a link of the user's own."""
    link, part = RESULTS / "latest", RESULTS / f".latest.{os.getpid()}"
    with contextlib.suppress(OSError):  # a file system without links; a run is not lost for one
        if os.path.lexists(link) and not (link.is_symlink() and _beside(os.readlink(link))):
            return
        if part.is_symlink():  # of a process that was killed
            part.unlink()
        part.symlink_to(folder.name, target_is_directory=True)
        os.replace(part, link)


def _beside(target: str) -> bool:
    return os.path.basename(target) == target
