"""Long batches: the parent's memory, and whatever runs killed at random.

python -m benchmarks.bench_faults [short] [memory[=RUNS]] [kills[=RUNS]]
"""

import contextlib
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import psutil

from alliance_helpers.running import batch, station
from alliance_helpers.running.batch import run_batch
from benchmarks.bench_batch import JOBS, grid
from benchmarks.ratio import Ratio, run_parts, table

EVERY, PARENTS = 2, 10  # seconds between two kills; times that the parent is killed
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


def one_more(path: Path, folder: Path) -> subprocess.Popen:
    """A process that begins a batch, or goes on with it."""
    code = (
        "import sys\nfrom pathlib import Path\nfrom alliance_helpers.running import batch\n"
        "batch.helper_files = dict\n"  # a helper edited meanwhile would forbid the resume
        "path, folder = map(Path, sys.argv[1:3])\n"
        "sys.exit(batch.run_batch(path, folder / 'out', int(sys.argv[3]), resume=True, "
        "folder=folder).exit_code)"
    )
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([sys.executable, "-c", code, path, folder, str(JOBS)], **quiet)


def disturbed(parent: subprocess.Popen, until: Callable[[], bool], luck: random.Random) -> int:
    """Kill any descendant every two seconds, and in the end the parent; how many were killed."""
    hit = 0
    while parent.poll() is None:
        time.sleep(EVERY)
        with contextlib.suppress(psutil.Error):
            if until():
                parent.kill()
                parent.wait()
            elif below := psutil.Process(parent.pid).children(recursive=True):
                luck.choice(below).kill()
                hit += 1
    return hit


def kills(size: int) -> list[Ratio]:
    """Any process below killed every two seconds, the parent ten times, records damaged."""
    luck, hit, spoilt, parents = random.Random(1995), 0, set(), 0
    batch.helper_files = dict
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path, out = small_batch(folder, size), folder / "out"
        began = time.monotonic()
        quiet = run_batch(path, folder / "quiet", JOBS, folder=folder)
        station.close_station()
        alone, began = time.monotonic() - began, time.monotonic()

        def done() -> set[Path]:
            return set(out.glob("runs/*.json"))

        while parents < PARENTS and len(done()) < size:
            goal = (parents + 1) * size // (PARENTS + 1)
            parent = one_more(path, folder)
            hit += disturbed(parent, lambda goal=goal: len(done()) >= goal, luck)
            parents += parent.returncode < 0
            fresh = sorted(done() - spoilt)
            for record in luck.sample(fresh, len(fresh) // 20):  # as a machine that went down may
                record.write_bytes(record.read_bytes()[: luck.randrange(200)])
                spoilt.add(record)
        hit += disturbed(one_more(path, folder), lambda: False, luck)
        counted = len(done())
        codes = [one_more(path, folder).wait() for _ in range(2)]
        files = ("findings.csv", "findings.parquet")
        same = all((out / f).read_bytes() == (folder / "quiet" / f).read_bytes() for f in files)
    if not same or codes[-1] or quiet.exit_code:
        raise SystemExit("after --resume the findings differ from those of the undisturbed batch")
    return [
        Ratio(
            f"{size} runs, {hit} descendants and {parents} times the parent killed, "
            f"{len(spoilt)} records damaged, {time.monotonic() - began:.0f} s",
            f"{counted} accounted for, after --resume the same bytes",
            f"an undisturbed batch, {alone:.0f} s",
            counted / size,
            ">= 1",
        )
    ]


PARTS = {"memory": (memory, 1000, 100), "kills": (kills, 1000, 40)}

if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    print(table(run_parts(PARTS, sys.argv[1:])))
