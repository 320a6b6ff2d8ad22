import numpy as np
import pandas as pd
import pytest
from scipy import stats

from alliance_helpers.errors import NotEstimableError, ParameterError
from alliance_helpers.models.permutations import permuted_rows, strata
from alliance_helpers.models.selection import permutation_test


def test_permutations_are_permutations_and_reach_every_row():
    rng = np.random.default_rng(1)
    groups = rng.integers(0, 12, 60)
    order = permuted_rows(groups, 60, 500, rng)
    assert (np.sort(order, axis=1) == np.arange(60)).all()
    free = permuted_rows(None, 60, 500, rng)
    assert (np.sort(free, axis=1) == np.arange(60)).all()
    assert len(np.unique(free[:, 0])) == 60


def test_groups_of_one_size_stay_together():
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(10), 4)
    order = permuted_rows(groups, 40, 300, rng)
    came_from = groups[order].reshape(300, 10, 4)
    assert (came_from == came_from[:, :, :1]).all()
    # Each of the ten groups comes equally often: chi-square on 300 draws of the first place.
    assert stats.chisquare(np.bincount(came_from[:, 0, 0], minlength=10)).pvalue > 0.001
    # Inside its place every order of four rows is possible.
    assert len({tuple(row) for row in (order[:, :4] % 4)}) == 24


def test_unequal_sizes_mix_only_the_surplus():
    rng = np.random.default_rng(3)
    groups = np.repeat([0, 1, 2], [6, 7, 7])
    order = permuted_rows(groups, 20, 200, rng)
    strangers = 0
    for place in (slice(0, 6), slice(6, 13), slice(13, 20)):
        came_from = groups[order[:, place]]
        own = np.array([np.bincount(row, minlength=3).max() for row in came_from])
        strangers = max(strangers, int((came_from.shape[1] - own).max()))
    assert strangers == 1


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([2, 2, 3, 3], [[0, 1], [2, 3]]),
        ([5, 1, 5, 1], [[1, 3], [0, 2]]),
        ([10, 11, 30, 31], [[0, 1], [2, 3]]),
        ([2, 2, 9], [[0, 1, 2]]),
        ([4, 20, 21], [[0, 1, 2]]),
        ([7], [[0]]),
    ],
)
def test_strata(sizes, expected):
    assert [sorted(s.tolist()) for s in strata(np.array(sizes))] == expected


def _nested(seed, icc, managers=45, n=201):
    rng = np.random.default_rng(seed)
    sizes = 1 + rng.multinomial(n - managers, rng.dirichlet(np.full(managers, 6.0)))
    manager = np.repeat(np.arange(managers), sizes)
    data = pd.DataFrame(rng.normal(size=(managers, 3))[manager], columns=["age", "years", "load"])
    data["manager"] = manager
    data["y"] = np.sqrt(icc) * rng.normal(size=managers)[manager]
    data["y"] += np.sqrt(1 - icc) * rng.normal(size=n)
    return data


BLOCKS = {"treatment": ["age", "years", "load"]}


def test_p_value_counts_the_permutations_that_reach_the_observed():
    data = _nested(1, 0.3)
    data["age"] = data["y"] + 0.1 * np.random.default_rng(1).normal(size=201)
    test = permutation_test(data, "y", BLOCKS, "manager", n_perm=99).iloc[0]
    assert test["p_value"] == 0.01
    assert test["r_squared"] > 0.95
    nothing = permutation_test(data, "y", {"t": ["load"]}, n_perm=99, p_enter=1e-9, p_remove=1e-8)
    assert nothing["p_value"].iloc[0] == 1.0
    assert nothing["any_selected_noise"].iloc[0] == 0.0


def test_one_predictor_is_the_permutation_of_r():
    """With one candidate that always enters, the test is that of a correlation, two-sided."""
    rng = np.random.default_rng(5)
    data = pd.DataFrame(rng.normal(size=(60, 2)), columns=["x", "y"])
    data["y"] += 0.25 * data["x"]
    test = permutation_test(data, "y", {"a": ["x"]}, n_perm=4000, p_enter=0.98, p_remove=0.99)
    normal = stats.pearsonr(data["x"], data["y"]).pvalue
    # 4,000 permutations know a p value of .05 to .0034; on normal data it is that of t.
    assert test["p_value"].iloc[0] == pytest.approx(normal, abs=0.012)


def test_a_tested_block_is_tested_alone():
    """What is held constant explains the outcome; the block has the p of its own partial slope."""
    rng = np.random.default_rng(5)
    data = pd.DataFrame(rng.normal(size=(80, 3)), columns=["before", "x", "y"])
    data["x"] += 0.5 * data["before"]
    data["y"] += 2 * data["before"] + 0.15 * data["x"]
    blocks, rule = {"first": ["before"], "last": ["x"]}, {"p_enter": 0.98, "p_remove": 0.99}
    test = permutation_test(data, "y", blocks, n_perm=4000, tested="last", **rule).iloc[0]
    X = np.column_stack([np.ones(80), data[["before", "x"]]])
    b, left = np.linalg.lstsq(X, data["y"])[:2]
    t = b[2] / np.sqrt(left[0] / 77 * np.linalg.inv(X.T @ X)[2, 2])
    partial = 2 * stats.t.sf(abs(t), 77)
    assert test["p_value"] == pytest.approx(partial, abs=0.025) and partial > 0.05
    assert permutation_test(data, "y", blocks, n_perm=99, **rule)["p_value"].iloc[0] == 0.01
    r2 = 1 - left[0] / data["y"].var() / 79
    assert test["r_squared"] == pytest.approx(r2 - data["before"].corr(data["y"]) ** 2)
    with pytest.raises(ParameterError, match="tested is 'middle'; the blocks are first, last"):
        permutation_test(data, "y", blocks, tested="middle")


@pytest.mark.slow
def test_size_at_the_shape_of_the_study():
    """Nothing related, 45 managers, 30 % of the outcome theirs: benchmarks/permutation_size.csv."""
    respecting = free = 0
    cohorts = 600
    for seed in range(cohorts):
        data = _nested([7, seed], 0.3)
        respecting += permutation_test(data, "y", BLOCKS, "manager", 199).iloc[0]["p_value"] <= 0.05
        if seed < cohorts / 4:
            free += permutation_test(data, "y", BLOCKS, None, 199).iloc[0]["p_value"] <= 0.05
    # Three Monte Carlo errors of 5 % over 600 cohorts: 2.7 %.
    assert respecting / cohorts < 0.077
    assert free / (cohorts / 4) > 0.20


def test_bad_input():
    data = _nested(2, 0.1)
    with pytest.raises(ParameterError, match="resamples is 0"):
        permutation_test(data, "y", BLOCKS, n_perm=0)
    with pytest.raises(NotEstimableError, match="the same 'manager'"):
        permutation_test(data.assign(manager=1), "y", BLOCKS, "manager")
