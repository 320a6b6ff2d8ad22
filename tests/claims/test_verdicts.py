"""The verdict rules, one by one; numbers from R in reference/verdicts.csv."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alliance_helpers.claims import verdicts
from alliance_helpers.claims.verdicts import INCONCLUSIVE, NOT_SUPPORTED, SUPPORTED, Effect
from alliance_helpers.models.partial import Estimate, Partial

REFERENCE = Path(__file__).parents[1] / "reference" / "verdicts.csv"
R = pd.read_csv(REFERENCE, index_col="statistic")["value"]


def made(low, high, low_90=None, high_90=None, p=0.01, p_equivalence=0.9):
    low_90 = low + 0.02 if low_90 is None else low_90
    high_90 = high - 0.02 if high_90 is None else high_90
    return Effect((low + high) / 2, p, 201, 199, low, high, low_90, high_90, p_equivalence)


@pytest.mark.parametrize(
    ("effect", "sign", "expected"),
    [
        (made(0.05, 0.30), 1, SUPPORTED),
        (made(-0.30, -0.05), -1, SUPPORTED),
        (made(-0.30, -0.05), 1, NOT_SUPPORTED),
        (made(0.05, 0.30), -1, NOT_SUPPORTED),
        (made(-0.05, 0.30), 1, INCONCLUSIVE),
        (made(-0.15, 0.17), 1, NOT_SUPPORTED),
        (made(0.001, 0.003, p_equivalence=1e-9), 1, NOT_SUPPORTED),  # a trifle
    ],
)
def test_association(effect, sign, expected):
    assert verdicts.association(effect, sign, 0.20)[0] == expected


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.05, 0.45, SUPPORTED),
        (0.05, 0.55, INCONCLUSIVE),
        (-0.02, 0.30, INCONCLUSIVE),
        (-0.2, 0.18, NOT_SUPPORTED),
        (0.55, 0.70, NOT_SUPPORTED),
        (0.02, 0.10, NOT_SUPPORTED),  # a trifle, seen by very many dyads
    ],
)
def test_modest(low, high, expected):
    assert verdicts.modest(made(low, high), 0.20, 0.50)[0] == expected


@pytest.mark.parametrize(
    ("p", "p_equivalence", "expected"),
    [
        (0.60, 0.01, SUPPORTED),
        (0.001, 0.01, SUPPORTED),  # equivalence is looked at first
        (0.60, 0.20, INCONCLUSIVE),  # p > .05 alone never supports an absence
        (0.01, 0.20, NOT_SUPPORTED),
    ],
)
def test_absence(p, p_equivalence, expected):
    effect = made(-0.1, 0.1, p=p, p_equivalence=p_equivalence)
    assert verdicts.absence(effect, "anything")[0] == expected


def test_difference_needs_a_test_and_all_of_needs_all():
    assert verdicts.difference(made(0, 1, p=0.04), "b")[0] == SUPPORTED
    assert verdicts.difference(made(0, 1, p=0.4, p_equivalence=0.01), "b")[0] == NOT_SUPPORTED
    assert verdicts.difference(made(0, 1, p=0.4, p_equivalence=0.4), "b")[0] == INCONCLUSIVE
    # a trifle, seen by very many dyads
    assert verdicts.difference(made(0, 1, p=0.001, p_equivalence=0.01), "b")[0] == NOT_SUPPORTED
    assert verdicts.all_of([SUPPORTED, SUPPORTED])[0] == SUPPORTED
    assert verdicts.all_of([SUPPORTED, INCONCLUSIVE])[0] == INCONCLUSIVE
    assert verdicts.all_of([SUPPORTED, INCONCLUSIVE, NOT_SUPPORTED])[0] == NOT_SUPPORTED


@pytest.mark.parametrize(
    ("said", "criterion"),
    [
        (verdicts.association(made(0, 1), 1, 0.25),
         "95 % CI above 0, and not inside ±0.25 with 90 % confidence; "
         "not supported if the 90 % CI is below 0.25"),
        (verdicts.association(made(0, 1), -1, 0.2),
         "95 % CI below 0, and not inside ±0.2 with 90 % confidence; "
         "not supported if the 90 % CI is above -0.2"),
        (verdicts.modest(made(0, 1), 0.2, 0.45),
         "95 % CI above 0 and below 0.45, and not below 0.2 with 90 % confidence"),
        (verdicts.absence(made(0, 1), "R² = 0.07"),
         "smaller than R² = 0.07 with 95 % confidence (one-sided)"),
        (verdicts.difference(made(0, 1), "R² = 0.03"),
         "F test of the difference between informants, p < .05, and not within R² = 0.03"),
        (verdicts.all_of([SUPPORTED] * 5), "all 5 must be supported"),
    ],
)  # fmt: skip
def test_a_criterion_says_the_rule_with_its_numbers(said, criterion):
    assert said[1] == criterion


def test_correlation_against_r():
    e = verdicts.correlation(0.23, 201, 0.20)
    assert e.p_value == pytest.approx(R["p"], rel=1e-9)
    for name in ("conf_low", "conf_high", "low_90", "high_90"):
        assert getattr(e, name) == pytest.approx(R[name], rel=1e-9)


def test_equivalence_needs_r_below_086_at_n_201():
    # FACTS: within +-.20 equivalence needs |r| < .086
    assert verdicts.correlation(0.085, 201, 0.20).equivalent
    assert not verdicts.correlation(0.087, 201, 0.20).equivalent


def of_block(f, df1, df2, n, n_held=0):
    return Estimate(0.05, math.nan, f, df1, df2, math.nan, n, n - n_held, n - n_held)


@pytest.mark.parametrize(
    ("critical", "shape", "bound"),
    [
        ("block_critical", (6, 194, 201), 0.09),
        ("block_critical_with_covariates", (3, 51, 60, 5), 0.0625),
    ],
)
def test_block_is_equivalent_exactly_below_the_5_percent_point(critical, shape, bound):
    assert verdicts.block(of_block(R[critical] - 1e-6, *shape), bound).equivalent
    assert not verdicts.block(of_block(R[critical] + 1e-6, *shape), bound).equivalent


@pytest.mark.parametrize(("n", "k", "q", "bound"), [(201, 3, 5, 0.0625), (60, 3, 5, 0.0625)])
def test_a_block_at_its_bound_is_called_absent_in_5_percent(n, k, q, bound):
    # The same people again are another sample of predictors too: as fixed values they gave 6 %.
    random, slope = np.random.default_rng(7), math.sqrt(bound / (1 - bound))
    called = []
    for _ in range(4000):
        X, Z, e = (random.standard_normal((n, m)) for m in (k, q, 1))
        found = Partial(slope * X[:, 0] + e[:, 0], X, Z, None).observed("ols")
        called.append(verdicts.block(found, bound).equivalent)
    assert np.mean(called) == pytest.approx(0.05, abs=0.0068)  # two standard errors


def test_characteristics_of_ten_case_managers_at_their_bound_are_called_absent_in_5_percent():
    # Alike by the ratings' own analysis of variance, and drawn with the clients, 6.9 % were.
    random, bound, share = np.random.default_rng(11), 0.0625, 0.20
    sizes = np.array([3, 3, 4, 5, 5, 6, 6, 8, 9, 11])
    groups, called = np.repeat(np.arange(10), sizes), []
    for _ in range(3000):
        X = random.standard_normal((10, 3))
        rating = math.sqrt(bound) * X[:, 0] + math.sqrt(share - bound) * random.standard_normal(10)
        y = rating[groups] + math.sqrt(1 - share) * random.standard_normal(60)
        found = Partial(y, X[groups], np.empty((60, 0)), groups).observed("mixed")
        called.append(verdicts.block(found, bound).equivalent)
    assert np.mean(called) == pytest.approx(0.05, abs=0.008)  # two standard errors


def test_a_block_that_explains_nothing_is_an_absence():
    effect = verdicts.block(of_block(-1e-15, 6, 194, 201), 0.09)
    assert effect.p_value == 1
    assert effect.equivalent


def test_rate_ratio_is_symmetric():
    up = verdicts.rate_ratio(0.1, 0.05, 40, 201, 0.8, 1.25)
    down = verdicts.rate_ratio(-0.1, 0.05, 40, 201, 0.8, 1.25)
    assert up.p_equivalence == pytest.approx(down.p_equivalence)
    assert up.conf_low == pytest.approx(1 / down.conf_high)
    assert up.estimate == pytest.approx(math.exp(0.1))
