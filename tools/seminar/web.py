"""Serves the seminar's units as web pages; further arguments go to Voila (--port=, --ip=)."""

import argparse
import os
import sys
from pathlib import Path

from alliance_helpers.running.kernels import PROVISIONER, PROVISIONER_VARIABLE
from alliance_helpers.running.station import MEMORY_VARIABLE, close_station, open_station
from alliance_helpers.study.yaml_text import without_iri_grammar

from . import command

PAGES = Path("results/seminar/web").absolute()


def arguments() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser("python -m tools.seminar.web", description=__doc__)
    parser.add_argument("--units", type=int, nargs="+", metavar="N", help="serve these, not all")
    parser.add_argument(
        "--ready", type=int, default=2, metavar="N",
        help="visitors of each unit whose page is made before they come (60 MB each; default 2)",
    )  # fmt: skip
    parser.add_argument(
        "--allow-host", nargs="+", default=[], metavar="NAME",
        help="names under which visitors reach this machine, besides localhost and its addresses",
    )  # fmt: skip
    limits = {
        "most": (60, "N", "visitors at a time; another is told to come later"),
        "memory": (1500, "MB", "that one visitor's computations may take"),
    }
    for name, (usual, unit, told) in limits.items():
        told += f" (default {usual})"
        parser.add_argument(f"--{name}", type=int, default=usual, metavar=unit, help=told)
    return parser.parse_known_args()


@command
def main() -> None:
    given, further = arguments()
    os.environ[PROVISIONER_VARIABLE] = PROVISIONER
    os.environ[MEMORY_VARIABLE] = str(given.memory)
    # Loads the libraries and draws the figures once, for every visitor, while Voila starts.
    open_station(rehearsal="teaching.widgets")
    try:
        with without_iri_grammar():
            from jupyter_core.paths import jupyter_config_path

            from .editions import SOURCE, build
            from .server import Counts, Seminar, exercises
        look = SOURCE / "voila"
        for variable, folder in (("JUPYTER_PATH", look.parent), ("JUPYTER_CONFIG_PATH", look)):
            more = os.environ.get(variable)
            os.environ[variable] = f"{folder}{os.pathsep}{more}" if more else str(folder)
        units = build("web", PAGES, numbers=given.units)
        Counts.words |= exercises(units)
        Seminar.names = frozenset(["localhost", *map(str.lower, given.allow_host)])
        Seminar.most = given.most + given.ready * len(units)  # kernels that wait count too
        ready = f"--VoilaConfiguration.default_pool_size={given.ready}"
        # Not in the folder it is started from, where Voila would look first and run a voila.py.
        settings = [f"--Voila.config_file_paths={path}" for path in jupyter_config_path()]
        Seminar.launch_instance([str(PAGES), "--no-browser", ready, *settings, *further])
    finally:
        close_station()


if __name__ == "__main__":
    sys.exit(main())
