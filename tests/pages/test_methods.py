"""The statistical appendix says what the benchmarks counted."""

import re

import pandas as pd
import pytest

from alliance_helpers.claims.assess import verdict_rates
from alliance_helpers.paths import ROOT

METHODS = (ROOT / "docs" / "METHODS.md").read_text("utf-8")
HERE = "clients == 201 and "
CASES = [
    ("Pearson *r*", "{} % independent, {} % clustered",
     [HERE + "method == 'agreement, independent' and quantity == 'pearson_r'",
      HERE + "method == 'agreement, clustered' and quantity == 'pearson_r'"]),
    ("Lin's CCC", "{} % independent",
     [HERE + "method == 'agreement, independent' and quantity == 'ccc'"]),
    ("limits of agreement", "{} to {} % independent",
     HERE + "method == 'agreement, independent' and quantity.str.startswith('loa')"),
    ("alpha", "{} % client's form, {} % case manager's (",
     [HERE + f"method == 'reliability, Feldt' and quantity == 'alpha, {who}_alliance'"
      for who in ("client", "case_manager")]),
    ("hierarchical, enter", "is rejected in {} %",
     [HERE + "method == 'OLS naive' and kind == 'size' and "
      "quantity.str.startswith('case_manager_alliance on case_manager_age')"]),
    ("CR2", "{} to {} %", HERE + "method in ['CR2', 'CR2, HTZ'] and kind == 'size'"),
    ("mixed model", "{} to {} %",
     HERE + "method in ['mixed model', 'mixed model, F'] and kind == 'size'"),
    ("Poisson with CR2", "{} to {} %;",
     HERE + "method == 'Poisson, CR2' and kind == 'size' and quantity.str.endswith('published')"),
]  # fmt: skip


@pytest.mark.parametrize(("row", "said", "asked"), CASES, ids=[case[0] for case in CASES])
def test_a_share_is_the_one_that_was_counted(row, said, asked):
    rows = pd.read_csv(ROOT / "benchmarks" / "coverage.csv")
    (line,) = [x for x in METHODS.splitlines() if x.startswith(f"| {row} |")]
    if isinstance(asked, str):  # the smallest and the largest of several
        found = rows.query(asked)["observed"].agg(["min", "max"]).tolist()
    else:
        found = [rows.query(one)["observed"].item() for one in asked]
    pattern = re.escape(said).replace(r"\{\}", r"([\d.]+)")
    told = re.search(pattern, line).groups()
    for text, share in zip(told, found, strict=True):
        unit = 10.0 ** -len(text.partition(".")[2])
        assert float(text) == pytest.approx(100 * share, abs=unit / 2 + 1e-9)


def test_permutations_and_counts_are_those_counted():
    sizes = pd.read_csv(ROOT / "benchmarks" / "permutation_size.csv").query("effect == 0")
    free, kept = 100 * sizes["free"], 100 * sizes["respecting"]
    assert f"size {free.min():.0f} to {free.max():.0f} % for case managers'" in METHODS
    assert f"| {kept.min():.1f} to {kept.max():.1f} % |" in METHODS
    days = pd.read_csv(ROOT / "benchmarks" / "count_size.csv")
    model = 100 * days.loc[days["method"] == "poisson, model", "rejected"]
    assert f"its model errors reject {model.min():.0f} to {model.max():.0f} %" in METHODS


def test_how_often_an_analysis_errs_or_is_silent_is_what_was_counted():
    rows = pd.read_csv(ROOT / "benchmarks" / "coverage.csv").query("clients == 60")
    asked = "method == 'nested_cr2, interval' and quantity.str.contains('on case_manager_age')"
    silent = 1 - rows.query(asked)["replicates"].item() / rows["replicates"].max()
    assert f"in {100 * silent:.0f} % of cohorts of 60 clients with ten case managers" in METHODS
    untrue = verdict_rates().query("scenario == 'client_treatment' and claim == 'treatment'")
    share = 100 * untrue.set_index("analysis")["supported"]
    for name in ("as_published", "adjusted_independent"):
        assert f"is ticked by them in {share[name]:.0f} % of cohorts" in METHODS
    most = share[["nested", "nested_cr2", "adjusted"]].max()
    assert f"by those that respect case managers in at most {most:.0f} %." in METHODS
