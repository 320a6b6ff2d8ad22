"""What is changed about a cohort is changed in everything that comes after."""

import sys
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import nbformat
import pandas as pd
import pytest
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from alliance_helpers import (
    assess,
    multiverse,
    open_cohort,
    planning,
    reliabilities,
    score_wai,
)
from alliance_helpers.cohorts.cohort import OPENED, changed, followed
from alliance_helpers.errors import ParameterError
from alliance_helpers.paths import NOTEBOOKS
from alliance_helpers.study.codebook import SHORT_OF_36


@pytest.fixture
def cohort():
    return open_cohort()


def ratings_of(cohort):
    return assess(cohort.dyads, analyses=["as_published"]).set_index("claim").loc["modest"]


def test_a_site_left_out_is_left_out_everywhere(cohort):
    there = cohort.dyads["site"] == "Site 03"
    less = cohort.without(site="Site 03")
    n = len(cohort.dyads) - there.sum()
    assert len(less.dyads) == n
    assert reliabilities(less)["n"].max() <= n < reliabilities(cohort)["n"].max()
    assert multiverse(less, finding="1", n_perm=0).specifications["n"].max() <= n
    pd.testing.assert_frame_equal(
        less.dyads.reset_index(drop=True), cohort.dyads[~there].reset_index(drop=True)
    )
    assert OPENED.changes == less.changes == (f"without site Site 03 ({there.sum()} dyads fewer)",)


def test_only_and_without_part_the_cohort(cohort):
    n = len(cohort.only(site_type="general").dyads)
    assert n + len(cohort.without(site_type="general").dyads) == len(cohort.dyads)


def test_a_subscale_is_the_rating_of_every_result(cohort):
    bond = cohort.using("bond")
    expected = cohort.dyads["client_alliance_bond"].corr(cohort.dyads["case_manager_alliance_bond"])
    assert ratings_of(bond)["estimate"] == pytest.approx(expected)
    assert expected != pytest.approx(ratings_of(cohort)["estimate"])


@pytest.mark.parametrize("form", SHORT_OF_36)
def test_a_short_form_is_scored_from_its_items(cohort, form):
    short = cohort.rescored(form=form, max_missing=0)
    items = cohort.items("client_alliance").dropna()
    numbers = [i for part in SHORT_OF_36[form].values() for i in part]
    expected = sum(items.iloc[:, i - 1] if i > 0 else 8 - items.iloc[:, -i - 1] for i in numbers)
    found = short.dyads.set_index("client_id")["client_alliance"]
    assert found[expected.index].tolist() == pytest.approx(expected.tolist())
    assert reliabilities(short).set_index(["scale", "subscale"])["n_items"]["client_alliance"][
        "total"
    ] == len(numbers)
    full = score_wai(items)["total"]
    assert found[expected.index].corr(full) > 0.8


def test_other_predictors_are_those_of_the_claims(cohort):
    few = cohort.with_blocks(pretreatment=["client_age"])
    row = assess(few.dyads, analyses=["as_published"]).query("claim == 'unrelated_pretreatment'")
    expected = few.dyads[["client_age", "client_alliance"]].corr().iloc[0, 1] ** 2
    assert row["estimate"].iloc[0] == pytest.approx(expected)


def test_parameters_say_the_same_as_the_methods(cohort):
    text = changed(cohort, "site=Site 03, Site 04", "bond", "pretreatment=client_age")
    by_hand = cohort.without(site=["Site 03", "Site 04"]).using("bond")
    by_hand = by_hand.with_blocks(pretreatment=["client_age"])
    assert text.changes == by_hand.changes and len(text.changes) == 3
    pd.testing.assert_frame_equal(text.dyads, by_hand.dyads)
    opened = open_cohort(without="site=Site 03, Site 04", subscale="bond")
    assert opened.changes == by_hand.changes[:2] and open_cohort().changes == () == OPENED.changes


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c.without(sit="Site 03"), "no column 'sit'; did you mean 'site'?"),
        (lambda c: c.without(site="Site 3"), "value of site 'Site 3'; did you mean 'Site 0"),
        (lambda c: c.without(site_type=["general", "neuropsychiatric"]), "Nobody is left"),
        (lambda c: c.using("bonds"), "did you mean 'bond'?"),
        (lambda c: c.rescored(form="WAI"), "did you mean 'WAI-S"),
        (lambda c: c.rescored(max_missing=2), "a share"),
        (lambda c: c.rescored(form="WAI-S").rescored(form="x"), "no form 'x'"),
        (lambda c: c.with_blocks(pretreatment=["client_agee"]), "did you mean 'client_age'?"),
        (lambda c: changed(c, without="site"), "write it as column=value"),
        (lambda c: changed(c, without=";"), "write it as column=value"),
        (lambda c: changed(c, without=5), "write it as column=value"),
        (lambda c: changed(c, blocks=7), "write it as column=value"),
        (lambda c: changed(c, blocks="pretreatmnt=client_age"), "did you mean 'pretreatment'?"),
        (lambda c: c.with_blocks(pretreatment="site"), "'site' has no numbers"),
        (lambda c: c.with_blocks(treatment=["client_age"]), "'client_age' would stand in two"),
        (lambda c: c.without(site=None), "no value of site 'None'"),
        (lambda c: c.rescored(max_missing="a"), "a share"),
    ],
)
def test_what_is_not_there_is_named(cohort, change, said):
    with pytest.raises(ParameterError, match=said.replace("?", r"\?")):
        change(cohort)


def test_a_column_named_twice_has_both_values(cohort):
    both = changed(cohort, without="site=Site 03; site=Site 04")
    assert both.changes == changed(cohort, without="site=Site 03, Site 04").changes
    assert {"Site 03", "Site 04"}.isdisjoint(both.dyads["site"])


def test_a_value_may_have_a_comma(cohort):
    dyads = cohort.dyads.assign(clinic=["Berlin, Mitte", "Berlin", "Mitte"] * 67)
    named = replace(cohort, dyads=dyads)
    for asked, left in (("Berlin, Mitte", 67), ("Berlin, Mitte; clinic=Berlin", 134)):
        assert f"({left} dyads fewer)" in changed(named, without=f"clinic={asked}").changes[0]


def test_a_cohort_prints_as_a_few_lines(cohort):
    assert len(repr(cohort)) < 200 and len(repr(cohort.codebook)) < 200
    page = cohort.without(site="Site 03")._repr_html_()
    assert "without site Site 03" in page and len(page) < 5_000


@pytest.mark.parametrize(("kernel", "out"), [(True, ""), (True, "results"), (False, "")])
def test_a_line_says_how_far_in_a_notebook_that_writes_no_files(monkeypatch, capsys, kernel, out):
    monkeypatch.setattr(OPENED, "out", out)
    shell = SimpleNamespace(**{"kernel": None} if kernel else {})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert list(followed("abc", "Claims")) == ["a", "b", "c"]
    assert ("Claims:" in capsys.readouterr().out) is bool(kernel and not out)


@pytest.mark.parametrize(
    ("given", "cells", "said"),
    [
        ({"outcom": "symptoms"}, "05_finding_2", "'outcom' here; did you mean 'outcome'"),
        ({"outcome": "symptoms", "seeds": 3}, "05_finding_2", "'seeds' here; did you mean 'seed'"),
        ({"outcome": "symptoms", "out": "o"}, "05_finding_2", ""),
        ({"days": "d"}, "05_finding_2", "'days' here; known are data"),
        ({"days": "d"}, "07_finding_4", ""),
        ({"effec": 0.2}, "11_planning", "'effec' here; did you mean 'effect'"),
        ({"my_own": 3}, None, ""),  # a notebook without a cell of parameters
    ],
)
def test_a_name_that_papermill_only_logs_is_refused(monkeypatch, tmp_path, given, cells, said):
    path = NOTEBOOKS / f"{cells}.ipynb" if cells else tmp_path / "own.ipynb"
    if not cells:
        own = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("seed = 1")])
        nbformat.write(own, path)
    notebook = load_notebook_node(str(path))
    run = parameterize_notebook(notebook, given, language="python", kernel_name="python3").cells
    told = [c.source for c in run if c.cell_type == "code"][: 3 if cells else 2]
    shell = SimpleNamespace(user_ns={"In": ["", *told]})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    with pytest.raises(ParameterError, match=said) if said else nullcontext():
        planning.plan("symptom") if said and "11" in cells else open_cohort()


def test_a_parameter_mistyped_in_a_second_run_is_not_its_old_value(monkeypatch):
    """As in JupyterLab, where a kernel remembers what the cell set before it was changed."""
    first = 'data: str = ""\noutcome: str = "symptoms"\nby: str = "site"'
    cells = ["", first, first.replace("outcome", "outcom"), 'by = "mine"']
    scope = {"In": cells, "outcome": "symptoms", "outcom": "symptoms", "by": "mine", "data": ""}
    shell = SimpleNamespace(user_ns=scope)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    open_cohort()
    assert {*scope} == {"In", "outcom", "by", "data"}  # Python: 'outcome' is not defined
