"""The files under `../shared/cases`, all drawn from one truth that their README tells."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_exports import drafted

CASES = Path(__file__).resolve().parents[2].parent / "shared" / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not here")
TRUTH = {"c": (42.6186, 7.5106, 118), "t": (56.7155, 11.1369, 116)}
PHQ = {
    "a_qualtrics_csv": "sc0",
    "c_redcap": "followup_phq_total",
    "d_limesurvey": "phq",
    "k1_one_reversed": "phq_post",
    "l_german": "phq_post",
    "n3_same_names_two_files": "client_outcome",
    "n4_one_of_seven": None,
    "p7_days_one_client": "phq_post",
}


@pytest.mark.parametrize("case", PHQ)
def test_a_draft_without_one_edited_line_gives_what_was_planted(case):
    _, _, found, dyads = drafted(CASES / case)
    for who, wanted in TRUTH.items():
        assert (*found[who].agg(["mean", "std"]).round(4), found[who].count()) == wanted
    assert round(found["c"].corr(found["t"]), 5) == 0.24849
    if PHQ[case]:
        found["phq"] = dyads[PHQ[case]].to_numpy()
        assert round(found["c"].corr(found["phq"]), 5) == -0.29016


def test_one_informant_alone():
    _, book, found, _ = drafted(CASES / "p1_no_outcome")
    assert [*book.informants] == ["client"]
    assert tuple(found["c"].agg(["mean", "std"]).round(4)) == TRUTH["c"][:2]


def test_two_rows_a_dyad():
    """Against plain pandas: nobody's answers are taken for another's."""
    _, _, found, _ = drafted(CASES / "e_long_roles")
    rows = pd.read_csv(CASES / "e_long_roles" / "dyads_long.csv")
    for who, role in (("c", "client"), ("t", "therapist")):
        mine, sums = rows[rows["role"] == role].set_index("dyad"), []
        for numbers in ((1, 2, 10, 12), (3, 5, 7, 9), (4, 6, 8, 11)):
            items = mine[[f"wai{i}" for i in numbers]]
            sums.append((4 * items.mean(axis=1)).where(items.notna().mean(axis=1) >= 0.8))
        wanted = sum(sums).set_axis(mine.index.astype(str))
        assert np.allclose(found.loc[wanted.index, who], wanted, equal_nan=True)
