"""Calibrates the scenarios of data/scenarios.yml.

python -m tools.calibrate             writes data/calibration.json, from which cohorts are drawn
python -m tools.calibrate --table     prints the table of data/README.md
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from typing import Any

from alliance_helpers.cohorts.draws import draw
from alliance_helpers.cohorts.population import made_of, read_scenarios
from alliance_helpers.cohorts.simulate import raw_tables
from alliance_helpers.errors import AllianceError, ScenarioError
from alliance_helpers.paths import CALIBRATION, write_whole
from alliance_helpers.study.read_codebook import read_codebook

from .realised import printed
from .targets import calibrate


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tools.calibrate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--table", nargs="?", const="published", metavar="SCENARIO")
    parser.add_argument("--cohorts", type=int, default=500, help="that the table is made of")
    given = parser.parse_args()
    try:
        if given.table:
            print(printed(given.table, given.cohorts))
        else:
            raw = read_scenarios()
            made = {name: tried(raw, name) for name in raw["scenarios"]}
            write_whole(CALIBRATION, laid_out(made) + "\n")
            print(f"{CALIBRATION}: {', '.join(made)}")
    except AllianceError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def tried(raw: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A scenario's calibration, from which a small study can be drawn."""
    try:
        made = calibrate(raw, name)
        raw_tables(draw(made_of(made, read_codebook()), 50, 1995))
    except ScenarioError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise ScenarioError(
            f"Scenario {name!r} cannot be drawn from ({error!r}); see that it has every number of "
            "the shipped data/scenarios.yml, in the same form."
        ) from error
    return made


def laid_out(node: Any, depth: int = 0) -> str:
    """JSON in which a mapping or list without others inside stands on one line."""
    inner = list(node.values()) if isinstance(node, dict) else node
    if not isinstance(inner, list) or not any(isinstance(x, dict | list | tuple) for x in inner):
        return json.dumps(node, default=str)
    lines = [laid_out(child, depth + 1) for child in inner]
    start, end = "[]"
    if isinstance(node, dict):
        start, end = "{}"
        lines = [f"{json.dumps(key)}: {line}" for key, line in zip(node, lines, strict=True)]
    pad = "\n" + " " * depth
    return f"{start}{pad} " + f",{pad} ".join(lines) + f"{pad}{end}"


if __name__ == "__main__":
    sys.exit(main())
