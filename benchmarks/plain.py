"""The peer without Jupyter: the same cells in one Python process, results turned into the same
HTML, text and PNG. `python -m benchmarks.plain OUT NOTEBOOK... ` prints seconds per notebook."""

import ast
import contextlib
import io
import json
import sys
import time
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
from IPython.core.pylabtools import print_figure


def cells(notebook: Path) -> list[str]:
    """The code cells of a notebook."""
    found = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return ["".join(c["source"]) for c in found if c["cell_type"] == "code"]


def run_cells(sources: list[str], parameters: dict[str, object]) -> None:
    """Run code cells in order; parameters go in after the first cell that sets one of them."""
    space: dict[str, object] = {"__name__": "__main__"}
    waiting = dict(parameters)
    for source in sources:
        tree = ast.parse(source)
        last = None
        if tree.body and isinstance(tree.body[-1], ast.Expr) and not source.rstrip().endswith(";"):
            last = ast.Expression(tree.body.pop().value)
        exec(compile(tree, "cell", "exec"), space)
        if last is not None:
            show(eval(compile(last, "cell", "eval"), space))
        for number in plt.get_fignums():
            print_figure(plt.figure(number), bbox_inches="tight")
        plt.close("all")
        if waiting.keys() & space.keys():
            space.update({k: v for k, v in waiting.items() if k in space})
            waiting = {}


def show(value: object) -> None:
    """Format a cell's value as a notebook would."""
    repr(value)
    for name in ("_repr_mimebundle_", "_repr_html_"):
        if hasattr(value, name):
            getattr(value, name)()
            return


def run_set(notebooks: list[Path], parameters: dict[str, object]) -> list[float]:
    """Run notebooks one after another and return the seconds of each."""
    seconds = []
    for notebook in notebooks:
        started = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            run_cells(cells(notebook), parameters)
        seconds.append(time.perf_counter() - started)
    return seconds


if __name__ == "__main__":
    out, *names = sys.argv[1:]
    print(json.dumps(run_set([Path(n) for n in names], {"out": out})))
