"""Associations by who rated the outcome: a group too small gives a reason, not an end."""

import numpy as np

from alliance_helpers.claims.associations import halo
from alliance_helpers.cohorts.simulate import simulate_dyads


def test_what_cannot_be_estimated_has_a_reason_and_the_rest_its_estimate():
    dyads = simulate_dyads("published", 60, 5)
    first = dyads.drop_duplicates("case_manager_id").index  # one client of each case manager
    dyads["symptoms"] = dyads["symptoms"].where(dyads.index.isin(first))
    dyads["living_skills"] = dyads["living_skills"].where(dyads.index < 3)
    both = halo(dyads)
    for table in (both.contrast, both.partialled):
        found = table.set_index("term")
        gone = found.loc[["symptoms", "living_skills"]]
        assert gone["estimate"].isna().all()
        assert "holds a single row" in gone.loc["symptoms", "reason"]
        assert "only 3 dyads" in gone.loc["living_skills", "reason"]
        there = found.drop(index=gone.index)
        assert np.isfinite(there["estimate"]).all()
        assert (there["reason"] == "").all()
