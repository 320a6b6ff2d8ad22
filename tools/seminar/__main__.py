"""Builds the seminar's editions into a folder, and checks that their tests do what they should."""

import argparse
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from alliance_helpers.running.kernels import PROVISIONER, PROVISIONER_VARIABLE
from alliance_helpers.running.station import close_station, open_station

from . import command
from .editions import EDITIONS, build, run, shortcomings

os.environ.setdefault(PROVISIONER_VARIABLE, PROVISIONER)


@command
def main() -> int:
    parser = argparse.ArgumentParser("python -m tools.seminar", description=__doc__)
    parser.add_argument("editions", nargs="+", choices=sorted(EDITIONS))
    parser.add_argument("--out", type=Path, default=Path("results/seminar"))
    parser.add_argument("--no-check", action="store_true", help="do not run what was built")
    given = parser.parse_args()
    made = {e: build(e, given.out / e) for e in given.editions}
    wrong = [] if given.no_check else check(made)
    for edition, paths in made.items():
        print(f"{edition}: {len(paths)} notebooks in {given.out / edition}")
    print(*wrong, sep="\n", file=sys.stderr)
    return 1 if wrong else 0


def check(made: dict[str, list[Path]]) -> list[str]:
    """Run every notebook, two at a time, and collect what is wrong."""
    wrong = []
    jobs = [(edition, path) for edition, paths in made.items() for path in paths]
    open_station()
    with ProcessPoolExecutor(2) as pool:
        for (edition, _), outcome in zip(
            jobs, pool.map(run, [path for _, path in jobs]), strict=True
        ):
            wrong += shortcomings(outcome, edition)
            print(f"{edition:<10} {outcome.name}: {len(outcome.tests)} tests, "
                  f"{len(outcome.failed)} fail")  # fmt: skip
    close_station()
    return wrong


if __name__ == "__main__":
    sys.exit(main())
