"""Batches: throughput against a pool of cold papermill, overhead over plain Python, Dask workers.

python -m benchmarks.bench_batch [short] [throughput[=COHORTS]] [overhead[=...]] [dask[=...]]
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise, product
from multiprocessing import get_context
from pathlib import Path

import pandas as pd

from alliance_helpers.running.batch import choose_notebooks, run_batch
from alliance_helpers.running.runner import main_notebooks
from benchmarks.bench_run import plain_env
from benchmarks.ratio import Ratio, run_parts, table

JOBS = 2
SLOWER = 5  # of so many cohorts the cold peer runs one; throughput is compared


def grid(folder: Path, parameters: str) -> Path:
    """A grid file."""
    path = folder / "grid.yml"
    path.write_text(f"parameters: {{{parameters}}}\n")
    return path


def cohorts(
    folder: Path, first: int, last: int, notebooks: tuple[str, ...] = (), keep: str = "all"
) -> float:
    """Seconds that a batch of simulated cohorts takes; without names the numbered notebooks."""
    path = grid(folder, f"scenario: [published], seed: {{from: {first}, to: {last}}}")
    out = folder / f"{keep}{first}"
    started = time.perf_counter()
    summary = run_batch(path, out, jobs=JOBS, notebooks=notebooks, keep=keep)
    if summary.exit_code:
        raise SystemExit(pd.read_csv(summary.out / "runs.csv").to_string())
    return time.perf_counter() - started


def cold(task: tuple[str, str, int]) -> None:
    """One notebook for one cohort, as papermill runs it by itself."""
    from papermill import execute_notebook

    notebook, folder, seed = task
    out = Path(folder) / str(seed)
    out.mkdir(parents=True, exist_ok=True)
    parameters = {"scenario": "published", "seed": seed, "out": str(out)}
    executed = str(out / Path(notebook).name)
    execute_notebook(notebook, executed, parameters, progress_bar=False)


def cold_pool(
    pool: ProcessPoolExecutor, folder: Path, first: int, last: int, notebooks: tuple[str, ...]
) -> float:
    """Seconds for the same with a process pool and ordinary kernels."""
    paths = [str(n) for n in choose_notebooks(notebooks)]
    tasks = [(n, str(folder / "cold"), s) for s in range(first, last + 1) for n in paths]
    started = time.perf_counter()
    list(pool.map(cold, tasks))
    return time.perf_counter() - started


def throughput(size: int) -> list[Ratio]:
    """Cohorts per minute: the numbered notebooks, and for a few cohorts the longest ones too."""
    few = 2 * max(1, size // (2 * SLOWER))
    every = tuple(notebook.stem for notebook in main_notebooks())
    nine = "the nine numbered notebooks"
    kept = {"all": (f"{nine}, all kept", ">= 6.5"), "failed": (f"{nine}, no figures drawn", ">= 9")}
    return [
        *compared(size, (), kept),
        *compared(few, every, {"all": ("with the robustness notebooks too", "")}),
    ]


def compared(
    size: int, notebooks: tuple[str, ...], kept: dict[str, tuple[str, str]]
) -> list[Ratio]:
    """Against the peer, which runs before and after each, so that other work falls on both.

    `kept` maps what is kept of the notebooks to a row's name and goal.
    """
    half = max(1, size // SLOWER // 2)
    with (
        tempfile.TemporaryDirectory() as name,
        ProcessPoolExecutor(JOBS, mp_context=get_context("spawn")) as pool,
    ):
        folder = Path(name)
        ours, peers, first = {}, [], 1
        for keep in (*kept, None):
            peers.append(cold_pool(pool, folder, first, first + half - 1, notebooks))
            first += half
            if keep:
                ours[keep] = cohorts(folder, 1, size, notebooks, keep)
        for keep, seed in product(kept, range(1, first)):
            table_of = pd.read_csv(folder / f"{keep}1" / "findings.csv", dtype=str)
            theirs = pd.read_csv(folder / "cold" / str(seed) / "findings.csv", dtype=str)
            mine = table_of[table_of["run"] == str(seed)][theirs.columns]
            mine = mine[mine["analysis"].isin(theirs["analysis"])].reset_index(drop=True)
            pd.testing.assert_frame_equal(mine, theirs)
    rows = []
    for (keep, (named, goal)), around in zip(kept.items(), pairwise(peers), strict=True):
        mine, theirs = 60 * size / ours[keep], 60 * 2 * half / sum(around)
        rows.append(
            Ratio(
                f"throughput, {size} cohorts, {named}, {JOBS} jobs, same findings",
                f"{mine:.1f} cohorts a minute",
                f"a pool of {JOBS} running papermill with ordinary kernels: {theirs:.1f}",
                mine / theirs,
                goal,
            )
        )
    return rows


def plain(task: tuple[str, int]) -> None:
    """All notebooks' cells for one cohort in a Python process of the pool."""
    from benchmarks.plain import run_set

    folder, seed = task
    out = Path(folder) / "plain" / str(seed)
    out.mkdir(parents=True, exist_ok=True)
    run_set(choose_notebooks([]), {"scenario": "published", "seed": seed, "out": str(out)})


def overhead(size: int) -> list[Ratio]:
    """A batch against the same cells without Jupyter, in two rounds."""
    ours = peer = 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for first in (1, size + 1):
            ours += cohorts(folder, first, first + size - 1)
            started = time.perf_counter()
            tasks = [(name, seed) for seed in range(first, first + size)]
            with ProcessPoolExecutor(JOBS, mp_context=get_context("spawn")) as pool:
                list(pool.map(plain, tasks))
            peer += time.perf_counter() - started
    return [
        Ratio(
            f"overhead, {size} cohorts, the nine numbered notebooks, {JOBS} jobs",
            f"{ours / 2 / size:.2f} s a cohort",
            f"the same cells in plain Python: {peer / 2 / size:.2f} s",
            ours / peer,
            "<= 1.5",
        )
    ]


@contextlib.contextmanager
def cluster(workers: int):
    """A Dask scheduler and single-threaded worker processes on the loopback."""
    from distributed import Client

    scheduler = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--no-dashboard"]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", "--no-dashboard"]
    quiet = {"env": plain_env(), "stderr": subprocess.PIPE, "text": True}
    line = [*scheduler, "--host", "127.0.0.1", "--port", "0"]
    with contextlib.ExitStack() as held:
        process = held.enter_context(subprocess.Popen(line, **quiet))
        held.callback(process.kill)
        address = ""
        while "tcp://" not in address:
            address = process.stderr.readline()
        address = address.split()[-1]
        threading.Thread(target=process.stderr.read, daemon=True).start()
        for _ in range(workers):
            quiet["stderr"] = subprocess.DEVNULL
            line = [*worker, address, "--nthreads", "1", "--no-nanny"]
            held.callback(held.enter_context(subprocess.Popen(line, **quiet)).kill)
        with Client(address) as client:
            client.wait_for_workers(workers, timeout=60)
        yield address


def dask(size: int) -> list[Ratio]:
    """Throughput of two Dask workers against one, warmed up; one before and after two."""
    seconds = {1: 0.0, 2: 0.0}
    for workers in (1, 2, 2, 1):
        with cluster(workers) as address, tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            path = grid(folder, f"scenario: [published], seed: {{from: 1, to: {2 * workers}}}")
            run_batch(path, folder / "warm", dask=address, notebooks=["01"])
            path = grid(folder, f"scenario: [published], seed: {{from: 1, to: {size}}}")
            seconds[workers] += run_batch(path, folder / "out", dask=address).seconds
    one, two = (60 * 2 * size / seconds[workers] for workers in (1, 2))
    return [
        Ratio(
            f"two Dask workers, {size} cohorts twice, the nine numbered notebooks",
            f"{two:.1f} cohorts a minute",
            f"one worker {one:.1f}",
            two / one,
            ">= 1.7",
        )
    ]


PARTS = {"throughput": (throughput, 20, 4), "overhead": (overhead, 10, 4), "dask": (dask, 8, 4)}

if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    print(table(run_parts(PARTS, sys.argv[1:])))
