"""The whole sequence once: check the input, run the notebooks, write the report."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.linalg import orth

from .. import paths
from ..claims.over_time import pair
from ..claims.rules import OFFERED, chosen_values, read_rules, unanswerable
from ..cohorts.cohort import CHANGES, FEW, Cohort, changed, check_asked, open_cohort, open_study
from ..cohorts.courses import scenario_codebook
from ..errors import DataError, NotEstimableError, ParameterError, Problem, listed
from ..pages.printing import TOLD
from ..pages.table_one import divided
from ..pages.tables import Scorecard
from ..paths import RESULTS
from ..study.clean import clean
from ..study.codebook import Codebook, dyad_variables, own_words
from ..study.load import Study
from ..study.suspect import lacking
from .parameters import absolute_places, all_parameters, check_parameters
from .plan import by_name, deviations, input_hashes, plan_of
from .runner import NotebookRun, main_notebooks, run_notebooks, spoiled, versions
from .station import COHORT


@dataclass(frozen=True)
class SequenceRun:
    """Where a run is, how each notebook went, and what was found of each claim."""

    out: Path
    records: tuple[NotebookRun, ...]
    seconds: float
    card: Scorecard | None

    @property
    def failed(self) -> list[NotebookRun]:
        return [r for r in self.records if r.status != "done"]


def checked_study(parameters: Mapping[str, object]) -> Study:
    """The study that a run is about, once all that its parameters ask for is in order.

    Raises
    ------
    ParameterError, DataError, CodebookError, ScenarioError
    """
    cohort = {name: parameters[name] for name in COHORT if name in parameters}
    change = {name: parameters[name] for name in CHANGES if parameters.get(name)}
    check_asked(**cohort)
    rules = read_rules(parameters.get("claims"), parameters.get("data"))
    if cohort.get("scenario") and not change:  # what its clients have is known before the draw
        chosen_values(parameters, scenario_codebook(cohort["scenario"]), rules=rules)
    study = open_study(**cohort)
    if change and not lacking(study.examined.tables, study.codebook):
        study = replace(study, codebook=open_cohort(**cohort, **change).codebook)
    chosen_values(parameters, study.codebook, rules=rules)
    if gone := lacking(study.examined.tables, study.codebook):
        raise DataError(gone)
    return study


def refuse_without_claims(study: Study, parameters: Mapping[str, object]) -> None:
    """Refuse a study to which no claim can be put, and say what they ask for.

    Sessions that tell a rating and an outcome need none: notebook 10 asks what comes before what.

    Raises
    ------
    DataError
    """
    rules = read_rules(parameters.get("claims"), parameters.get("data"))
    lost = unanswerable(rules, study.codebook)
    if len(lost) == len(rules.claims) and (rules.own or not _follows(study)):
        asked = listed(dict.fromkeys(itertools.chain.from_iterable(gone for _, gone in lost)), 12)
        what = f"can speak to none of the {len(lost)} claims; they ask for {asked}."
        remedy = "State your own in a findings.yml beside the data (data/CODEBOOK.md, Claims)."
        raise DataError([Problem(study.codebook.file, what, remedy)])


def _follows(study: Study) -> bool:
    """Whether the sessions of a study tell a rating and an outcome."""
    with contextlib.suppress(NotEstimableError):
        return bool((cleaned := clean(study)).sessions and pair(cleaned))
    return False


def refuse_subtraction(runs: Iterable[Mapping[str, object]]) -> None:
    """Refuse runs on real records whose cohorts tell of few people by subtraction.

    A cohort `without` some dyads stands beside the whole one, and beside the others of a batch:
    no two may differ by one to four people, and no so small a part of the study may be what their
    sizes leave when they are added and subtracted.

    Raises
    ------
    ParameterError
    """
    studies: dict[str, tuple[Cohort, dict]] = {}
    for run in runs:
        cohort = {name: run[name] for name in ("data", "codebook") if run.get(name)}
        if cohort and run.get("without") and not run.get("show_rows"):
            if repr(cohort) not in studies:
                studies[repr(cohort)] = open_cohort(**cohort), {}
            whole, left = studies[repr(cohort)]
            said, client = str(run["without"]), whole.codebook.client
            if not whole.codebook.synthetic and said not in left:
                left[said] = whole.dyads[client].isin(changed(whole, said).dyads[client])
    for whole, left in studies.values():
        for names in [*((name,) for name in left), tuple(left)]:
            if _tells(whole, [left[name] for name in names]):
                raise ParameterError(
                    f"without {' and '.join(map(repr, names))}: beside the results of the whole "
                    f"study these would tell of fewer than {FEW} people by subtraction. Leave out "
                    "others, or nobody, or let single values be seen (show_rows)."
                )


def _tells(whole: Cohort, cohorts: list[pd.Series]) -> bool:
    """Whether sizes of parts of a study, beside its own tables, tell of few people."""
    every = pd.Series(True, whole.dyads.index)
    parts = [one ^ other for one, other in combinations([every, *cohorts], 2)]
    shown = [every, *cohorts]
    for by in (name for name in OFFERED["by"](whole.codebook) if name in whole.dyads):
        groups, small = divided(whole.dyads, whole.codebook, by, FEW)
        parts += groups.values()
        shown += [m for m, hidden in zip(groups.values(), small[0], strict=False) if not hidden]
    sums = orth(np.array(shown, float).T)
    _, cell = np.unique(np.array(shown).T, axis=0, return_inverse=True)
    parts += [cell == i for i in range(cell.max() + 1)]  # whoever is in the same of them
    secret = np.array([p for p in (*parts, *cohorts) if 0 < p.sum() < FEW], float).T
    return bool(secret.size and (np.abs(secret - sums @ (sums.T @ secret)) < 1e-9).all(0).any())


def skipped(book: Codebook) -> dict[str, str]:
    """Notebooks that a study of this codebook lacks the parts for, and what they lack."""
    has = {i: True for i in book.informants} | {
        "sessions": any(table.time for table in book.tables.values()),
        "days": "hospital_days" in dyad_variables(book),
        "outcome": bool(book.blocks.get("outcome")),
        "before": any(book.blocks.get(block) for block in ("pretreatment", "treatment")),
    }
    lacking = {}
    for path in main_notebooks():
        needs = json.loads(path.read_text("utf-8"))["metadata"].get("alliance", {}).get("needs", [])
        gone = [TOLD["needs"][n] for n in needs if not has.get(n)]
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
    from ..pages.report import browser, print_report, write_report

    if pdf:
        browser()  # or say so before anything runs
    started = time.perf_counter()
    parameters, skip = absolute_places(parameters), dict(skip or {})
    notebooks = [path for path in main_notebooks() if path.stem not in skip]
    check_parameters(parameters | {"out": ""}, all_parameters(notebooks))
    read = input_hashes(parameters)  # before anything is made of what stands in the files
    refuse_subtraction([parameters])
    plan, lock = plan_of(parameters), deviations(parameters)
    folder = Path(out).absolute() if out else _new_folder()
    values = parameters | {"out": str(folder)}
    with paths.held(folder, "run", made=not out):
        paths.empty_for_a_run(folder)
        records = run_notebooks(notebooks, folder / "notebooks", values, jobs, progress)
        records = spoiled(records, paths.altered(read))
        about = {
            "parameters": {k: v for k, v in parameters.items() if k != "out"},
            "seed": parameters.get("seed", 1995),
            "finished": datetime.now().astimezone().isoformat(timespec="seconds"),
            "seconds": round(time.perf_counter() - started, 3),
            "notebooks": [asdict(r) for r in records],
            "skipped": skip,
            "inputs_sha256": by_name(read),
            "versions": versions(),
            "plan": plan,
            "lock": lock,
            "platform": sys.platform,
        }
        _write_run_file(folder, about)
        card = write_report(folder)
        if pdf:
            print_report(folder)
        _write_run_file(folder, about | {"files": paths.written_files(folder)})
    if not out:
        _point_latest(folder)
    return SequenceRun(folder, tuple(records), time.perf_counter() - started, card)


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
    paths.write_whole(folder / paths.RUN_FILE, paths.homeless(f"{text}\n"))


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
