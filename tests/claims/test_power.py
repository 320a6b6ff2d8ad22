"""What an equivalence test of days can show, against the test itself on simulated estimates."""

import numpy as np
import pandas as pd
import pytest

from alliance_helpers.claims.planning import power_table
from alliance_helpers.claims.rules import read_rules
from alliance_helpers.models.inference import two_one_sided


@pytest.mark.parametrize(("error", "df"), [(0.08, 43.0), (0.1, np.inf)])
def test_power_is_the_share_of_estimates_that_pass(error, df):
    from scipy.stats import t

    half = t.ppf(0.975, df) * error
    row = {"finding": "4", "claim": "hospital_days", "informant": "client", "analysis": "adjusted"}
    row |= {"estimate": 1.0, "conf_low": np.exp(-half), "conf_high": np.exp(half), "df": df, "n": 9}
    table = power_table(pd.DataFrame([row]), read_rules())
    low, high = np.log([0.8, 1.25])
    draws = np.random.default_rng(4).normal(size=4000)
    for effect, power in table[["effect", "power"]].iloc[[20, 25, 30, 36]].to_numpy():
        estimates = np.log(effect) + error * draws
        passed = np.mean([two_one_sided(x, error, low, high, df) < 0.05 for x in estimates])
        noise = np.sqrt(max(power * (1 - power), 1e-4) / len(draws))
        assert passed == pytest.approx(power, abs=4 * noise)
