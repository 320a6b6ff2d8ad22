"""A class in a folder: release the units, collect what comes back, grade it, write the marks.

Grading runs what students wrote, with your rights: do it in an account or machine made for it.
"""

from __future__ import annotations

import argparse
import csv
import logging
import os
import re
import shutil
import sys
import warnings
from functools import cached_property
from pathlib import Path

import nbformat
from nbconvert.preprocessors import Preprocessor
from traitlets.config.loader import PyFileConfigLoader

from alliance_helpers.errors import OutputError, ParameterError
from alliance_helpers.paths import write_whole
from alliance_helpers.running.kernels import PROVISIONER, PROVISIONER_VARIABLE
from alliance_helpers.running.station import close_station, open_station

from . import command
from .editions import CODE_STUB, SOURCE, TEXT_STUB, drawn, folded, instructor, units

SETTINGS = "nbgrader_config.py"
CONFIG = """# Read by nbgrader (formgrader, too): jupyter lab, started in this folder.
c = get_config()
c.CourseDirectory.course_id = "{name}"
c.CourseDirectory.root = {root!r}
c.ClearSolutions.code_stub = {{"python": "{code}"}}
c.ClearSolutions.text_stub = "{text}"
c.ExecutePreprocessor.timeout = 300
"""
SENT = re.compile(r"(?P<student>[\w.-]+?)_+(?P<unit>unit_\d+\w*)\.ipynb", re.ASCII)
MARKS = ("student", "unit", "score", "max_score", "state")


class Drawn(Preprocessor):
    """Formulas of a student's feedback as pictures: no script has to draw them."""

    def preprocess_cell(self, cell: nbformat.NotebookNode, resources: dict, _index: int) -> tuple:
        if cell.cell_type == "markdown":
            cell.source = drawn(cell.source)
        return cell, resources


class Course:
    """A course's folder in nbgrader's layout: source, release, submitted, autograded, feedback."""

    def __init__(self, root: Path, numbers: list[int] | None = None) -> None:
        self.root = root.absolute()
        self.units = units(numbers)

    @cached_property
    def api(self):
        """nbgrader, configured as the course's own file says."""
        from nbgrader.apps import NbGraderAPI
        from nbgrader.coursedir import CourseDirectory
        from sqlalchemy.exc import SAWarning

        warnings.simplefilter("ignore", SAWarning)  # of nbgrader's own queries
        # nbgrader calls programs that stand beside this one.
        os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        if not (self.root / SETTINGS).is_file():
            raise ParameterError(f"{self.root} is no course yet: make course NAME={self.root}")
        config = PyFileConfigLoader(SETTINGS, str(self.root)).load_config()
        config.CourseDirectory.root = str(self.root)  # if the course was moved
        config.HTMLExporter.preprocessors = [Drawn]
        api = NbGraderAPI(CourseDirectory(config=config), config=config)
        api.log.setLevel(logging.ERROR)
        return api

    def open(self) -> Path:
        """Write the configuration, the sources, the students' edition and their syllabus."""
        if (self.root / "gradebook.db").exists():
            raise OutputError(f"{self.root} is a course already; take another NAME.")
        about = {"name": self.root.name, "root": str(self.root)}
        config = CONFIG.format(**about, code=CODE_STUB, text=TEXT_STUB)
        self.root.mkdir(parents=True, exist_ok=True)
        write_whole(self.root / SETTINGS, config)
        shutil.copy(SOURCE / "SYLLABUS.md", self.root / "SYLLABUS.md")
        for path in self.units:
            folder = self.root / "source" / path.stem
            folder.mkdir(parents=True, exist_ok=True)
            made = folded(instructor(nbformat.read(path, as_version=4)))
            write_whole(folder / path.name, nbformat.writes(made) + "\n")
            told(self.api.generate_assignment(path.stem))
        return self.root / "release"

    def collect(self, inbox: Path) -> list[str]:
        """Sort `student_unit_*.ipynb` from a learning platform's download; names what it cannot.

        A later file of the same student and unit takes the earlier one's place.
        """
        if not inbox.is_dir():
            raise ParameterError(f"{inbox} is no folder; give INBOX=, where the submissions lie.")
        known, odd = {p.stem for p in self.units}, []
        for file in sorted(inbox.rglob("*.ipynb"), key=lambda p: p.stat().st_mtime):
            name = SENT.fullmatch(file.name)
            try:
                nbformat.read(file, as_version=4)
            except Exception as error:  # whatever was uploaded
                odd.append(f"{file.name}: no notebook ({type(error).__name__})")
                continue
            if not name or name["unit"] not in known:
                odd.append(f"{file.name}: name it STUDENT_unit_N_….ipynb, as released")
                continue
            folder = self.root / "submitted" / name["student"] / name["unit"]
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, folder / f"{name['unit']}.ipynb")
        return odd

    def grade(self) -> Path:
        """Autograde, write each student's feedback, and `marks.csv`."""
        os.environ.setdefault(PROVISIONER_VARIABLE, PROVISIONER)
        open_station()
        try:
            for folder in sorted((self.root / "submitted").glob("*/unit_*")):
                student, unit = folder.parts[-2:]
                told(self.api.autograde(unit, student, force=True))
                told(self.api.generate_feedback(unit, student, force=True))
        finally:
            close_station()
        return self.marks()

    def marks(self) -> Path:
        """A row per student and unit; `state` says what is still to be marked by hand."""
        from nbgrader.api import SubmittedAssignment

        with self.api.gradebook as book:
            rows = [
                (s.student.id, s.assignment.name, s.score, s.max_score,
                 "essay to mark" if s.needs_manual_grade else "done")
                for s in book.db.query(SubmittedAssignment)
            ]  # fmt: skip
        path = self.root / "marks.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([MARKS, *sorted(rows)])
        return path


def told(result: dict) -> None:
    """Raise what nbgrader only logs."""
    if not result["success"]:
        raise OutputError(f"nbgrader: {result.get('error') or result.get('log')}")


@command
def main() -> None:
    parser = argparse.ArgumentParser("python -m tools.seminar.course", description=__doc__)
    parser.add_argument("root", type=Path, help="the course's folder")
    parser.add_argument("inbox", type=Path, nargs="?", help="submissions to collect and grade")
    parser.add_argument("--units", type=int, nargs="+", metavar="N")
    given = parser.parse_args()
    course = Course(given.root, given.units)
    if given.inbox is None:
        print(f"To hand out: {course.open()}")
        return
    print(*course.collect(given.inbox), sep="\n", file=sys.stderr)
    print(f"Marks: {course.grade()}; feedback: {course.root / 'feedback'}")


if __name__ == "__main__":
    sys.exit(main())
