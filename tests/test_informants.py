import numpy as np
import pytest
from measurement_data import numbers

from alliance_helpers.errors import ParameterError
from alliance_helpers.informants import dependent_correlations

REFERENCE = numbers("agreement").query("statistic == 'dependent'")


@pytest.mark.parametrize("name", REFERENCE["dataset"].unique())
def test_williams_t_and_zous_interval_agree_with_r(name):
    known = REFERENCE[REFERENCE["dataset"] == name].set_index("term")["value"]
    row = dependent_correlations(known["r_xy"], known["r_xz"], known["r_yz"], known["n"]).iloc[0]
    for column in ("estimate", "statistic", "p_value", "conf_low", "conf_high"):
        # The correlations pass through a file with 15 digits.
        assert row[column] == pytest.approx(known[column], rel=1e-8), column
    assert row["df"] == known["n"] - 3
    assert row["statistic"] == pytest.approx(row["estimate"] / row["std_error"], rel=1e-12)


def test_size_and_coverage_under_equal_correlations():
    rng = np.random.default_rng(8)
    truth = np.array([[1, 0.3, 0.3], [0.3, 1, 0.28], [0.3, 0.28, 1]])
    data = rng.multivariate_normal(np.zeros(3), truth, size=(1000, 201))
    rejected = covered = 0
    for sample in data:
        r = np.corrcoef(sample.T)
        row = dependent_correlations(r[0, 1], r[0, 2], r[1, 2], 201).iloc[0]
        rejected += row["p_value"] < 0.05
        covered += row["conf_low"] < 0 < row["conf_high"]
    # Three Monte Carlo standard errors at 1,000 replicates are .021.
    assert 0.029 <= rejected / 1000 <= 0.071
    assert 0.929 <= covered / 1000 <= 0.971


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((1.2, 0.1, 0.2, 50), "between -1 and 1"),
        ((0.9, -0.9, 0.9, 50), "cannot hold together"),
        ((0.5, 0.5, 1.0, 50), "cannot hold together"),
        ((0.5, 0.4, 0.3, 3), "more than 3 pairs"),
        ((np.nan, 0.4, 0.3, 50), "finite"),
        (("a", 0.4, 0.3, 50), "give a number"),
    ],
)
def test_bad_input_is_named(args, message):
    with pytest.raises(ParameterError, match=message):
        dependent_correlations(*args)


def test_a_confidence_level_must_be_a_share():
    with pytest.raises(ParameterError, match="conf_level"):
        dependent_correlations(0.4, 0.1, 0.2, 50, conf_level=95)
