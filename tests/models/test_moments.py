import numpy as np
import pandas as pd
import pytest

from alliance_helpers.errors import NotEstimableError, ParameterError
from alliance_helpers.models.stepwise import moments


def _data(n=1000):
    rng = np.random.default_rng(1)
    data = pd.DataFrame(rng.normal(size=(n, 4)) @ rng.normal(size=(4, 4)), columns=list("abcy"))
    return data + np.array([0.0, 1e6, -5.0, 1e3])


def test_agree_with_pandas():
    data = _data()
    data.loc[::7, "b"] = np.nan
    complete = data.dropna()
    found = moments(data, "y", {"first": ["a", "b"], "second": ["c"]})
    assert found.n == len(complete)
    assert found.terms == ("a", "b", "c")
    assert [block.tolist() for block in found.blocks] == [[0, 1], [2]]
    np.testing.assert_allclose(found.means, complete[list("abcy")].mean(), rtol=1e-12)
    covariance = complete[list("abcy")].cov() * (len(complete) - 1)
    # Column b has a mean of 1e6: pandas loses up to ten digits of its square.
    np.testing.assert_allclose(found.products, covariance, rtol=1e-8)


def test_a_drifting_column_keeps_its_variance():
    data = _data(5000)
    data["a"] = np.arange(5000) + 1e8
    data["a"] = data["a"].sort_values(ignore_index=True)
    found = moments(data, "y", {"block": ["a"]})
    assert found.products[0, 0] == pytest.approx(5000 * (5000**2 - 1) / 12, rel=1e-10)


def test_whole_numbers_and_truth_values_count_as_numbers():
    data = pd.DataFrame({"flag": [True, False, True, False, True], "y": [1, 2, 3, 4, 6]})
    data["whole"] = pd.array([1, None, 3, 5, 5], dtype="Int64")
    assert moments(data, "y", {"block": ["flag"]}).means[0] == 0.6
    assert moments(data, "y", {"block": ["whole"]}).n == 4


def test_rows_without_a_group_are_left_out():
    data = _data()
    data["group"] = np.where(np.arange(1000) % 5, "a", None)
    found = moments(data, "y", {"block": ["a", "b"]}, "group")
    assert len(found.rows) == len(found.codes) == found.n == 800
    np.testing.assert_allclose(found.rows.T @ found.rows, found.products)


def test_every_problem_is_named_at_once():
    data = _data().assign(text="x")
    with pytest.raises(ParameterError) as caught:
        moments(data, "y", {"first": ["a", "nothing"], "second": ["a", "text"]}, "nowhere")
    for part in ("'a' is named more than once", "no column 'nothing'", "'text'", "'nowhere'"):
        assert part in str(caught.value)


def test_a_constant_column_far_from_zero():
    with pytest.raises(NotEstimableError, match="'c' has the same value in all 1000"):
        moments(_data().assign(c=1e9 / 3), "y", {"block": ["a", "c"]})
