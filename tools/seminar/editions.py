"""Builds the seminar's editions into a folder, and checks that their tests do what they should."""

from __future__ import annotations

import argparse
import base64
import io
import os
import re
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from html import escape
from pathlib import Path

import nbformat
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.mathtext import MathTextParser
from nbformat import NotebookNode

from alliance_helpers.errors import ParameterError
from alliance_helpers.pages.style import INK
from alliance_helpers.paths import (
    NOTEBOOKS,
    held,
    is_known,
    listed,
    refuse_others,
    remove,
    write_whole,
)
from alliance_helpers.running.kernels import PROVISIONER, PROVISIONER_VARIABLE
from alliance_helpers.running.station import close_station, open_station
from alliance_helpers.teaching.demos import unbroken

from . import command

FORMULA = re.compile(r"\$\$(.+?)\$\$|\$(.+?)\$", re.DOTALL)
CODE = re.compile(r"(`[^`]*`)")
SIZE, ROOM = 12, 1  # points: of the letters; above and below them
FINE = 7200  # measured in whole dots of this many to the inch


def drawn(markdown: str) -> str:
    """Markdown with every formula between dollars as a picture; its alt text is the formula.

    Examples
    --------
    >>> drawn("The share $\\\\rho_x$.")[:26]
    'The share <img class="form'
    """
    parts = CODE.split(markdown)
    return "".join(
        part
        if CODE.fullmatch(part)
        else FORMULA.sub(lambda m: _picture(m[1] or m[2], large=bool(m[1])), part)
        for part in parts
    )


def _picture(tex: str, large: bool) -> str:
    shown = tex.strip().replace(r"\frac", r"\dfrac") if large else tex.strip()
    font = FontProperties(size=SIZE, math_fontfamily="dejavuserif")
    measured = MathTextParser("path").parse(f"${shown}$", dpi=FINE, prop=font)[:3]
    width, height, depth = (72 / FINE * length for length in measured)  # points
    whole = height + 2 * ROOM
    figure = Figure(figsize=(width / 72, whole / 72))
    figure.patch.set_alpha(0)
    figure.text(0, (depth + ROOM) / whole, f"${shown}$", fontproperties=font, color=INK)
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    place = "display:block;margin:1em auto;" if large else ""
    style = f"{place}height:{whole / SIZE:.3f}em;vertical-align:{-(depth + ROOM) / SIZE:.3f}em"
    source = base64.b64encode(file.getvalue()).decode("ascii")
    return (
        f'<img class="formula" alt="{escape(tex.strip())}" src="data:image/svg+xml;base64,{source}"'
        f' style="{style}">'
    )


SOURCE = NOTEBOOKS / "seminar"
CODE_STUB = "# YOUR CODE HERE"
TEXT_STUB = "*Write your answer here.*"
CHECK = re.compile(r"exercises\.check\(\s*\w+\s*,")
TEXT_BOX = (
    '<textarea class="essay" rows="7" aria-label="Your answer to the question to discuss">'
    "</textarea>"
)
STILL = re.compile(r"^\w+\.picture\(\)\n?", re.M)
NOTE = (
    "*On this page exercises have a box to answer in; as a notebook they are done in code. Answers "
    "are kept by this browser alone, also when you reload the page: download them to hand them in. "
    "Where a teacher's machine serves the page, it counts how often each answer was given, without "
    "names.*"
)


@dataclass(frozen=True)
class Outcome:
    """What happened when an edition's notebook was run to its end.

    Attributes
    ----------
    name : str
    failed : dict of str to str
        Ids of the cells that ended in an error, and what they said.
    tests : set of str
        Ids of the cells that hold an exercise's tests.
    """

    name: str
    failed: dict[str, str]
    tests: set[str]


def units(numbers: Iterable[int] | None = None) -> list[Path]:
    """The notebooks of the seminar in their order, or those with the given numbers."""
    found = {int(p.stem.split("_")[1]): p for p in sorted(SOURCE.glob("unit_*.ipynb"))}
    if unknown := set(numbers or ()) - set(found):
        known = ", ".join(map(str, found))
        raise ParameterError(f"There is no unit {min(unknown)}; there are {known}.")
    return [path for number, path in found.items() if not numbers or number in numbers]


def student(notebook: NotebookNode) -> NotebookNode:
    """Solutions taken out, tests kept and locked, by nbgrader's own preprocessors.

    Tests are folded, so that no answer is read by accident, and a test that fails does not keep
    "Run All Cells" from what follows.
    """
    from nbgrader.preprocessors import (
        CheckCellMetadata,
        ClearOutput,
        ClearSolutions,
        ComputeChecksums,
        LockCells,
    )

    clear = ClearSolutions(code_stub={"python": CODE_STUB}, text_stub=TEXT_STUB)
    made = _through(
        notebook, [LockCells(), clear, ClearOutput(), CheckCellMetadata(), ComputeChecksums()]
    )
    return folded(made)


def folded(made: NotebookNode) -> NotebookNode:
    """Tests are folded, and one that fails does not stop what follows."""
    for cell in filter(_is_test, made.cells):
        cell.metadata["tags"] = [*cell.metadata.get("tags", ()), "raises-exception"]
        cell.metadata["jupyter"] = {"source_hidden": True}
    return made


def instructor(notebook: NotebookNode) -> NotebookNode:
    """The source with solutions and tests, checked and cleared of outputs."""
    from nbgrader.preprocessors import CheckCellMetadata, ClearOutput, LockCells

    return _through(notebook, [LockCells(), ClearOutput(), CheckCellMetadata()])


def web(notebook: NotebookNode) -> NotebookNode:
    """Solutions and still figures taken out, tests as boxes to answer in, formulas drawn.

    Every figure is followed by the same with controls, which is enough on a page.
    """
    made = nbformat.from_dict(notebook)
    cells = []
    for cell in made.cells:
        grading = cell.metadata.pop("nbgrader", {})
        if grading.get("solution") and cell.cell_type == "code":
            continue
        if grading.get("solution"):
            cell.source = TEXT_BOX
        elif grading.get("grade"):
            number = grading["grade_id"].removeprefix("check-").replace("-", ".")
            cell.source, changed = CHECK.subn(f'exercises.ask("{number}",', cell.source)
            if changed != 1:
                raise ParameterError(f"Cell {cell.id!r} needs one call of exercises.check(name, ..")
        if cell.cell_type == "code":
            cell.outputs = []
            cell.source = STILL.sub("", cell.source)
        elif not grading.get("solution"):
            cell.source = unbroken(drawn(cell.source))
        cells.append(cell)
    made.cells = [cells[0], nbformat.v4.new_markdown_cell(NOTE, id="about-boxes"), *cells[1:]]
    return made


EDITIONS = {"student": student, "instructor": instructor, "web": web}


def build(edition: str, out: Path, numbers: Iterable[int] | None = None) -> list[Path]:
    """Write one edition of every unit.

    Units of an earlier call that are no longer asked for are removed. A unit that somebody has
    changed since is neither removed nor written over.

    Parameters
    ----------
    edition : {"student", "instructor", "web"}
        The first two need nbgrader.
    out : path
        Folder for the notebooks.
    numbers : iterable of int, optional
        Only these units.

    Returns
    -------
    list of Path

    Raises
    ------
    ParameterError
        There is no such unit.
    OutputError
        The folder cannot be written, another process writes to it, or it holds a unit of these
        names that is somebody's own.
    """
    texts = {}
    for path in units(numbers):
        notebook = EDITIONS[edition](nbformat.read(path, as_version=4))
        texts[path.name] = nbformat.writes(notebook) + "\n"
    with held(out, "seminar"):
        before = listed(out)
        there = [name for name in texts if os.path.lexists(out / name)]
        refuse_others(out, [name for name in there if not is_known(out / name, name, before)])
        for name, text in texts.items():
            write_whole(out / name, text)
        gone = [name for name in before if name not in texts and is_known(out / name, name, before)]
        remove(out, gone)
    return [out / name for name in texts]


def run(path: Path, timeout: int = 300) -> Outcome:
    """Run a notebook to its end, whatever fails on the way."""
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, timeout=timeout, kernel_name="python3", allow_errors=True,
        resources={"metadata": {"path": str(path.resolve().parent)}},
    ).execute()  # fmt: skip
    failed = {
        cell.id: f"{output.ename}: {output.evalue}"
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if output.output_type == "error"
    }
    return Outcome(path.stem, failed, {cell.id for cell in notebook.cells if _is_test(cell)})


def shortcomings(outcome: Outcome, edition: str) -> list[str]:
    """What is wrong with an edition's run: one sentence each, none if it is as it should be.

    The instructor's edition passes its own tests; in the student's exactly the tests fail, each
    with the message of an exercise that has no answer yet.
    """
    wanted = outcome.tests if edition == "student" else set()
    found = []
    for cell, said in outcome.failed.items():
        if cell not in wanted:
            found.append(f"{outcome.name}: {cell} fails. {said}")
        elif not said.startswith("NotYetError: No answer yet."):
            found.append(f"{outcome.name}: {cell} fails for another reason. {said}")
    passed = sorted(wanted - outcome.failed.keys())
    return found + [f"{outcome.name}: {cell} passes without an answer" for cell in passed]


def _through(notebook: NotebookNode, preprocessors: Iterable) -> NotebookNode:
    made, resources = nbformat.from_dict(notebook), {}
    for preprocessor in preprocessors:
        made, resources = preprocessor.preprocess(made, resources)
    return made


def _is_test(cell: NotebookNode) -> bool:
    return cell.cell_type == "code" and bool(cell.metadata.get("nbgrader", {}).get("grade"))


@command
def main() -> int:
    parser = argparse.ArgumentParser("python -m tools.seminar.editions", description=__doc__)
    parser.add_argument("editions", nargs="+", choices=sorted(EDITIONS))
    parser.add_argument("--out", type=Path, default=Path("results/seminar"))
    parser.add_argument("--no-check", action="store_true", help="do not run what was built")
    given = parser.parse_args()
    os.environ.setdefault(PROVISIONER_VARIABLE, PROVISIONER)
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
