import numpy as np
import pandas as pd
import pytest
from scipy import stats

from alliance_helpers.errors import NotEstimableError, ParameterError
from alliance_helpers.models.stepwise import Rule, correlate, moments, run


def _naive(R: np.ndarray, n: int, blocks, rule: Rule) -> tuple[list[int], float, int]:
    """The rule by its definition: solve the normal equations of every model looked at.

    Terms held at the end, R2, and how many terms had to leave.
    """

    def unexplained(terms):
        if not terms:
            return 1.0
        return 1 - R[-1, terms] @ np.linalg.solve(R[np.ix_(terms, terms)], R[terms, -1])

    held: list[int] = []
    left = 0
    for block in blocks:
        inside: list[int] = []
        while True:
            rest, df = unexplained(held + inside), n - 1 - len(held) - len(inside)
            without = [unexplained([*held, *(set(inside) - {term})]) for term in inside]
            p = [stats.f.sf((more - rest) / rest * df, 1, df) for more in without]
            if p and max(p) > rule.p_remove:
                inside.pop(int(np.argmax(p)))
                left += 1
                continue
            outside = [term for term in block if term not in inside]
            p = [
                stats.f.sf((rest / unexplained([*held, *inside, term]) - 1) * (df - 1), 1, df - 1)
                for term in outside
            ]
            if not p or min(p) >= rule.p_enter:
                break
            inside.append(outside[int(np.argmin(p))])
        held += inside
    return held, 1 - unexplained(held), left


def _samples(count: int, p: int, n: int, seed: int) -> np.ndarray:
    """Centred cross-products of strongly correlated columns: terms leave as well as enter."""
    rng = np.random.default_rng(seed)
    out = np.empty((p + 1, p + 1, count))
    for k in range(count):
        Z = rng.normal(size=(n, p + 1)) @ (np.eye(p + 1) + 0.5 * rng.normal(size=(p + 1, p + 1)))
        Z -= Z.mean(axis=0)
        out[:, :, k] = Z.T @ Z
    return out


@pytest.mark.parametrize(("p_enter", "p_remove"), [(0.05, 0.10), (0.15, 0.15), (0.30, 0.35)])
def test_a_batch_follows_the_rule_in_each_of_its_samples(p_enter, p_remove):
    rule = Rule("stepwise", p_enter, p_remove)
    n, blocks = 40, [np.arange(0, 5), np.arange(5, 9)]
    R = correlate(_samples(150, 9, n, seed=1))
    path = run(R.copy(), np.full(150, n), blocks, rule)
    left = 0
    for k in range(150):
        terms, r_squared, removals = _naive(R[:, :, k], n, blocks, rule)
        assert np.flatnonzero(path.selected[-1, :, k]).tolist() == sorted(terms)
        assert path.r_squared[-1, k] == pytest.approx(r_squared, rel=1e-8)
        left += removals
    assert left >= 5


def test_samples_of_different_size_keep_their_own_degrees_of_freedom():
    rule, blocks = Rule(), [np.arange(4)]
    R = correlate(_samples(60, 4, 30, seed=2) * 1.0)
    sizes = np.tile([8, 30, 200], 20)
    path = run(R.copy(), sizes, blocks, rule)
    for k in range(60):
        terms, _, _ = _naive(R[:, :, k], sizes[k], blocks, rule)
        assert np.flatnonzero(path.selected[-1, :, k]).tolist() == sorted(terms)


def test_enter_takes_everything_block_by_block():
    R = correlate(_samples(20, 6, 50, seed=3))
    path = run(R.copy(), np.full(20, 50), [np.arange(2), np.arange(2, 6)], Rule("enter"))
    assert path.selected[0, :2].all()
    assert not path.selected[0, 2:].any()
    assert path.selected[1].all()
    for k in range(20):
        beta = np.linalg.solve(R[:-1, :-1, k], R[:-1, -1, k])
        np.testing.assert_allclose(path.beta[1, :, k], beta, rtol=1e-8)


def test_constant_columns_and_outcomes_are_left_alone():
    products = _samples(2, 3, 30, seed=4)
    products[1, :, 0] = products[:, 1, 0] = 0.0  # a candidate without variance
    products[3, :, 1] = products[:, 3, 1] = 0.0  # an outcome without variance
    R = correlate(products)
    path = run(R, np.array([30, 30]), [np.arange(3)], Rule("enter"))
    assert path.selected[0, :, 0].tolist() == [True, False, True]
    assert path.r_squared[0, 1] == 0.0


def test_perfect_fit_ends():
    Z = np.random.default_rng(5).normal(size=(30, 3))
    Z = np.column_stack([Z, Z[:, 0]])
    Z -= Z.mean(axis=0)
    path = run(correlate((Z.T @ Z)[:, :, None]), np.array([30]), [np.arange(3)], Rule())
    assert path.selected[0, :, 0].tolist() == [True, False, False]
    assert path.r_squared[0, 0] == pytest.approx(1)


@pytest.mark.parametrize(
    "arguments",
    [
        {"method": "backward"},
        {"p_enter": 0.1, "p_remove": 0.09},
        {"p_enter": 0.0},
        {"p_remove": 1.0},
        {"tolerance": 0.0},
    ],
)
def test_rules_that_cannot_be(arguments):
    with pytest.raises(ParameterError):
        Rule(**arguments)


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
