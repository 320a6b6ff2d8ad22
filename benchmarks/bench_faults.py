"""Long batches: the parent's memory, and kernels and workers killed at random.

python -m benchmarks.bench_faults [short] [memory[=RUNS]] [kills[=RUNS]]
"""

import contextlib
import os
import random
import sys
import tempfile
import threading
import time
from pathlib import Path

import pandas as pd
import psutil

from alliance_helpers.running import batch, station
from alliance_helpers.running.batch import run_batch
from benchmarks.bench_batch import JOBS, grid
from benchmarks.ratio import Ratio, run_parts, table

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


def memory(size: int) -> list[Ratio]:
    """The parent's memory over many runs of one notebook."""
    me, seen, early = psutil.Process(), {}, size // 10
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def watch() -> None:
            for mark in (early, size):
                while len(list(folder.glob("out/runs/*.json"))) < mark:
                    time.sleep(0.1)
                seen[mark] = me.memory_info().rss / 2**20

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        summary = run_batch(small_batch(folder, size), folder / "out", JOBS, folder=folder)
        watcher.join()
        rows = len(pd.read_csv(folder / "out" / "findings.csv"))
    return [
        Ratio(
            f"memory of the parent, {size:,} runs of one notebook, {summary.done:,} done, "
            f"{rows:,} rows, {size / summary.seconds:.1f} runs a second",
            f"{seen[size]:.0f} MB after run {size:,}",
            f"{seen[early]:.0f} MB after run {early:,}",
            seen[size] / seen[early],
            "<= 1.1",
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


def kills(size: int) -> list[Ratio]:
    """A kernel or a worker killed at random every few seconds; then the rest."""
    luck, hit = random.Random(1995), []
    batch.helper_files = dict  # a helper edited meanwhile would forbid the resume
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = small_batch(folder, size, pause=0.3)
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
        damaged = sorted((folder / "out" / "runs").glob("*.json"))[::20]
        for record in damaged:  # as a machine that went down may leave them
            record.write_bytes(record.read_bytes()[: luck.randrange(200)])
        again = run_batch(path, folder / "out", JOBS, folder=folder, resume=True)
        files = ("findings.csv", "findings.parquet")
        same = all(
            (folder / "out" / f).read_bytes() == (folder / "quiet" / f).read_bytes() for f in files
        )
        station.close_station()
    if not same or again.exit_code or quiet.exit_code or len(again.damaged) != len(damaged):
        raise SystemExit("after --resume the findings differ from those of the undisturbed batch")
    return [
        Ratio(
            f"{size} runs, {hit.count('kernel')} kernels and {hit.count('worker')} workers killed, "
            f"{len(damaged)} records damaged",
            f"{counted} accounted for ({first.failed} failed), after --resume the same bytes",
            "an undisturbed batch",
            counted / size,
            ">= 1",
        )
    ]


PARTS = {"memory": (memory, 1000, 100), "kills": (kills, 200, 40)}

if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    print(table(run_parts(PARTS, sys.argv[1:])))
