"""Batches: throughput against a pool of cold papermill, overhead, memory, Dask, random kills.

.venv/bin/python -m benchmarks.bench_batch [throughput] [overhead] [memory] [dask] [kills]
"""

import contextlib
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pandas as pd
import psutil

from alliance_helpers.batch import run_batch
from alliance_helpers.running import fingerprint, station
from alliance_helpers.running.batch_plan import choose_notebooks
from benchmarks.bench_run import plain_env
from benchmarks.ratio import Ratio, table

JOBS = 2
COHORTS = 20
PEER_COHORTS = 4  # the peers are slower; throughput is compared
SMALL = """\
{"cells": [{"cell_type": "code", "execution_count": null, "id": "a", "metadata":
{"tags": ["parameters"]}, "outputs": [], "source": "seed: int = 1\\nout: str = \\"\\""},
{"cell_type": "code", "execution_count": null, "id": "b", "metadata": {}, "outputs": [],
"source": "SOURCE"}], "metadata": {"kernelspec": {"display_name": "Python 3", "language":
"python", "name": "python3"}}, "nbformat": 4, "nbformat_minor": 5}"""
SOURCE = (
    "import time\\nimport numpy as np\\nimport pandas as pd\\ntime.sleep(PAUSE)\\n"
    "x = float(np.random.default_rng(seed).normal())\\n"
    "pd.DataFrame([{'finding': '1', 'claim': 'c', 'analysis': 'a', 'informant': 'client', "
    "'term': 't', 'estimate': x, 'verdict': 'supported'}])"
    ".to_csv(out + '/findings.csv', index=False)"
)


def small_batch(folder: Path, runs: int, pause: float = 0.0) -> Path:
    """A grid over one small notebook in a folder."""
    source = SMALL.replace("SOURCE", SOURCE.replace("PAUSE", str(pause)))
    (folder / "01_small.ipynb").write_text(source)
    return grid(folder, f"seed: {{from: 1, to: {runs}}}")


def grid(folder: Path, parameters: str) -> Path:
    """A grid file."""
    path = folder / "grid.yml"
    path.write_text(f"parameters: {{{parameters}}}\n")
    return path


def cohorts(folder: Path, first: int, last: int) -> float:
    """Seconds that a batch of simulated cohorts takes, all notebooks."""
    path = grid(folder, f"scenario: [published], seed: {{from: {first}, to: {last}}}")
    started = time.perf_counter()
    summary = run_batch(path, folder / f"batch{first}", jobs=JOBS, keep="all")
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


def cold_pool(folder: Path, first: int, last: int) -> float:
    """Seconds for the same with a process pool and ordinary kernels."""
    notebooks = [str(n) for n in choose_notebooks([])]
    tasks = [(n, str(folder / "cold"), s) for s in range(first, last + 1) for n in notebooks]
    started = time.perf_counter()
    with ProcessPoolExecutor(JOBS, mp_context=get_context("spawn")) as pool:
        list(pool.map(cold, tasks))
    return time.perf_counter() - started


def throughput() -> list[Ratio]:
    """Cohorts per minute, ours before and after the peer."""
    half = COHORTS // 2
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours = cohorts(folder, 1, half)
        peer = cold_pool(folder, 1, PEER_COHORTS)
        ours += cohorts(folder, half + 1, COHORTS)
        table_of = pd.read_csv(folder / "batch1" / "findings.csv", dtype=str)
        for seed in range(1, PEER_COHORTS + 1):
            theirs = pd.read_csv(folder / "cold" / str(seed) / "findings.csv", dtype=str)
            mine = table_of[table_of["run"] == str(seed)][theirs.columns].reset_index(drop=True)
            pd.testing.assert_frame_equal(mine, theirs)
    mine, theirs = 60 * COHORTS / ours, 60 * PEER_COHORTS / peer
    return [
        Ratio(
            f"throughput, {COHORTS} cohorts, all notebooks, {JOBS} jobs, same findings",
            f"{mine:.1f} cohorts a minute",
            f"a pool of {JOBS} running papermill with ordinary kernels: {theirs:.1f}",
            mine / theirs,
            ">= 5",
        )
    ]


def plain(task: tuple[str, int]) -> None:
    """All notebooks' cells for one cohort in a Python process of the pool."""
    from benchmarks.plain import run_set

    folder, seed = task
    out = Path(folder) / "plain" / str(seed)
    out.mkdir(parents=True, exist_ok=True)
    run_set(choose_notebooks([]), {"scenario": "published", "seed": seed, "out": str(out)})


def overhead() -> list[Ratio]:
    """A batch against the same cells without Jupyter."""
    half = COHORTS // 2
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours = cohorts(folder, 1, half)
        started = time.perf_counter()
        tasks = [(name, seed) for seed in range(1, COHORTS + 1)]
        with ProcessPoolExecutor(JOBS, mp_context=get_context("spawn")) as pool:
            list(pool.map(plain, tasks))
        peer = time.perf_counter() - started
        ours += cohorts(folder, half + 1, COHORTS)
    return [
        Ratio(
            f"overhead, {COHORTS} cohorts, all notebooks, {JOBS} jobs",
            f"{ours / COHORTS:.2f} s a cohort",
            f"the same cells in plain Python: {peer / COHORTS:.2f} s",
            ours / peer,
            "<= 1.5",
        )
    ]


def memory(runs: int = 1000) -> list[Ratio]:
    """The parent's memory over many runs of one notebook."""
    me, seen = psutil.Process(), {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def watch() -> None:
            for mark in (100, runs):
                while len(list(folder.glob("out/runs/*.json"))) < mark:
                    time.sleep(0.1)
                seen[mark] = me.memory_info().rss / 2**20

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        summary = run_batch(small_batch(folder, runs), folder / "out", JOBS, folder=folder)
        watcher.join()
        rows = len(pd.read_csv(folder / "out" / "findings.csv"))
    return [
        Ratio(
            f"memory of the parent, {runs:,} runs of one notebook, {summary.done:,} done, "
            f"{rows:,} rows, {runs / summary.seconds:.1f} runs a second",
            f"{seen[runs]:.0f} MB after run {runs:,}",
            f"{seen[100]:.0f} MB after run 100",
            seen[runs] / seen[100],
            "<= 1.1",
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


def dask(runs: int = 8) -> list[Ratio]:
    """Throughput of two Dask workers against one, warmed up."""
    speeds = {}
    for workers in (1, 2):
        with cluster(workers) as address, tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            path = grid(folder, f"scenario: [published], seed: {{from: 1, to: {2 * workers}}}")
            run_batch(path, folder / "warm", dask=address, notebooks=["01"])
            path = grid(folder, f"scenario: [published], seed: {{from: 1, to: {runs}}}")
            summary = run_batch(path, folder / "out", dask=address)
            speeds[workers] = 60 * summary.done / summary.seconds
    return [
        Ratio(
            f"two Dask workers, {runs} cohorts, all notebooks",
            f"{speeds[2]:.1f} cohorts a minute",
            f"one worker {speeds[1]:.1f}",
            speeds[2] / speeds[1],
            ">= 1.7",
        )
    ]


def victims() -> dict[str, list[psutil.Process]]:
    """The processes of this process's running batch that a fault may hit."""
    found: dict[str, list[psutil.Process]] = {"worker": [], "kernel": []}
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            line = " ".join(process.cmdline())
            if "popen_loky" in line:
                found["worker"].append(process)
            elif "forkserver" in line and "forkserver" in " ".join(process.parent().cmdline()):
                found["kernel"].append(process)
    return found


def kills(runs: int = 200) -> list[Ratio]:
    """A kernel or a worker killed at random every few seconds; then the rest."""
    luck, hit = random.Random(1995), []
    fingerprint.helper_files = list  # a helper edited meanwhile would forbid the resume
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = small_batch(folder, runs, pause=0.3)
        quiet = run_batch(path, folder / "quiet", JOBS, folder=folder)
        stop = threading.Event()

        def kill_now_and_then() -> None:
            while not stop.wait(luck.uniform(2.0, 6.0)):
                found = victims()
                kind = luck.choice(list(found))
                if found["kernel"] and found[kind]:  # workers that only start are let be
                    hit.append(kind)
                    with contextlib.suppress(psutil.Error):
                        luck.choice(found[kind]).kill()

        killer = threading.Thread(target=kill_now_and_then)
        killer.start()
        try:
            first = run_batch(path, folder / "out", JOBS, folder=folder)
        finally:
            stop.set()
            killer.join()
        counted = first.done + first.failed
        again = run_batch(path, folder / "out", JOBS, folder=folder, resume=True)
        files = ("findings.csv", "findings.parquet")
        same = all(
            (folder / "out" / f).read_bytes() == (folder / "quiet" / f).read_bytes() for f in files
        )
        station.close_station()
    if not same or again.exit_code or quiet.exit_code:
        raise SystemExit("after --resume the findings differ from those of the undisturbed batch")
    return [
        Ratio(
            f"{runs} runs, {hit.count('kernel')} kernels and {hit.count('worker')} workers killed",
            f"{counted} accounted for ({first.failed} failed), after --resume the same bytes",
            "an undisturbed batch",
            counted / runs,
            ">= 1",
        )
    ]


PARTS = {f.__name__: f for f in (throughput, overhead, memory, dask, kills)}


def main(parts: list[str] | None = None) -> list[Ratio]:
    """The parts that are asked for, all by default."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    rows = []
    for part in parts or PARTS:
        rows += PARTS[part]()
        print(rows[-1].row(), file=sys.stderr, flush=True)
    return rows


if __name__ == "__main__":
    print(table(main(sys.argv[1:])))
