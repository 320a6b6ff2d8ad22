"""`alliance run` on the shipped cohort against the `papermill` command, notebook after notebook.

python -m benchmarks.bench_run [REPEATS of ours]
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from alliance_helpers.running.runner import main_notebooks
from benchmarks.ratio import Ratio, table

BIN = Path(sys.executable).parent


def timed(*command: str | Path) -> float:
    """Wall seconds of a command that must succeed."""
    started = time.perf_counter()
    line = [str(part) for part in command]
    done = subprocess.run(line, capture_output=True, text=True, env=plain_env())
    if done.returncode:
        raise SystemExit(f"{' '.join(line)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return time.perf_counter() - started


def plain_env() -> dict[str, str]:
    """The environment without what makes kernels warm, and with compiled bytecode."""
    out = ("JUPYTER_DEFAULT_PROVISIONER_NAME", "ALLIANCE_STATION", "PYTHONDONTWRITEBYTECODE")
    return {k: v for k, v in os.environ.items() if k not in out}


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
        )
    ]


if __name__ == "__main__":
    print(table(main(*map(int, sys.argv[1:]))))
