"""A class from release to marks, with nbgrader: run by `make course-test`, in its environment."""

import csv
import re

import nbformat
import pytest

from alliance_helpers.errors import OutputError, ParameterError

pytest.importorskip("nbgrader")

from tools.seminar.course import Course
from tools.seminar.editions import SOURCE

UNIT = "unit_6_holding_a_view_constant"
SOLUTIONS = {
    cell.id: cell.source
    for cell in nbformat.read(SOURCE / f"{UNIT}.ipynb", as_version=4).cells
    if cell.metadata.get("nbgrader", {}).get("solution")
}


def handed_in(released, path, answered):
    """The released notebook with the named cells answered as the model solution does."""
    notebook = nbformat.read(released, as_version=4)
    for cell in notebook.cells:
        if cell.id in answered:
            cell.source = re.sub(r"### (BEGIN|END) SOLUTION\n?", "", SOLUTIONS[cell.id])
    path.parent.mkdir(exist_ok=True)
    nbformat.write(notebook, path)


def test_three_students_from_release_to_marks(tmp_path, capfd):
    """All right, one of three right, nothing answered; what is no submission is named; no noise."""
    course = Course(tmp_path / "class", [6])
    with pytest.raises(ParameterError, match="class is no course yet: make course NAME="):
        course.grade()
    released = course.open() / UNIT / f"{UNIT}.ipynb"
    assert "BEGIN SOLUTION" not in released.read_text()
    inbox = tmp_path / "inbox"
    handed_in(released, inbox / f"ada_{UNIT}.ipynb", set(SOLUTIONS))
    handed_in(released, inbox / f"ben_{UNIT}.ipynb", {"answer-1-2"})
    handed_in(released, inbox / f"cleo_{UNIT}.ipynb", set())
    (inbox / f"dan_{UNIT}.ipynb").write_text("not a notebook")
    handed_in(released, inbox / "mine.ipynb", set())
    odd = course.collect(inbox)
    assert [text.split(":")[0] for text in odd] == [f"dan_{UNIT}.ipynb", "mine.ipynb"] or [
        text.split(":")[0] for text in odd
    ] == ["mine.ipynb", f"dan_{UNIT}.ipynb"]
    with course.grade().open() as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    points = {s: (float(r["score"]), float(r["max_score"]), r["state"]) for s, r in rows.items()}
    assert points == {
        "ada": (3, 5, "essay to mark"),  # two points are for the essay
        "ben": (1, 5, "done"),
        "cleo": (0, 5, "done"),
    }
    assert capfd.readouterr().err == ""
    feedback = (course.root / "feedback" / "ben" / UNIT / f"{UNIT}.html").read_text()
    assert "No answer yet." in feedback
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]*', feedback), "asks another host"
    assert feedback.count('class="formula"') == 4, "formulas are pictures"
    with pytest.raises(OutputError, match="is a course already"):
        course.open()
    with pytest.raises(ParameterError, match="is no folder"):
        course.collect(tmp_path / "nowhere")
