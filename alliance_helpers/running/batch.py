"""Many runs of the notebooks: planned, run in workers of this machine or of Dask, kept whole.

A batch's folder says what was asked, on what its findings depend, and which runs are done, so that
a batch that was stopped is gone on with, or refused where its runs would no longer be alike.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import threading
import time
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from .. import paths
from ..claims.rules import Rules, chosen_values, read_rules
from ..cohorts.cohort import CHANGES, check_asked
from ..cohorts.courses import scenario_codebook
from ..errors import AllianceError, OutputError, ParameterError, RunError, listed
from ..study.codebook import Codebook
from . import runner
from .batch_page import TABLES, BatchSummary, parameter_table, write_page, write_tables
from .forkserver import helper_files
from .parameters import PLACES, STUDY, Declared, all_parameters, check_grid, read_grid
from .plan import differences, digest, input_hashes, sealed, unsealed
from .runner import PLANNING, PREFIX, RunResult, Shared, is_copy, lost_run, notebook_cells, run_one
from .sequence import checked_study, refuse_subtraction, skipped
from .station import COHORT, open_station
from .workers import connect_dask, run_on_dask, run_tasks

PLAN = "batch.json"
LONGEST = 1_000_000  # seconds that a notebook may be given
SLACK = 120  # seconds that workers may take to start
NOTEBOOK, VERSION = "the notebook ", "the version of "  # begin names in a fingerprint
WRONG = 20  # problems of a grid that are told
Fingerprint = dict[str, str]


def choose_notebooks(names: Sequence[str], folder: Path = paths.NOTEBOOKS) -> list[Path]:
    """The notebooks that are meant by names (`03_alliance_agreement`) or numbers (`03`).

    Raises
    ------
    ParameterError
        A name that fits no notebook.
    """
    available = [path for path in sorted(folder.glob("*.ipynb")) if path.stem != "START"]
    numbered = [path for path in available if path.name[:2].isdigit() and not is_copy(path)]
    if not numbered:
        raise ParameterError(f"There are no notebooks in {folder}.")
    asked = {name.removesuffix(".ipynb") for name in names}
    fits = {path: asked & {path.stem, path.stem.split("_")[0] if path in numbered else path.stem}
            for path in available}  # fmt: skip
    if unknown := asked.difference(*fits.values()):
        gone, known = listed(sorted(unknown)) or "''", ", ".join(path.stem for path in available)
        raise ParameterError(f"There is no notebook {gone}; there are {known}.")
    if names:
        return [path for path in available if fits[path]]
    return [path for path in numbered if path.stem != PLANNING]


def _study(run: Mapping[str, object]) -> dict[str, object]:
    """What of a run's parameters says which study it is about."""
    return {n: run[n] for n in dict.fromkeys((*STUDY, *PLACES, *CHANGES)) if run.get(n)}


def _left_out(runs: Iterable[Mapping[str, object]], declared: Declared) -> list[dict[str, str]]:
    """For each run, the notebooks that its study lacks the parts for, and why.

    Raises
    ------
    ParameterError
        With every study that cannot be used, and all that is asked for and not in it.
    """
    usual = {name: p.default for taken in declared.values() for name, p in taken.items()}
    opened, gaps, wrong = {}, [], {}
    for run in runs:
        given = _study(run)
        try:
            if "scenario" in usual:
                check_asked(**{name: v for name, v in (usual | run).items() if name in COHORT})
            if repr(given) not in opened:
                opened[repr(given)] = None, None, {}  # told once, if it cannot be used
                opened[repr(given)] = _opened(given)
            book, rules, lacking = opened[repr(given)]
            if book is not None:
                chosen_values(run, book, rules=rules)
            gaps.append(lacking)
        except AllianceError as error:
            wrong[str(error)] = None
    if wrong:
        more = [f"... and {len(wrong) - WRONG} more"] if len(wrong) > WRONG else []
        raise ParameterError("\n".join([*list(wrong)[:WRONG], *more]))
    return gaps


def _opened(given: Mapping[str, object]) -> tuple[Codebook, Rules, dict[str, str]]:
    """The codebook and the claims of a study, and the notebooks that it lacks the parts for."""
    if any(given.get(name) for name in ("data", "codebook", *CHANGES)):
        book = checked_study(given).codebook
    else:
        book = scenario_codebook(str(given.get("scenario") or "published"))
    return book, read_rules(given.get("claims"), given.get("data")), skipped(book)


def fingerprint(
    grid: object, notebooks: Mapping[str, str], inputs: Mapping[str, str] | None = None
) -> Fingerprint:
    """Digests of everything that a batch's findings depend on, each by its name in words.

    Parameters
    ----------
    grid : object
        The runs asked for; anything with a faithful `repr`.
    notebooks : mapping
        Name to text of the notebooks.
    inputs : mapping, optional
        Path to digest of the files that the runs read, besides those that every run reads.
    """
    every = {str(path): paths.sha256(path) for path in paths.EVERY_RUN}
    return (
        {"the grid": digest(repr(grid))}
        | {f"{NOTEBOOK}{name}": digest(notebook_cells(text)) for name, text in notebooks.items()}
        | {f"the helper {name}": paths.sha256(path) for name, path in helper_files().items()}
        | {f"the file {paths.homeless(path)}": d for path, d in (every | (inputs or {})).items()}
        | {f"{VERSION}{name}": number for name, number in runner.versions().items()}
    )


def changes(before: Fingerprint, now: Fingerprint) -> list[str]:
    """What differs between two fingerprints, in words."""
    found = []
    for (name,), was, new in sorted(differences(before, now)):
        how = "changed" if was and new else "is new or gone"
        if name.startswith(VERSION):
            how = f"was {was or None} and is {new or None}"
        found.append(f"{name} {how}")
    return found


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
        self.damaged: list[str] = []
        self._known: paths.Known = {}
        self._plan = ""  # digest of the batch's fingerprint

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
        with paths.held(self.path, "batch"):
            self._known = paths.listed(self.path)
            self._fits(plan, resume)
            with paths.told(self.path):
                self._clear_scratch()
                self.scratch.mkdir(exist_ok=True)
            try:
                yield self
            finally:
                self._clear_scratch()

    def _fits(self, plan: Fingerprint, resume: bool) -> None:
        """Refuse a folder that is not for this batch; begin one that is empty."""
        with paths.told(self.path):
            there = {p.name for p in self.path.iterdir() if not paths.is_part(p)} - {paths.LIST}
        before, self._plan = self._read(self.path / PLAN), digest(plan)
        lost = before is None and (PLAN in there or PLAN in self._known)
        if there and before is None and not lost:
            raise ParameterError(f"{self.path} is not empty and holds no batch; name another.")
        if there and not resume:
            state = f", but its {PLAN} is lost or damaged" if lost else ""
            raise ParameterError(
                f"{self.path} holds another batch{state}. Name another folder, or add --resume to "
                "run what is missing from that one."
            )
        if different := changes(before, plan) if before else []:
            more = [f"... and {len(different) - 10} more"] if len(different) > 10 else []
            raise ParameterError(
                f"The batch in {self.path} cannot be resumed, its runs would not be alike: "
                f"{'; '.join([*different[:10], *more])}. Name another folder to start over."
            )
        self._discard_damaged(foreign=lost)
        if before is None:  # each record says of which batch it is
            paths.write_whole(self.path / PLAN, sealed(plan), lasting=True)
            self._known = paths.listed(self.path)
            self.damaged += [PLAN] if lost else []
        with paths.told(self.path):
            paths.refuse_others(self.path, self._changed(plan))

    def _discard_damaged(self, foreign: bool) -> None:
        """Remove what stands in the place of a run's record and is none.

        Whole records of another batch are an error where only they can say what the batch is.
        """
        records = sorted((self.path / "runs").glob("*.json"))
        plans = {path: (self._read(path) or {}).get("plan") for path in records}
        if foreign and {*plans.values()} - {self._plan, None}:
            raise ParameterError(
                f"The {PLAN} of {self.path} is lost or damaged, and its runs are not those of this "
                "grid, these notebooks and these data. Name another folder to start over."
            )
        for path, plan in plans.items():
            number = int(path.stem) if path.stem.isdecimal() else 0
            whole = path == self._record(number) and self.load(number) is not None
            if not whole and (plan or self._name(path) in self._known):
                self.damaged.append(self._name(path))
                with paths.told(self.path):
                    path.unlink()

    def _changed(self, plan: Fingerprint) -> list[str]:
        """Files that the runs still to be done would replace, and that are somebody else's."""
        names = {*TABLES}
        texts = [f"{n.removeprefix(NOTEBOOK)}.ipynb" for n in plan if n.startswith(NOTEBOOK)]
        runs = [*self.path.glob("runs/*.json"), *self.path.glob("notebooks/*")]
        for run in {int(path.stem) for path in runs if path.stem.isdecimal()}:
            if not self.is_done(run):
                names |= {self._name(self._record(run)), *self._kept(run)}
                names |= {self._name(self.notebooks(run) / text) for text in texts}
        return sorted(n for n in names if os.path.lexists(self.path / n) and not self._is_own(n))

    def _name(self, path: Path) -> str:
        return path.relative_to(self.path).as_posix()

    def _is_own(self, name: str) -> bool:
        return paths.is_known(self.path / name, name, self._known)

    def _kept(self, run: int) -> list[str]:
        """Notebooks of a run that are on the folder's list."""
        names = map(self._name, self.notebooks(run).glob("*.ipynb"))
        return [name for name in names if name in self._known]

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
        """Write what a run brought; its record comes last, and makes it count.

        Raises
        ------
        OutputError
        RunError
            The folder was taken away.
        """
        if not (self.path / PLAN).is_file():
            raise RunError(f"{self.path} was removed while the batch ran. Run it again.")
        with paths.told(self.path):
            paths.remove(self.path, filter(self._is_own, self._kept(result.run)))
        for name, text in result.notebooks.items():
            paths.write_whole(self.notebooks(result.run) / f"{name}.ipynb", text)
        record = result.as_json() | {"plan": self._plan}
        paths.write_whole(self._record(result.run), sealed(record), lasting=True)

    def load(self, run: int) -> dict | None:
        """What a run brought; None if it has not been run, or its record is not whole."""
        found = self._read(self._record(run)) or {}
        return found if (found.get("run"), found.get("plan")) == (run, self._plan) else None

    def _read(self, path: Path) -> dict | None:
        """What a file holds that was written sealed, unless it is gone or not as it was written."""
        with paths.told(self.path), contextlib.suppress(FileNotFoundError):
            return unsealed(path.read_text("utf-8", "replace"))
        return None

    def is_done(self, run: int) -> bool:
        """Whether a run need not be run again."""
        return (self.load(run) or {}).get("status") == "done"


@contextlib.contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """Ctrl-C and a termination signal (a cluster's time limit) interrupt, and are remembered.

    Python ignores an exception that is raised while it clears something away.
    """
    asked = threading.Event()

    def interrupt(*_: object) -> None:
        asked.set()
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        if before[number] != signal.SIG_IGN:
            signal.signal(number, interrupt)
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_batch(
    grid_path: Path,
    out: Path,
    jobs: int = 2,
    dask: str | None = None,
    resume: bool = False,
    yes: bool = False,
    notebooks: Sequence[str] | None = None,
    keep: str = "failed",
    timeout: float = 600.0,
    folder: Path = paths.NOTEBOOKS,
) -> BatchSummary:
    """Run the notebooks for every combination of a grid and gather the findings.

    Parameters
    ----------
    grid_path : pathlib.Path
        See `grid.read_grid`.
    out : pathlib.Path
        The batch's folder: a new one, or with `resume` one that holds this batch.
    jobs : int
        Worker processes on this machine.
    dask : str, optional
        Address of a Dask scheduler whose workers do the runs instead.
    resume : bool
        Run only what is missing or failed.
    yes : bool
        More than 10,000 runs are meant.
    notebooks : sequence of str, optional
        Names or numbers; those of the grid, or all, if not given.
    keep : str
        Executed notebooks to keep: `all`, `failed` or `none`. Only with `all` are figures drawn;
        elsewhere their texts stand in their places.
    timeout : float
        Seconds that each notebook may take.
    folder : pathlib.Path
        Where the notebooks are.

    Returns
    -------
    BatchSummary

    Raises
    ------
    ParameterError, DataError, CodebookError
        Before anything starts: the grid, a study, a notebook, `out` or the scheduler cannot be
        used.
    OutputError
        Before anything starts: `out` cannot be written.
    RunError
        Runs could not go on, for example because the disk is full; what is done is kept.
    """
    started = time.perf_counter()
    if keep not in runner.KEEP or jobs < 1 or not 0 < timeout <= LONGEST:
        raise ParameterError(
            f"keep must be one of {', '.join(runner.KEEP)}, jobs at least 1 and timeout above 0 "
            f"and at most {LONGEST:,} seconds."
        )
    grid = read_grid(Path(grid_path), yes)
    chosen = choose_notebooks(notebooks or grid.notebooks, Path(folder))
    declared = all_parameters(chosen)
    check_grid(grid, declared)
    gaps = _left_out(grid.runs, declared)
    refuse_subtraction(grid.runs)
    texts = {path.stem: path.read_text(encoding="utf-8") for path in chosen}
    studies = {repr(study): study for study in map(_study, grid.runs)}
    read = {name: input_hashes(study) for name, study in studies.items()}
    plan = fingerprint(grid.runs, texts, dict(ChainMap(*read.values())))
    with contextlib.ExitStack() as stack:
        if any(run.get("show_rows") for run in grid.runs):  # for this user only
            stack.callback(os.umask, os.umask(0o077))
        client = stack.enter_context(connect_dask(dask)) if dask else None
        store = stack.enter_context(BatchFolder(Path(out)).claimed(plan, resume))
        if client is None:
            open_station()
        shared = Shared(texts, keep, timeout, None if client else str(store.scratch))
        tasks = [
            (n, run, lacking, read[repr(_study(run))])
            for n, (run, lacking) in enumerate(zip(grid.runs, gaps, strict=True), 1)
            if not store.is_done(n)
        ]
        resumed = len(grid.runs) - len(tasks)
        bar = tqdm(
            desc="Runs", total=len(grid.runs), initial=resumed, unit="run", dynamic_ncols=True,
            disable=None,  # shown if a person is watching
        )  # fmt: skip
        table, seeds = parameter_table(grid, declared)
        table = table.map(lambda value: paths.homeless(value) if isinstance(value, str) else value)
        asked = stack.enter_context(_interrupts())
        try:
            with contextlib.suppress(KeyboardInterrupt), bar:  # what is done is summed up
                _run_all(store, shared, tasks, jobs, client, bar, asked)
            runs = write_tables(store.path, map(store.load, table.index), table, seeds)
            counts = (int((runs["status"] == s).sum()) for s in ("done", "failed", "missing"))
            seconds = time.perf_counter() - started
            lost = tuple(store.damaged)
            summary = BatchSummary(store.path, len(runs), *counts, resumed, seconds, lost)
            write_page(summary, runs, list(table))
        except OutputError as error:
            raise RunError(f"{error} What is done is kept; --resume goes on from it.") from error
    return summary


def _run_all(
    store: BatchFolder,
    shared: Shared,
    tasks: list,
    jobs: int,
    client: object,
    bar: tqdm,
    interrupted: threading.Event,
) -> None:
    """Do the runs and save each as it comes, until interrupted."""
    failed = 0
    if client:
        spread = run_on_dask(run_one, shared, tasks, client)
    else:  # a task also waits for one before it
        limit = 2 * shared.timeout * len(shared.notebooks) + SLACK
        spread = run_tasks(run_one, shared, tasks, jobs, limit)
    with contextlib.closing(spread) as results:
        for index, result in results:
            result: RunResult = result or lost_run(shared, tasks[index][0], *runner.KILLED)
            store.save(result)
            failed += not result.done
            bar.set_postfix(failed=failed, refresh=False)
            bar.update()
            if interrupted.is_set():
                raise KeyboardInterrupt
