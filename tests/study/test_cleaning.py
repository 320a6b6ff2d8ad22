"""Every change is in the log, nothing else is changed, and one row per client comes out."""

import numpy as np
import pandas as pd
import pytest

from alliance_helpers.errors import DataError
from alliance_helpers.paths import RAW
from alliance_helpers.study.clean import clean
from alliance_helpers.study.load import Study, load_study
from alliance_helpers.study.read_codebook import parse_codebook

BOOK = """
study: {title: Small, client: id, case_manager: worker}
missing: [-9, unknown]
tables:
  people:
    file: people.csv
    key: [id]
    duplicates: keep_latest
    latest: filled
    variables:
      id: {type: id}
      worker: {type: id}
      filled: {type: date}
      site: {type: category, values: [Site 03, Site 04]}
      "q_{1..4}": {type: integer, range: [1, 7]}
      weight: {type: number, range: [30, 200], out_of_range: missing}
      code: {type: number, missing: [99]}
  ratings:
    file: ratings.csv
    key: [id, wave]
    occasion: {column: wave, suffix: {before: _before, after: ""}}
    variables:
      id: {type: id}
      wave: {type: category, values: [before, after]}
      health: {type: number, range: [0, 100]}
  workers:
    file: workers.csv
    row: case_manager
    key: [worker]
    variables:
      worker: {type: id}
      years: {type: number, range: [0, 50]}
scales:
  alliance: {items: "q_{1..4}", keys: {a: [1, -2], b: [3, 4]}}
derived:
  at_three: {from: site, is: Site 03}
  log_years: {from: years, log: true}
"""


def study(**changes) -> Study:
    people = pd.DataFrame(
        {
            "id": ["1", "2", "2", "3"],
            "worker": ["w1", "w1", "w1", "w2"],
            "filled": ["1990-01-02", "1990-01-01", "1990-03-01", "1990-01-05"],
            "site": ["Site 03", "site 3 ", "SITE-03", "Site 04"],
            "q_1": ["7", "1", "2", ""],
            "q_2": ["1", "2", "3", "-9"],
            "q_3": ["4", "5", "6", "7"],
            "q_4": ["unknown", "4", "4", "4"],
            "weight": ["70", "80", "900", ""],
            "code": ["99", "-9", "-1", "5"],
        }
    ).assign(**changes)
    ratings = pd.DataFrame(
        {
            "id": ["1", "1", "2"],
            "wave": ["before", "after", "after"],
            "health": [40.0, 60.0, np.nan],
        }
    )
    workers = pd.DataFrame({"worker": ["w1", "w2"], "years": [np.e, 0.0]})
    tables = {"people": people, "ratings": ratings, "workers": workers}
    return Study(tables, parse_codebook(BOOK), "here")


def test_log_tells_every_change():
    log = clean(study()).log
    told = {tuple(row) for row in log.astype(str).itertuples(index=False)}
    assert told == {
        ("people", "3", "site", "site 3 ", "Site 03", "spelling"),
        ("people", "4", "site", "SITE-03", "Site 03", "spelling"),
        ("people", "5", "q_2", "-9", "", "missing code"),
        ("people", "2", "q_4", "unknown", "", "missing code"),
        ("people", "4", "weight", "900", "", "outside 30 to 200"),
        ("people", "2", "code", "99", "", "missing code"),
        ("people", "3", "code", "-9", "", "missing code"),
        ("people", "3", "filled", "1990-01-01", "record left out", "an earlier duplicate"),
    }


def test_dyads():
    dyads = clean(study()).dyads.set_index("id")
    assert dyads.index.to_list() == ["1", "2", "3"]
    assert dyads.loc["2", "alliance_a"] == 2 + (8 - 3)
    assert dyads.loc["1", "alliance_a"] == 7 + (8 - 1)
    assert np.isnan(dyads.loc["1", "alliance_b"])  # half of b is missing
    assert np.isnan(dyads.loc["1", "alliance"])
    assert dyads["code"].fillna(-99).to_list() == [-99, -1, 5]
    assert dyads["health_before"].fillna(-99).to_list() == [40, -99, -99]
    assert dyads["health"].fillna(-99).to_list() == [60, -99, -99]
    assert dyads["at_three"].to_list() == [1, 1, 0]
    assert dyads["log_years"].fillna(-99).to_list() == [1, 1, -99]  # no logarithm of nought
    numbers = dyads.select_dtypes("number")
    assert set(numbers.dtypes.astype(str)) == {"float64"}


def test_the_study_is_not_changed():
    one = study()
    before = {name: frame.copy() for name, frame in one.tables.items()}
    clean(one)
    for name, frame in one.tables.items():
        pd.testing.assert_frame_equal(frame, before[name])


def test_items_as_answered():
    items = clean(study()).items("alliance")
    assert items.index.to_list() == ["1", "2", "3"]
    assert items.loc["2"].to_list() == [2, 3, 6, 4]
    assert items["q_1"].isna().to_list() == [False, False, True]


def test_problems_stop_it():
    with pytest.raises(DataError, match="column q_1: found '8'; expected 1 to 7"):
        clean(study(q_1=["8", "1", "2", "3"]))


def test_shipped_cohort_log_accounts_for_every_difference():
    made = clean(load_study())
    assert set(made.log["table"]) <= set(made.codebook.tables)
    raw = pd.read_csv(RAW / "clinical_ratings.csv", dtype=str, keep_default_na=False)
    cleaned = made.tables["clinical_ratings"]
    log = made.log[made.log["table"] == "clinical_ratings"]
    logged = set(zip(log["row"], log["column"], strict=True))
    for name in [c for c in cleaned if c.startswith(("bprs", "health"))]:
        for row, before, after in zip(cleaned.index, raw[name], cleaned[name], strict=True):
            same = (before == "" and np.isnan(after)) or (before and float(before) == after)
            assert same != ((row, name) in logged)


def test_raw_files_are_not_written_to():
    before = {p: p.stat().st_mtime_ns for p in RAW.iterdir()}
    clean(load_study())
    assert {p: p.stat().st_mtime_ns for p in RAW.iterdir()} == before


def test_partners_in_two_rows_of_a_couple():
    book = parse_codebook("""
study: {title: Couples, client: couple}
tables:
  pairs:
    file: pairs.csv
    key: [couple, partner]
    occasion: {column: partner, suffix: {wife: _wife, husband: _husband}}
    variables:
      couple: {type: id}
      partner: {type: category, values: [wife, husband]}
      joy: {type: number}
informants: {client: {alliance: joy_wife}, case_manager: {alliance: joy_husband}}
""")
    raw = pd.DataFrame({"couple": ["a", "a", "b"], "partner": ["wife", "husband", "wife"]})
    made = clean(Study({"pairs": raw.assign(joy=[1.0, 2, 3])}, book, "couples")).dyads
    assert made["couple"].to_list() == ["a", "b"]
    assert made["joy_wife"].to_list() == [1, 3]
    assert made["joy_husband"].fillna(-1).to_list() == [2, -1]


@pytest.mark.parametrize(
    ("workers", "why"),
    [
        (["w1", "w2", "w2", "w3"], "every case manager has one client"),
        (["w1"] * 4, "there is one case manager"),
        (["w1", "w1", "w1", "w2"], ""),
    ],
)
def test_case_managers_who_make_no_groups_are_not_respected_and_so_it_is_said(workers, why):
    given = study()
    people = given.tables["people"].assign(worker=workers)
    years = pd.DataFrame({"worker": sorted(set(workers)), "years": 3})
    cleaned = clean(
        Study({**given.tables, "people": people, "workers": years}, given.codebook, "s")
    )
    assert cleaned.codebook.case_manager == (None if why else "worker")
    assert cleaned.source == (f"s ({why}: dyads taken as independent)" if why else "s")
    assert cleaned.dyads["years"].tolist() == [3, 3, 3]  # looked up all the same
    assert cleaned.items("alliance").shape == (3, 4)
