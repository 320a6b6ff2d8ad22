import numpy as np
import pandas as pd
import pytest

from alliance_helpers.claims.as_1995 import inclusion, reselection, stepwise_links
from alliance_helpers.claims.views import regression_blocks
from alliance_helpers.cohorts.simulate import simulate_dyads
from alliance_helpers.models.regression import hierarchical_regression
from alliance_helpers.models.selection import bootstrap_selection, permutation_test
from alliance_helpers.pages import plots
from alliance_helpers.study.read_codebook import read_codebook

BOOK = read_codebook()
CM = "case_manager_alliance"


@pytest.fixture(scope="module")
def dyads():
    return simulate_dyads("published", 201, 12)


@pytest.fixture(scope="module")
def table(dyads):
    return inclusion(dyads, BOOK, 3, 200)


@pytest.mark.parametrize("outcome", [CM, "symptoms"])
def test_inclusion_is_that_of_the_studys_own_regression(dyads, table, outcome):
    mine = table[(table["informant"] == "case_manager") & (table["outcome"] == outcome)]
    blocks = regression_blocks(dyads, BOOK)
    if outcome != CM:
        blocks = regression_blocks(dyads, BOOK, outcome, "case_manager")
    plain = bootstrap_selection(dyads, outcome, blocks, 200, 3, cluster="case_manager_id")
    chosen = hierarchical_regression(dyads, outcome, blocks).final.set_index("term")["beta"]
    terms = plain["term"] if outcome == CM else [CM]
    plain = plain.set_index("term").loc[terms]
    for column in ("inclusion", "same_sign", "noise_inclusion"):
        np.testing.assert_array_equal(mine[column], plain[column])
    np.testing.assert_allclose(mine["beta"], chosen.reindex(terms))
    z = dyads[[outcome, *(t for block in blocks.values() for t in block)]].astype(float)
    z = (z - z.mean()) / z.std()
    slopes = np.linalg.lstsq(z.iloc[:, 1:].to_numpy(), z[outcome].to_numpy(), rcond=None)[0]
    all_in = pd.Series(slopes, index=z.columns[1:])[terms]
    np.testing.assert_allclose(mine["beta_all_in"], all_in, rtol=1e-8)


def test_what_1995_enters_is_what_is_in_the_model(dyads, table):
    links = stepwise_links(dyads, BOOK).query("reading == 'as_1995_outcomes'")
    links = links.set_index(["informant", "term"])["entered"]
    found = table.set_index(["informant", "term"])["beta"].notna()
    assert (found == links.loc[found.index].astype(bool)).all() and len(found) == len(links)


def test_models_and_procedures_are_there_for_both_informants(dyads):
    found = reselection(dyads, n_boot=50, n_perm=49)
    assert found.models["informant"].tolist() == ["client"] * 3 + ["case_manager"] * 3
    whole = found.procedure.set_index(["informant", "outcome"])
    assert len(whole) == 14
    assert (whole["r_squared_corrected"] < whole["r_squared"] + 1e-12).all()
    test = permutation_test(dyads, CM, regression_blocks(dyads, BOOK), "case_manager_id", 49)
    assert whole.loc[("case_manager", CM), "p_value"] == test["p_value"].iloc[0]
    assert whole.loc[("case_manager", CM), "tested"] == "every_block"


def test_of_an_outcomes_regression_what_the_alliance_adds_is_tested(dyads):
    """Baseline explains symptoms; a rating of noise does not, and its row says so."""
    rng = np.random.default_rng(3)
    noise = dyads.assign(**{CM: rng.permutation(dyads[CM])})
    noise["symptoms"] = noise["symptoms_intake"] + rng.normal(0, 3, len(noise))
    true, found = (reselection(d, n_boot=20, n_perm=199).procedure for d in (dyads, noise))
    row, by_chance = (
        t.set_index(["informant", "outcome"]).loc["case_manager", "symptoms"] for t in (true, found)
    )
    assert row["tested"] == by_chance["tested"] == "alliance"
    assert row["p_value"] < 0.05 < by_chance["p_value"]
    assert by_chance["r_squared"] > 0.5 and by_chance["r_squared_tested"] < 0.02


def test_noise_is_selected_as_often_as_noise():
    """Over 15 variables the inclusion of nothing is near its own reference."""
    found = inclusion(simulate_dyads("no_association", 201, 8), BOOK, n_boot=200)
    for _, rows in found.groupby("informant"):
        assert abs(rows["inclusion"].mean() - rows["noise_inclusion"].mean()) < 0.12


def test_a_rating_that_does_not_vary_has_a_reason(dyads):
    bad = dyads.assign(client_alliance=100.0)
    found = reselection(bad, n_boot=20, n_perm=9)
    for made in (found.inclusion, found.models, found.procedure):
        reasons = made.groupby("informant")["reason"].agg(set)
        assert reasons["client"] == {"not estimable: client_alliance does not vary"}
        assert reasons["case_manager"] == {""}


def test_figure_says_its_numbers(table):
    ax = plots.inclusion(table, BOOK)
    row = table.iloc[0]
    label = ax.figure.get_label()
    assert f"{100 * row['inclusion']:.0f} % (noise {100 * row['noise_inclusion']:.0f} %)" in label
    assert len(ax.patches) == len(table)
