"""The seminar's editions: built from one source, nothing given away, every exercise told apart."""

import ast
import re

import matplotlib.pyplot as plt
import nbformat
import pytest
from seminar_pages import demos_of

from alliance_helpers.errors import OutputError, ParameterError
from alliance_helpers.teaching.exercises import NotYetError, ask, check
from alliance_helpers.teaching.widgets import every_demo
from tools.seminar import editions
from tools.seminar.editions import CHECK, FORMULA, Outcome, drawn, shortcomings

UNITS = {path.stem: nbformat.read(path, as_version=4) for path in editions.units()}


def marks(cell, what):
    return bool(cell.metadata.get("nbgrader", {}).get(what))


def test_there_are_seven():
    assert [name[:7] for name in UNITS] == [f"unit_{i}_" for i in range(1, 8)]


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_has_its_parts(name):
    cells = UNITS[name].cells
    text = "\n".join(c.source for c in cells if c.cell_type == "markdown")
    assert re.search(r"^(60 to 90|30 to 45) minutes", cells[0].source, re.M)
    assert "When you leave you can" in cells[0].source
    for part in ("## The story", "## To discuss", "## What this shows, and what it does not"):
        assert part in text
    code = [c for c in cells if c.cell_type == "code"]
    tests = [c for c in code if marks(c, "grade")]
    assert 3 <= len(tests) <= 6
    assert all(c.source.startswith("# Run this cell") for c in tests), "shown when it is folded"
    assert not any(c.outputs or c.execution_count for c in code), "outputs in git"
    outside = re.findall(r"^(?:from|import) (?!alliance_helpers)(\S+)", "\n".join(
        c.source for c in code), re.M)  # fmt: skip
    assert not outside


@pytest.mark.parametrize("name", UNITS)
def test_a_still_figure_comes_before_each_that_moves(name):
    code = "\n".join(c.source for c in UNITS[name].cells if c.cell_type == "code")
    still = re.findall(r"^(\w+)\.picture\(\)", code, re.M)
    moving = re.findall(r"^(\w+)\.explore\(\)", code, re.M)
    assert still == moving
    assert 1 <= len(moving) <= 4
    assert all(code.index(f"{n}.picture()") < code.index(f"{n}.explore()") for n in moving)


@pytest.mark.parametrize("name", UNITS)
def test_the_web_edition_gives_nothing_away_and_asks_every_question(name):
    made = editions.web(UNITS[name])
    nbformat.validate(made)
    source = "\n".join(c.source for c in made.cells)
    solutions = [c for c in UNITS[name].cells if marks(c, "solution")]
    answers = [re.search(r"### BEGIN SOLUTION\n(.*?)### END", c.source, re.S)[1]
               for c in solutions if c.cell_type == "code"]  # fmt: skip
    assert answers
    assert not [a for a in answers if a in source]
    asked = [c for c in UNITS[name].cells if c.cell_type == "code" and marks(c, "grade")]
    boxes = re.findall(r'exercises.ask\(\s*"([\d.]+)"', source)
    assert len(set(boxes)) == len(asked)
    assert ".picture()" not in source, "a still figure beside the same with controls"
    assert "exercises.check(" not in source
    assert not [c for c in made.cells if "nbgrader" in c.metadata]
    essays = [c.source for c in solutions if c.cell_type == "markdown"]
    assert source.count("<textarea") == len(essays) == 1
    assert essays[0] not in source


@pytest.mark.parametrize("name", UNITS)
def test_every_mistake_gets_the_sentence_meant_for_it(name):
    """The solution is right, no answer is asked for one, each trap answers for itself."""
    names: dict = {}
    found = {}
    with plt.rc_context():
        for cell in UNITS[name].cells:
            if cell.cell_type != "code":
                continue
            if not marks(cell, "grade"):
                source = re.sub(r"\.(picture|explore)\(\)", "", cell.source)
                exec(source, names)
            else:
                call = ast.parse(cell.source).body[-1].value
                assert ast.unparse(call.func) == "exercises.check"
                setup = cell.source[: cell.source.index("exercises.check(")]
                exec(f"{setup}\nasked = {CHECK.sub('dict(', cell.source[len(setup) :])}", names)
                found[cell.id] = names[ast.unparse(call.args[0])], names["asked"]
    for cell, (solution, how) in found.items():
        assert check(solution, **how).endswith(how["why"]), cell
        assert not [s for s in (how["hint"], how["why"], *how["traps"]) if "*" in s], cell
        with pytest.raises(NotYetError, match=r"^No answer yet\.$"):
            check(None, **how)
        assert how.get("traps"), f"{cell} expects no mistake"
        for said, wrong in how["traps"].items():
            for written in as_written(wrong):
                with pytest.raises(NotYetError) as error:
                    check(written, **how)
                assert str(error.value).endswith(said), (cell, written)
        for written in as_written(how["expected"]):
            assert told(written, how).startswith(("Right: ", "Close: ")), (cell, written)


def as_written(value):
    """An answer as it was computed, and with two and three decimals."""
    rounded = [] if isinstance(value, str) else [round(float(value), d) for d in (2, 3)]
    return [value, *(x for x in rounded if x)]


def told(answer, how):
    try:
        return check(answer, **how)
    except NotYetError as problem:
        return str(problem)


def test_what_the_units_draw_is_drawn_before_the_first_visitor_comes():
    """The very demonstrations that the units' cells make, in their order."""
    assert every_demo() == [demo for name in UNITS for demo in demos_of(name)]


def test_the_source_is_left_as_it_was():
    name = next(iter(UNITS))
    before = nbformat.writes(UNITS[name])
    editions.web(UNITS[name])
    assert nbformat.writes(UNITS[name]) == before


def test_an_edition_is_written(tmp_path):
    out = tmp_path / "web"
    made = editions.build("web", out)
    assert sorted(out.glob("[!.]*")) == made
    assert [p.stem for p in made] == list(UNITS)
    assert all(nbformat.read(p, as_version=4).cells for p in made)
    (out / "unit_9_of_mine.ipynb").write_text("mine")
    made[1].write_text("changed")
    first = editions.build("web", out, numbers=[1])
    assert sorted(out.glob("[!.]*")) == [*first, made[1], out / "unit_9_of_mine.ipynb"]
    with pytest.raises(OutputError, match=f"holds 1 file .*since: {made[1].name}"):
        editions.build("web", out)
    assert made[1].read_text() == "changed"


def test_what_cannot_be_built(tmp_path):
    with pytest.raises(ParameterError, match="There is no unit 9; there are 1, 2"):
        editions.build("web", tmp_path, [9])
    before = [path.read_bytes() for path in editions.units()]
    with pytest.raises(OutputError, match="holds 7 files"):
        editions.build("web", editions.SOURCE)
    assert [path.read_bytes() for path in editions.units()] == before


EMPTY = "NotYetError: No answer yet."


@pytest.mark.parametrize(
    ("edition", "failed", "found"),
    [
        ("instructor", {}, []),
        ("instructor", {"check-1": "NotYetError: Not yet"}, ["check-1 fails"]),
        ("student", {"check-1": EMPTY, "check-2": EMPTY}, []),
        ("student", {"check-1": EMPTY}, ["check-2 passes without an answer"]),
        ("student", {"check-1": EMPTY, "check-2": "NameError: x"}, ["for another reason"]),
        ("student", {"u1": "ValueError", "check-1": EMPTY, "check-2": EMPTY}, ["u1 fails"]),
    ],
)
def test_shortcomings(edition, failed, found):
    said = shortcomings(Outcome("unit", failed, {"check-1", "check-2"}), edition)
    assert len(said) == len(found)
    assert all(part in sentence for part, sentence in zip(found, said, strict=True))


def test_formulas_of_the_web_pages_are_drawn():
    """Every formula is a picture that says what it shows; code keeps its dollars."""
    for notebook in UNITS.values():
        asked = sum(len(FORMULA.findall(c.source)) for c in notebook.cells if marks_nothing(c))
        pages = "".join(c.source for c in editions.web(notebook).cells if c.cell_type == "markdown")
        assert pages.count('<img class="formula" alt="') == asked
        assert "$" not in pages
    assert drawn("`$x$` and $x < y$").startswith('`$x$` and <img class="formula" alt="x &lt; y"')


def marks_nothing(cell) -> bool:
    return cell.cell_type == "markdown" and not cell.metadata.get("nbgrader")


NUMBER = {"expected": 0.30, "within": 0.01, "hint": "Look again.", "traps": {"That is r.": 0.5}}
ALIKE = {"expected": 0.1764, "within": 0.0015, "traps": {"That is r.": 0.1833, "Half.": 0.1}}
WORD = {"expected": "noise", "choices": ("same", "noise"), "traps": {"Compare.": "same"}}


@pytest.mark.parametrize("answer", [0.3, 0.31, 0.29])
def test_a_number_within_reach_is_right(answer):
    assert check(answer, **NUMBER, why="So.") == f"Right: {answer}. So."


@pytest.mark.parametrize("answer", ["noise", " Noise "])
def test_a_word_is_right(answer):
    assert check(answer, **WORD) == "Right: noise."


@pytest.mark.parametrize(
    ("answer", "how", "says"),
    [
        (None, NUMBER, "No answer yet."),
        (..., NUMBER, "No answer yet."),
        (0.32, NUMBER, "Not yet: 0.32. Look again."),
        (0.12, {"expected": 0.1169, "within": 0.0016}, "Close: one more decimal than 0.12."),
        (1.8, {"expected": 1.848, "within": 0.03}, "Close: one more decimal than 1.8."),
        (0.003, {"expected": 0.0025, "within": 7e-5}, "Close: one more decimal than 0.003."),
        (0.0, {"expected": 0.02}, "Not yet: 0."),
        (0.5, NUMBER, "Not yet: 0.5. That is r."),
        (30, NUMBER, "Not yet: 30. Write it as a share, between 0 and 1."),
        ("a third", NUMBER, "A number is wanted here, not 'a third'. Look again."),
        (True, NUMBER, "A number is wanted here, not True. Look again."),
        (float("nan"), NUMBER, "The answer is not a number (NaN): is a value missing? Look again."),
        (0.183, ALIKE, "Not yet: 0.183. That is r."),
        (0.18, ALIKE, "Close: one more decimal than 0.18."),  # both are, rounded
        (0.18, ALIKE | {"traps": {"That is r.": 0.18}}, "Close: one more decimal than 0.18."),
        (0.18, ALIKE | {"expected": 0.17}, "Not yet: 0.18. That is r."),
        (0.2, ALIKE, "Close: one more decimal than 0.2."),
        (0.2, ALIKE | {"expected": 0.17, "traps": {"One step.": 0.2}}, "Not yet: 0.2. One step."),
        ("same", WORD, "Not yet: same. Compare."),
        ("other", WORD, "'other' is none of the answers: same, noise."),
    ],
)
def test_a_wrong_answer_is_told_what_to_look_at(answer, how, says):
    with pytest.raises(NotYetError) as error:
        check(answer, **how)
    assert str(error.value) == says


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ("0,30", "Right: 0.3."),
        ("30 %", "Right: 0.3."),
        ("3/10", "Right: 0.3."),
        ("–0.3", "Not yet: -0.3."),
        ("3/0", "A number is wanted here"),
        ("0.5", "That is r."),
        ("", "No answer yet."),
        ("x", "A number is wanted here, not &#x27;x&#x27;."),
    ],
)
def test_a_box_on_the_page_answers_as_the_cell_does(text, reply):
    box = ask("1.1", **NUMBER)
    line, said = box.children
    line.children[0].value = text
    line.children[1].click()
    assert reply in said.value


def test_a_choice_on_the_page():
    line, said = ask("1.1", **WORD).children
    assert line.children[0].options == ("", "same", "noise")
    line.children[0].value = "noise"
    line.children[1].click()
    assert "Right: noise." in said.value
