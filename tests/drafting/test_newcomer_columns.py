"""Columns whose numbers are not what they seem: codes, marks, kinds, thousands, nobody's name."""

import numpy as np
import pandas as pd
import pytest
import yaml

from alliance_helpers.cohorts.cohort import open_cohort
from alliance_helpers.drafting.draft import describe
from alliance_helpers.study.clean import clean
from alliance_helpers.study.load import load_study

N = 90
RNG = np.random.default_rng(3)
WHO = [f"T{i % 15 + 1}" for i in range(N)]
NUMBERS = [i % 15 + 1 for i in range(N)]
PHQ = RNG.integers(0, 20, N)
DAYS = np.where(RNG.random(N) < 0.6, 0, RNG.integers(1, 300, N))


def table(**columns) -> pd.DataFrame:
    """A client's WAI-SR, a therapist, a score, and what is given."""
    items = {f"wai_c{i}": RNG.integers(1, 6, N) for i in range(1, 13)}
    first = {"id": range(1001, 1001 + N), "therapist": WHO, "phq_post": PHQ}
    return pd.DataFrame({**first, **items, **columns})


def with_some(values, code, n=9) -> list:
    return [code if i % (N // n) == 3 else value for i, value in enumerate(values)]


def draft_of(tmp_path, frame, **how) -> tuple[str, dict]:
    frame.to_csv(tmp_path / "data.csv", index=False, **how)
    text = describe(tmp_path)
    (tmp_path / "codebook.yml").write_text(text, encoding="utf-8")
    return text, yaml.safe_load(text)["tables"]["data"]["variables"]


@pytest.mark.parametrize("code", [-1, -5, 55, 88, 100, 777, 998, 99.9])
def test_a_number_apart_from_all_else_is_asked_about(tmp_path, code):
    text, variables = draft_of(tmp_path, table(phq_post=with_some(PHQ, code)))
    assert f"'phq_post' holds {code:g}, apart from all else" in text
    assert variables["phq_post"]["missing"] == [code] and variables["phq_post"]["range"][1] <= 30
    assert open_cohort(tmp_path).dyads["phq_post"].max() <= 20


@pytest.mark.parametrize(
    "values",
    [PHQ, DAYS, np.minimum(DAYS * 3, 731), np.round(RNG.lognormal(7, 0.6, N)), NUMBERS],
)
def test_a_skewed_measure_is_not_taken_for_codes(tmp_path, values):
    assert "apart from all" not in draft_of(tmp_path, table(measured=values))[0]


@pytest.mark.parametrize("held", [2, 4])
def test_a_value_of_fewer_than_five_is_not_named(tmp_path, held):
    assert "141" not in draft_of(tmp_path, table(weight=with_some(PHQ, 141, held)))[0]


def test_what_a_label_calls_no_answer_is_none(tmp_path):
    import pyreadstat

    frame = table(phq_post=with_some(PHQ, 88)).drop(columns="therapist")
    labels = {"phq_post": {88: "weiß nicht"}}
    pyreadstat.write_sav(frame, str(tmp_path / "data.sav"), variable_value_labels=labels)
    text = describe(tmp_path)
    assert yaml.safe_load(text)["tables"]["data"]["variables"]["phq_post"]["missing"] == [88]


@pytest.mark.parametrize("nobody", ["?", "-", "N.N.", "none", "unknown", "tbd"])
def test_a_word_in_the_place_of_a_name_is_nobody(tmp_path, nobody):
    draft_of(tmp_path, table(therapist=with_some(WHO, nobody)))
    assert open_cohort(tmp_path).dyads["therapist"].nunique() == 15


@pytest.mark.parametrize("nobody", [0, 99, 999, -9])
def test_a_code_in_the_place_of_a_number_is_nobody(tmp_path, nobody):
    _, variables = draft_of(tmp_path, table(therapist=with_some(NUMBERS, nobody)))
    assert variables["therapist"] == {"type": "id", "missing": [nobody], "optional": True}
    assert open_cohort(tmp_path).dyads["therapist"].nunique() == 15


@pytest.mark.parametrize(
    ("column", "values"),
    [("excluded", [i % 9 == 0 for i in range(N)]), ("consent", ["Yes"] * 80 + ["No"] * 10),
     ("dispcode", [22 if i % 9 else 31 for i in range(N)]),
     ("diagnosis", [i % 6 for i in range(N)])],
)  # fmt: skip
def test_marks_and_kinds_are_asked_about_and_predict_nothing(tmp_path, column, values):
    values = [int(value) if isinstance(value, bool) else value for value in values]
    text, _ = draft_of(tmp_path, table(**{column: values}))
    assert f"QUESTION: '{column}' " in text
    assert column not in str(yaml.safe_load(text)["blocks"])


def test_a_site_in_numbers_is_the_site(tmp_path):
    text, variables = draft_of(tmp_path, table(clinic=[i % 3 + 1 for i in range(N)]))
    assert yaml.safe_load(text)["study"]["site"] == "clinic"
    assert variables["clinic"]["type"] == "id" and "clinic" not in str(
        yaml.safe_load(text)["blocks"]
    )


@pytest.mark.parametrize(
    ("cells", "asked"),
    [([f"1.{i:03}" if i % 2 else str(i + 500) for i in range(N)], "three digits follow each sign"),
     ([f"1'{i % 40:03}" if i % 2 else str(i % 40) for i in range(N)], "numbers with signs"),
     ([f"{i % 20} (mild)" for i in range(N)], "numbers with signs"),
     ([f"{i % 40 / 4}" for i in range(N)], "")],
)  # fmt: skip
def test_numbers_with_signs_are_asked_about(tmp_path, cells, asked):
    text, _ = draft_of(tmp_path, table(cost_post=cells), sep=";")
    assert ("'cost_post'" in text) is bool(asked) and asked in text


@pytest.mark.parametrize("other", ["intake_therapist", "therapist_previous"])
def test_two_columns_of_therapists_are_asked_about(tmp_path, other):
    frame = table(**{other: WHO[::-1]})
    assert "which names the case manager whose alliance was rated" in draft_of(tmp_path, frame)[0]


def test_a_therapist_called_test_is_asked_about(tmp_path):
    assert "'Test' trials" in draft_of(tmp_path, table(therapist=with_some(WHO, "Test", 2)))[0]


@pytest.mark.parametrize(("name", "slip"), [("phq_post", 155), ("age", 345)])
def test_a_slip_is_asked_about_and_named_in_the_log_alone(tmp_path, name, slip):
    values = RNG.permutation(np.resize(np.arange(18 if name == "age" else 0, 23), N))
    text, variables = draft_of(tmp_path, table(**{name: with_some(values, slip, 1)}))
    assert f"'{name}' holds a number far above all others" in text and str(slip) not in text
    assert variables[name]["range"][1] <= 30
    made = clean(load_study(tmp_path))
    assert made.log[["column", "before"]].to_numpy().tolist() == [[name, str(slip)]]
    assert made.dyads[name].count() == N - 1
