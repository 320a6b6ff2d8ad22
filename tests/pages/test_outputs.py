"""Tables and figures on disk: whole, harmless to spreadsheets, and readable without eyes."""

import base64
from dataclasses import replace
from html import escape
from html.parser import HTMLParser

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest

from alliance_helpers.cohorts.cohort import OPENED, _kept, keep_cohort, open_cohort
from alliance_helpers.errors import OutputError, ParameterError, Problem
from alliance_helpers.pages import outputs
from alliance_helpers.pages.outputs import bullets, note, save_figure, save_record, save_table
from alliance_helpers.pages.printing import pretty
from alliance_helpers.paths import UNSEEN_VARIABLE, write_whole


@pytest.fixture
def ax():
    axes = plt.subplots(figsize=(6, 3))[1]
    axes.plot([1, 2], [3, 4])
    axes.figure.set_label('Two points, 3 and 4, and <b> & quotes "')
    yield axes
    plt.close("all")


@pytest.fixture
def shown(monkeypatch):
    """The HTML of what was displayed since."""
    html = []
    monkeypatch.setattr(outputs, "display", lambda table: html.append(table.html))
    return html


def test_a_long_table_is_shown_in_part_and_says_so(tmp_path, shown):
    save_table(pd.DataFrame({"n": range(2000)}), "joint_tests", tmp_path)
    (html,) = shown
    assert "All specifications together" in html and "(the first 60 of 2,000 rows)" in html
    assert html.count("<tr>") == 61
    assert len(pd.read_csv(tmp_path / "tables" / "joint_tests.csv")) == 2000


def test_table_keeps_every_digit_and_named_index(tmp_path):
    values = np.array([np.pi, -1 / 3, 1e-300])
    frame = pd.DataFrame(
        {"estimate": values}, index=pd.Index(["r", "ccc", "bias"], name="statistic")
    )
    save_table(frame, "agreement", tmp_path)
    back = pd.read_csv(tmp_path / "tables" / "agreement.csv")
    assert back.columns.tolist() == ["statistic", "estimate"]
    assert np.array_equal(back["estimate"], values)


def test_cells_that_a_spreadsheet_would_run_are_text(tmp_path):
    risky = ["=1+1", "+cmd", "-x", "@SUM(A1)", "\t=1", "fine", "a=b"]
    frame = pd.DataFrame({"=head": risky, "number": -np.arange(7.0)})
    save_table(frame, "risky", tmp_path)
    back = pd.read_csv(tmp_path / "tables" / "risky.csv")
    assert back["'=head"].tolist() == ["'" + c for c in risky[:5]] + risky[5:]
    assert back["number"].tolist() == frame["number"].tolist()
    assert frame["=head"].tolist() == risky  # the frame itself is as it was


def test_a_number_with_its_spread_is_no_formula(tmp_path):
    shown = ["-0.55 (0.41)", "-3 (-4.5 to 1)", "-2 (cmd)"]
    save_table(pd.DataFrame({"shown": shown}), "spread", tmp_path)
    back = pd.read_csv(tmp_path / "tables" / "spread.csv")["shown"].tolist()
    assert back == [*shown[:2], "'" + shown[2]]


def test_categories_and_missing_text_survive(tmp_path):
    frame = pd.DataFrame({"kind": pd.Categorical(["=a", None, "b"]), "text": ["x", None, np.nan]})
    save_table(frame, "kinds", tmp_path)
    back = pd.read_csv(tmp_path / "tables" / "kinds.csv", keep_default_na=False)
    assert back["kind"].tolist() == ["'=a", "", "b"]
    assert back["text"].tolist() == ["x", "", ""]


@pytest.mark.parametrize("out", [None, ""])
def test_nothing_is_written_without_a_folder(out, tmp_path, monkeypatch, ax, shown):
    monkeypatch.chdir(tmp_path)
    save_table(pd.DataFrame({"n": [201]}), "t", out, caption="How many")
    picture = save_figure(ax, "f", out)
    assert "201" in shown[0] and "How many" in shown[0]
    assert picture.png.startswith(b"\x89PNG")
    assert list(tmp_path.iterdir()) == []


def test_a_cell_need_not_say_where_its_run_writes(tmp_path, ax, monkeypatch, shown):
    monkeypatch.setattr(OPENED, "out", "")  # as they were, afterwards
    monkeypatch.setattr(OPENED, "codebook", None)
    place, other = tmp_path / "run", tmp_path / "other"
    asked = {"scenario": "halo", "n_clients": 40, "seed": 3}
    keep_cohort(**asked)
    assert len(_kept) == 1
    study = open_cohort(**asked, out=str(place))
    assert len(_kept) == 0, "where the results go does not matter to a cohort that was kept"
    save_table(pd.DataFrame({"term": ["symptoms"]}), "terms")
    assert "Symptom severity" in shown[0], "the label is the codebook's"
    save_figure(ax, "points")
    save_table(pd.DataFrame({"n": [1]}), "n", out=other)
    save_record(study)
    save_record(pd.DataFrame({"finding": ["1"]}))
    written = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.*")}
    assert written == {
        "run/tables/terms.csv", "run/figures/points.png", "other/tables/n.csv",
        "run/cleaning_log.csv", "run/dyads.parquet", "run/findings.csv",
    }  # fmt: skip
    open_cohort(**asked)
    assert OPENED.out == "", "the folder is that of the last cohort opened"


def test_a_pretty_table_is_written_with_the_frame_behind_it(tmp_path, shown):
    made = pretty(pd.DataFrame({"estimate": [0.123456789]}), caption="One")
    save_table(made, "one", tmp_path)
    assert shown == [made.html]
    assert "0.123456789" in (tmp_path / "tables" / "one.csv").read_text()


def test_figure_is_written_closed_and_described(tmp_path, ax):
    number = ax.figure.number
    picture = save_figure(ax, "points", tmp_path)
    file = tmp_path / "figures" / "points.png"
    assert file.read_bytes() == picture.png
    assert [p.name for p in file.parent.iterdir()] == ["points.png"]
    assert not plt.fignum_exists(number)
    assert int.from_bytes(picture.png[16:20]) == 6 * 150  # width in the PNG's header
    data, metadata = picture._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]) == picture.png
    assert metadata["image/png"]["alt"] == picture.alt == data["text/plain"]
    assert "text/html" not in data


def test_a_figure_that_nobody_will_see_is_not_drawn(tmp_path, monkeypatch, ax):
    monkeypatch.setenv(UNSEEN_VARIABLE, "1")
    number, words = ax.figure.number, ax.figure.get_label()
    picture = save_figure(ax, "points", tmp_path)
    assert not plt.fignum_exists(number)
    assert picture._repr_mimebundle_() == ({"text/plain": f"[not drawn] {words}"}, {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("out", [None, "run"])
def test_nbconvert_shows_the_alt_text(out, tmp_path, ax):
    from nbconvert import HTMLExporter

    picture = save_figure(ax, "points", out and tmp_path / out)
    data, metadata = picture._repr_mimebundle_()
    output = nbformat.v4.new_output("display_data", data=data, metadata=metadata)
    cell = nbformat.v4.new_code_cell("", outputs=[output])
    html, _ = HTMLExporter(template_name="classic").from_notebook_node(
        nbformat.v4.new_notebook(cells=[cell])
    )
    shown = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            shown.append(dict(attrs).get("alt") if tag == "img" else None)

    Reader().feed(html)
    assert picture.alt in shown


def test_a_failed_write_leaves_the_old_file_and_no_scraps(tmp_path):
    target = tmp_path / "table.csv"
    target.write_text("old")

    def fail(part):
        part.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match=r"table\.csv cannot be written \(No space left"):
        write_whole(target, fail)
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["table.csv"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path, ax):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="Name another output folder"):
        save_figure(ax, "points", tmp_path / "file")


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a b", "x" * 101])
def test_names_cannot_leave_the_folder(name, tmp_path):
    with pytest.raises(ParameterError, match="cannot be a file name"):
        save_table(pd.DataFrame({"n": [1]}), name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_a_study_calls_its_groups_is_not_respelled():
    made = pretty(pd.DataFrame({"n_missing": [1], "Klinik Süd": ["3"], "<b>B</b> & co": ["4"]}))
    assert list(made.shown)[1:] == ["Klinik Süd", "<b>B</b> & co"]
    assert "<b>" not in made.html


def test_a_formula_behind_a_semicolon_is_harmless_too(tmp_path):
    cells = ["a;=1+1", "a; @x", "a\t+1", "a; b", "p < .05; q"]
    save_table(pd.DataFrame({"x": cells}), "t", tmp_path)
    back = pd.read_csv(tmp_path / "tables" / "t.csv")["x"].tolist()
    assert back == ["a;'=1+1", "a;' @x", "a\t'+1", *cells[3:]]


def test_what_is_wrong_with_a_scale_stands_at_the_head_and_names_stay_out():
    told = (
        Problem("t.csv", "scale wai: reversed twice, since against the others: q4.", "See."),
        Problem("t.csv", "some ids may be one person's: 'Anna' = 'ANNA'.", "See."),
    )
    head = note(replace(open_cohort(), warnings=told)).data
    assert "warns of 2 things in t.csv. Scale wai: reversed twice, since" in head
    assert "Anna" not in head


def test_the_head_says_what_the_study_is_and_what_was_changed_about_it():
    cohort, one = open_cohort(), Problem("a.csv", "some ids are alike.", "See.")
    usual = note(cohort).data
    assert 'class="synthetic"' in usual and "Synthetic data." in usual and "warns" not in usual
    real = replace(cohort, codebook=replace(cohort.codebook, synthetic=False, title="Mine"))
    told = note(replace(real, warnings=(one,), source="b.csv")).data
    assert 'class="source"' in told and "Synthetic data." not in told
    assert "Mine, from b.csv. <code>alliance check</code> warns of 1 thing in a.csv." in told
    fewer = cohort.without(site_type="general")
    assert fewer.changes and escape("; ".join(fewer.changes)) in note(fewer).data
    assert note(fewer).data != usual


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ((), "A table"),
        (("without x (3 dyads fewer)", "y"), "A table [without x (3 dyads fewer); y]"),
    ],
)
def test_a_caption_says_what_was_changed_about_the_cohort(monkeypatch, shown, ax, changes, said):
    monkeypatch.setattr(OPENED, "changes", changes)
    save_table(pd.DataFrame({"x": [1]}), "t", "", caption="A table")
    assert f">{said}</caption>" in shown[0]
    picture = save_figure(ax, "a_table", "")
    assert picture.caption == said
    assert ("figcaption" in picture._repr_mimebundle_()[0]["text/html"]) is bool(changes)


def test_sentences_are_a_list_and_none_is_said():
    listed = bullets(["a < b.", "c."]).data
    assert listed == '<ul class="sentences"><li>a &lt; b.</li><li>c.</li></ul>'
    assert bullets([]).data == "<p>The study can speak to no claim of this finding.</p>"
