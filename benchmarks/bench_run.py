"""`alliance run` on the shipped cohort against the `papermill` command, notebook after notebook;
and on 200 clients of 20 sessions against one session of as many.

python -m benchmarks.bench_run [REPEATS of ours | sessions]
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

import pandas as pd

from alliance_helpers.running.runner import main_notebooks
from benchmarks.bench_data import write_sessions
from benchmarks.ratio import ONE_THREAD, Ratio, table

BIN = Path(sys.executable).parent


def timed(*command: str | Path, **more: str) -> float:
    """Wall seconds of a command that must succeed, with more in its environment."""
    started = time.perf_counter()
    line = [str(part) for part in command]
    done = subprocess.run(line, capture_output=True, text=True, env=plain_env() | more)
    if done.returncode:
        raise SystemExit(f"{' '.join(line)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return time.perf_counter() - started


def plain_env() -> dict[str, str]:
    """The environment without what makes kernels warm, and with compiled bytecode."""
    out = ("JUPYTER_DEFAULT_PROVISIONER_NAME", "ALLIANCE_STATION", "PYTHONDONTWRITEBYTECODE")
    return {k: v for k, v in os.environ.items() if k not in out}


CLAIM = """
claims:
  - {finding: "1", claim: less, kind: association, informant: client, term: symptoms,
     sign: negative, text: The better the alliance the fewer symptoms}
"""
OVER_TIME = """
  - {finding: "1", claim: first, kind: precedes, informant: client, from: alliance, to: symptoms,
     sign: negative, lag: 1, text: A better alliance comes before fewer symptoms}
"""


def sessions(repeats: int = 3) -> Ratio:
    """Seconds of the processor, so that other work on the machine counts little; medians."""
    took: dict[str, list[float]] = {"every": [], "last": []}
    with tempfile.TemporaryDirectory() as folder:
        every, last = (Path(folder) / name for name in took)
        every.mkdir()
        write_sessions(every, 200)
        (every / "findings.yml").write_text(CLAIM + OVER_TIME)
        last.mkdir()
        rows = pd.read_parquet(every / "sessions.parquet").drop_duplicates("client", keep="last")
        rows.to_parquet(last / "sessions.parquet", index=False)
        book = (every / "codebook.yml").read_text()
        once = book.replace("row: session, time: session, event: last", "row: client")
        (last / "codebook.yml").write_text(once)
        (last / "findings.yml").write_text(CLAIM)
        for k in range(repeats):
            for name, seconds in took.items():
                before = getrusage(RUSAGE_CHILDREN)
                command = (BIN / "alliance", "run", "--data", Path(folder) / name)
                timed(*command, "--out", Path(folder) / f"{name}{k}", **ONE_THREAD)
                after = getrusage(RUSAGE_CHILDREN)
                seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    ours, peer = (sorted(seconds)[repeats // 2] for seconds in took.values())
    return Ratio(
        "`alliance run` on 200 clients x 20 sessions, against one session of each",
        f"{ours:.1f} s",
        f"{peer:.1f} s",
        ours / peer,
        "<= 1.6",
    )


def main(repeats: int = 3) -> list[Ratio]:
    """Ours before and after the peer, so that other work on the machine falls on both."""
    notebooks = main_notebooks()
    ours = []
    with tempfile.TemporaryDirectory() as folder:

        def run_ours() -> None:
            ours.append(timed(BIN / "alliance", "run", "--out", Path(folder) / f"ours{len(ours)}"))

        run_ours()
        peer_out = Path(folder) / "peer"
        (peer_out / "results").mkdir(parents=True)
        peer = 0.0
        for notebook in notebooks:
            command = (BIN / "papermill", notebook, peer_out / notebook.name)
            peer += timed(*command, "-p", "out", peer_out / "results", "--no-progress-bar")
        for _ in range(repeats - 1):
            run_ours()
    middle = sorted(ours)[len(ours) // 2]
    return [
        Ratio(
            f"`alliance run`, {len(notebooks)} notebooks and the report",
            f"{middle:.1f} s",
            f"`papermill` one after another {peer:.1f} s",
            middle / peer,
            "<= 0.18",
        ),
        sessions(),
    ]


if __name__ == "__main__":
    only = sys.argv[1:] == ["sessions"]
    print(table([sessions()] if only else main(*map(int, sys.argv[1:]))))
