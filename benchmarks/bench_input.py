"""How long a bad input takes to be refused, beyond the start-up of the command.

.venv/bin/python -m benchmarks.bench_input

Every case of tests/bad_input through `alliance check`; seconds are of the processor.
"""

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.ratio import Ratio, table

ROOT = Path(__file__).parents[1]
ALLIANCE = Path(sys.executable).with_name("alliance")


def start_up() -> float:
    """Seconds of the processor that `alliance check --help` takes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([ALLIANCE, "check", "--help"], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def refusals() -> dict[str, float]:
    """Seconds of the processor to refuse each case, start-up left out."""
    sys.path.insert(0, str(ROOT / "tests"))
    from bad_input import CASES, write
    from bad_input.command import alliance

    found = {}
    for name in CASES:
        with tempfile.TemporaryDirectory() as folder:
            source = write(Path(folder) / "in", name)
            found[name] = alliance(Path(folder), "check", "--data", source).seconds
    return found


def main() -> list[Ratio]:
    """The slowest refusal against the start-up of the same command."""
    start_up()  # once, so that files are in the cache
    starts, seconds = start_up(), refusals()
    slowest = max(seconds, key=seconds.get)
    return [
        Ratio(
            f"slowest of {len(seconds)} refusals ({slowest}) beyond start-up (at most 2 s)",
            f"{seconds[slowest]:.2f} s", f"{starts:.2f} s start-up",
            seconds[slowest] / starts, "",
        )
    ]  # fmt: skip


if __name__ == "__main__":
    sys.stdout.write(table(main()) + "\n")
