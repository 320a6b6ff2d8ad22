import numpy as np
import pytest
from scipy import stats

from alliance_helpers.models.permutations import permuted_rows, strata


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
