"""The whole sequence once: check the input, run the notebooks, write the report."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from .. import paths
from ..claims.rules import claims_file, read_rules
from ..cohorts.open import open_study
from ..paths import NOTEBOOKS, RESULTS
from ..study.codebook import dyad_variables, own_words
from ..study.load import Study, codebook_beside
from .parameters import PLACES, absolute_places, all_parameters, check_parameters
from .runner import STRESS, NotebookRun, run_notebooks, versions
from .station import COHORT

NEEDS = {
    "client": "rating by the client",
    "case_manager": "rating by the case manager",
    "days": "hospital days (a variable named hospital_days)",
    "before": "variables from before or of treatment (the blocks pretreatment and treatment)",
}


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
    """The notebooks of the sequence in reading order, then those on robustness."""
    patterns = ("[0-9][0-9]_*.ipynb", f"{STRESS}*.ipynb")
    return [path for pattern in patterns for path in sorted(NOTEBOOKS.glob(pattern))]


def checked_study(parameters: Mapping[str, object]) -> Study:
    """The study that a run is about, once its data, codebook, scenario and claims are in order.

    Raises
    ------
    ParameterError, DataError, CodebookError, ScenarioError
    """
    read_rules(parameters.get("claims"), parameters.get("data"))
    return open_study(**{name: parameters[name] for name in COHORT if name in parameters})


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
    pdf: bool = False,
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
    pdf : bool
        Print the report to `report.pdf` as well.

    Raises
    ------
    ParameterError, DataError, CodebookError, ScenarioError, OutputError
        Before anything is run or written.
    """
    from ..pages.report import write_report
    from .print_report import browser, print_report

    if pdf:
        browser()  # or say so before anything runs
    started = time.perf_counter()
    parameters, skip = absolute_places(parameters), dict(skip or {})
    notebooks = [path for path in main_notebooks() if path.stem not in skip]
    check_parameters(parameters | {"out": ""}, all_parameters(notebooks))
    folder = Path(out).absolute() if out else _new_folder()
    values = parameters | {"out": str(folder)}
    with paths.held(folder, made=not out):
        paths.empty_for_a_run(folder)
        records = run_notebooks(notebooks, folder / "notebooks", values, jobs, progress)
        about = {
            "parameters": {k: v for k, v in parameters.items() if k != "out"},
            "seed": parameters.get("seed", 1995),
            "finished": datetime.now().astimezone().isoformat(timespec="seconds"),
            "seconds": round(time.perf_counter() - started, 3),
            "notebooks": [asdict(r) for r in records],
            "skipped": skip,
            "inputs_sha256": input_hashes(parameters),
            "versions": versions(),
            "platform": sys.platform,
        }
        _write_run_file(folder, about)
        write_report(folder)
        if pdf:
            print_report(folder)
        _write_run_file(folder, about | {"files": paths.written_files(folder)})
    if not out:
        _point_latest(folder)
    return SequenceRun(folder, tuple(records), time.perf_counter() - started)


def _new_folder() -> Path:
    """A folder in results/ that no other run has, however many start at once."""
    first = folder = RESULTS / datetime.now().strftime("%Y%m%d-%H%M%S")
    for n in itertools.count(2):
        with paths.told(folder), contextlib.suppress(FileExistsError):
            folder.mkdir(parents=True)
            break
        folder = first.with_name(f"{first.name}_{n}")
    return folder


def _write_run_file(folder: Path, about: dict[str, object]) -> None:
    text = json.dumps(about, indent=2, ensure_ascii=False)
    paths.write_whole(folder / paths.RUN_FILE, f"{text}\n")


def input_hashes(parameters: Mapping[str, object]) -> dict[str, str]:
    """SHA-256 of every file that a run reads, by its name or, where two share one, its path."""
    files = input_files(parameters)
    names = [file.name for file in files]
    return {f.name if names.count(f.name) == 1 else str(f): paths.sha256(f) for f in files}


def input_files(parameters: Mapping[str, object]) -> list[Path]:
    """Every file that a run reads: data or scenarios, codebook, claims."""
    data, codebook, claims = (str(parameters.get(name) or "") for name in PLACES)
    source = Path(data) if data else paths.RAW
    if parameters.get("scenario"):
        tables = [paths.SCENARIOS, paths.CALIBRATION]
    elif source.is_dir():
        tables = sorted(p for p in source.iterdir() if p.is_file() and p.name != paths.LIST)
    else:
        tables = [source]
    book = Path(codebook) if codebook else codebook_beside(source) or paths.CODEBOOK
    return list(dict.fromkeys([*tables, book, claims_file(claims, data)]))


def _point_latest(folder: Path) -> None:
    """Let results/latest lead to the run, unless that is a folder or a link of the user's own."""
    link, part = RESULTS / "latest", RESULTS / f".latest.{os.getpid()}"
    with contextlib.suppress(OSError):  # a file system without links; a run is not lost for one
        if os.path.lexists(link):
            target = os.readlink(link) if link.is_symlink() else ""
            if not target or os.path.basename(target) != target:
                return
        if part.is_symlink():  # of a process that was killed
            part.unlink()
        part.symlink_to(folder.name, target_is_directory=True)
        os.replace(part, link)
