"""What a fork server loads before it forks its first kernel."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import alliance_helpers

from ..study.check_codebook import without_iri_grammar

INLINE = "module://matplotlib_inline.backend_inline"
PRELOAD = (
    # what the notebooks and the helpers compute with
    "encodings.cp1252",
    "encodings.utf_8_sig",
    "numpy.random",
    "pandas",
    "pandas.io.formats.csvs",
    "pandas.io.formats.html",
    "pandas.io.formats.string",
    "pyarrow.parquet",
    "scipy.stats",
    "matplotlib.pyplot",
    "matplotlib.backends.backend_agg",
    "PIL.BmpImagePlugin",
    "PIL.GifImagePlugin",
    "PIL.JpegImagePlugin",
    "PIL.PpmImagePlugin",
    "seaborn",
    "jsonschema",
    "yaml",
    "ipywidgets",
    # what a kernel imports while it starts
    "alliance_helpers.running.kernels",
    "IPython.core.debugger",
    "IPython.core.completerlib",
    "IPython.core.logger",
    "IPython.core.oinspect",
    "IPython.core.pylabtools",
    "IPython.extensions.storemagic",
    "IPython.utils.wildcard",
    "ipykernel.debugger",
    "ipykernel.ipkernel",
    "ipykernel.kernelapp",
    "ipykernel.zmqshell",
    "tornado.platform.asyncio",
)
# These run notebooks rather than being called from one.
EDGE = ("running",)
# Read when the libraries load: no helper threads (they do not survive a fork), and the backend
# that a kernel started the ordinary way has when matplotlib is imported in it.
PRELOAD_ENV = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "MPLBACKEND": INLINE,
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}


def preload() -> None:
    """Import what the notebooks import; what cannot be imported is left to fail in the kernel."""
    helpers = [f"alliance_helpers.{name.removesuffix('.__init__')}" for name in helper_files()]
    with without_iri_grammar():
        for name in (*PRELOAD, *helpers):
            try:
                importlib.import_module(name)
            except Exception as error:  # a broken helper breaks its notebook, not every kernel
                print(f"alliance: {name} could not be preloaded: {error}", file=sys.stderr)
    if "ipywidgets" in sys.modules:  # outside a kernel its import leaves this out
        sys.modules["ipywidgets"].register_comm_target()


def helper_files() -> dict[str, Path]:
    """Name and file of each module that a notebook can import; those that run it left out."""
    package = Path(alliance_helpers.__file__).parent
    files = {p.relative_to(package).with_suffix(""): p for p in sorted(package.rglob("*.py"))}
    return {".".join(n.parts): p for n, p in files.items() if n.parts[0] not in (*EDGE, "__init__")}


def helper_stamps() -> dict[str, int]:
    """When each helper was last changed."""
    return {name: path.stat().st_mtime_ns for name, path in helper_files().items()}


def forget_helpers() -> None:
    """Let the notebook import the helpers anew: one was edited after the libraries were loaded."""
    for name in [n for n in sys.modules if n.split(".")[0] == alliance_helpers.__name__]:
        del sys.modules[name]


def rehearse(further: str = "") -> None:
    """Simulate, clean, assess and draw one cohort: every kernel starts with code that has run.

    What stays is what Python and the libraries keep for speed (specialised bytecode, compiled
    patterns, fonts); it takes a fifth off the processor time of a whole run.

    Parameters
    ----------
    further : str
        One of the helpers, whose own function `rehearse` is called too.
    """
    try:
        from matplotlib.figure import Figure

        from ..claims.assess import assess
        from ..claims.rules import read_rules
        from ..cohorts.open import open_cohort
        from ..pages import plots
        from ..pages.outputs import save_figure, save_table
        from ..pages.tables import scorecard

        study, rules = open_cohort(scenario="published"), read_rules("", "")
        rows = assess(study.dyads, study.codebook, rules, limits_90=True)
        save_table(rows, "rehearsal")._repr_html_()
        for draw, drawn in ((plots.scorecard, scorecard(rows, rules)), (plots.forest, rows[:9])):
            figure = Figure(layout="constrained")  # pyplot would settle on a backend for all
            save_figure(draw(drawn, ax=figure.subplots()), "rehearsal")
        if further in helper_files():
            importlib.import_module(f"alliance_helpers.{further}").rehearse()
    except Exception as error:  # as above: the notebooks will say it where it matters
        print(f"alliance: no rehearsal: {error}", file=sys.stderr)
