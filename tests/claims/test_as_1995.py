"""1995's reading: the direction of each regression, and what its claims say."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from alliance_helpers.claims.as_1995 import (
    AFTER,
    BEFORE,
    LINKS,
    OUTCOMES,
    READINGS,
    Stepwise,
    stepwise_links,
)
from alliance_helpers.claims.assess import assess
from alliance_helpers.claims.rules import Claim, read_rules
from alliance_helpers.cohorts.simulate import simulate_dyads
from alliance_helpers.errors import NotEstimableError
from alliance_helpers.models.regression import hierarchical_regression
from alliance_helpers.study.read_codebook import read_codebook

BOOK = read_codebook()


@pytest.fixture(scope="module")
def dyads():
    return simulate_dyads("published", 400, 11)


def test_one_row_per_reading_informant_and_variable(dyads):
    links = stepwise_links(dyads)
    assert list(links.columns) == LINKS.split()
    assert not links.duplicated(["reading", "informant", "term"]).any()
    first, second = (links[links["reading"] == reading] for reading in READINGS)
    assert set(first["direction"]) == {BEFORE}
    before = second["block"].isin(["pretreatment", "treatment"])
    assert set(second.loc[before, "direction"]) == {BEFORE}
    assert set(second.loc[~before, "direction"]) == {AFTER}
    entered = links["entered"].astype(bool)
    assert links.loc[entered, "estimate"].notna().all()
    assert links.loc[~entered, "estimate"].isna().all()


@pytest.mark.parametrize(("reading", "last"), [("as_1995", "outcome"), (OUTCOMES, "treatment")])
def test_what_explains_the_alliance(dyads, reading, last):
    links = stepwise_links(dyads, informants=("case_manager",)).query("reading == @reading")
    names = ("pretreatment", "treatment", "outcome")[: 3 if last == "outcome" else 2]
    blocks = {b: [t for t in BOOK.blocks[b] if t in dyads] for b in names}
    model = hierarchical_regression(dyads, "case_manager_alliance", blocks).coefficients
    wanted = model[model["block"] == last].set_index("term")["beta"].drop("intercept")
    explains = links[(links["direction"] == BEFORE) & links["entered"]].set_index("term")
    found = explains["estimate"].sort_index()
    pd.testing.assert_series_equal(found, wanted.sort_index(), check_names=False)


@pytest.mark.parametrize("reading", READINGS)
def test_what_moves_an_estimate_is_the_variable_that_it_changes_most_without(dyads, reading):
    links = stepwise_links(dyads, informants=("case_manager",)).query(
        "entered and reading == @reading"
    )
    blocks = ("pretreatment", "treatment", "outcome")[: 3 if reading == "as_1995" else 2]
    listed = [t for b in blocks for t in BOOK.blocks[b] if t in dyads]
    whole = dyads[["case_manager_alliance", *listed]].dropna()
    z = (whole - whole.mean()) / whole.std()
    terms = links.loc[links["direction"] == BEFORE, "term"].tolist()
    y = z["case_manager_alliance"]

    def beta(of, names):
        return dict(zip(names, np.linalg.lstsq(z[names], y)[0], strict=True))[of]

    assert len(terms) > 1
    for row in links[links["direction"] == BEFORE].itertuples():
        assert row.alone == pytest.approx(z[row.term].corr(y))
        without = {t: beta(row.term, [u for u in terms if u != t]) for t in terms if t != row.term}
        most = max(without, key=lambda t: abs(without[t] - row.estimate))
        assert (row.moved_by, row.without_it) == (most, pytest.approx(without[most]))


def test_outcomes_are_explained_by_the_alliance_in_the_second_reading(dyads):
    links = stepwise_links(dyads, informants=("case_manager",), terms=("symptoms",))
    link = links.set_index("reading").loc[OUTCOMES]
    blocks = {b: [t for t in BOOK.blocks[b] if t in dyads] for b in ("pretreatment", "treatment")}
    blocks["alliance"] = ["case_manager_alliance"]
    then = hierarchical_regression(dyads, "symptoms", blocks).coefficients
    row = then[(then["block"] == "alliance") & (then["term"] == "case_manager_alliance")].iloc[0]
    assert link["estimate"] == pytest.approx(row["beta"])
    assert link["p_value"] == pytest.approx(row["p_value"])
    width = row["beta"] / row["estimate"] * (row["conf_high"] - row["conf_low"])
    assert np.ptp(link[["conf_low", "conf_high"]]) == pytest.approx(width)


@pytest.mark.parametrize("rule", [{}, {"p_enter": 0.15, "p_remove": 0.15}], ids=["SPSS", "SAS"])
@pytest.mark.parametrize("reading", READINGS)
def test_claims_follow_from_what_is_entered(dyads, reading, rule):
    links = stepwise_links(dyads, **rule).query("reading == @reading")
    entered = links[links["entered"]].groupby("informant")["term"].agg(set)
    rows = assess(dyads, analyses=[reading], **rule).set_index(["finding", "claim", "informant"])
    said = rows["verdict"] == "supported"
    sign = np.sign(links.set_index(["informant", "term"])["estimate"])
    limits = f"(p {rule.get('p_enter', 0.05):g} to enter, {rule.get('p_remove', 0.1):g} to leave)"
    does = {"block_absence": "none of them", "block_difference": "different ones"}
    for claim in read_rules().claims:
        key = (claim.finding, claim.claim, claim.informant)
        about = set(claim.variables(BOOK))
        if claim.kind == "association" and claim.term:
            wanted = 1 if claim.sign == "positive" else -1
            assert said[key] == (sign.get((claim.informant, claim.term)) == wanted), key
        elif claim.kind in ("block_absence", "rate_absence"):
            assert said[key] == (not about & entered[claim.informant]), key
        elif claim.kind == "block_difference":
            assert said[key] == (about & entered["client"] != about & entered["case_manager"]), key
        if claim.kind not in ("modest", "all_of"):
            several = "at least one of them" if claim.composite else "it"
            entering = does.get(claim.kind, f"{several} with this sign")
            verb = f"enters {entering}" if claim.kind != "rate_absence" else "does not enter it"
            assert rows.loc[key, "criterion"] == f"stepwise regression {verb} {limits}"


def test_the_readings_differ_where_outcomes_go_together():
    """200 cohorts by another program: symptoms entered in 32 and in 98 %, living skills 51, 80."""
    entered = {
        seed: stepwise_links(
            simulate_dyads("published", 201, seed), terms=("symptoms", "living_skills")
        )
        for seed in range(60)
    }
    rates = pd.concat(entered).query("informant == 'case_manager'")
    rates = rates.groupby(["reading", "term"])["entered"].mean()
    for key, rate in {
        ("as_1995", "symptoms"): 0.32,
        ("as_1995", "living_skills"): 0.51,
        (OUTCOMES, "symptoms"): 0.98,
        (OUTCOMES, "living_skills"): 0.80,
    }.items():
        assert abs(rates[key] - rate) < 2.6 * np.sqrt(rate * (1 - rate) * (1 / 60 + 1 / 200)), key


def test_a_variable_outside_all_blocks_stands_with_the_outcomes(dyads):
    rng = np.random.default_rng(3)
    rating = dyads["client_alliance"]
    more = dyads.assign(attendance=rating / rating.std() + rng.normal(0, 1, len(dyads)))
    claim = Claim("5", "attendance", "association", "client", term="attendance")
    against = replace(claim, sign="negative")
    for reading, direction in zip(READINGS, (BEFORE, AFTER), strict=True):
        reader = Stepwise(more, BOOK, reading)
        assert reader.link("client", "attendance")["direction"] == direction
        assert reader.read(claim)[1][0] == "supported"
        assert reader.read(against)[1][0] == "not_supported"


def test_one_informant_without_ratings_is_a_reason(dyads):
    with pytest.raises(NotEstimableError, match="no ratings by the nurse"):
        Stepwise(dyads, BOOK).link("nurse", "symptoms")


@pytest.mark.parametrize("made", ["complete", "holes", "other", "before"])
def test_assumptions_name_the_verdicts_that_hang_on_them(dyads, made):
    """Each by `assess` on the same cohort, changed by hand; other data, another sentence."""
    rules, rng = read_rules(), np.random.default_rng(3)
    rating = dyads["client_alliance"]
    z = (rating - rating.mean()) / rating.std()
    heavy = np.exp(3 + 0.6 * z + 2 * rng.normal(size=len(dyads))).round()  # its log is linear in z
    few = rating.where(rng.random(len(dyads)) < 0.2)  # of no matter to the other's regressions
    changed = {"complete": {}, "holes": {"client_alliance": few}, "other": {"hospital_days": heavy}}
    changed |= {"before": {"hospital_days_before": heavy}}
    mine = dyads.dropna().assign(**changed[made])
    table = stepwise_links(mine, assumptions=rules).set_index("choice")["changes"]
    usual = assess(mine, analyses=["as_1995"])
    years = {"case_manager_experience_log": mine["case_manager_experience"]}
    days = {c: {c: np.log1p(mine[c])} for c in ("hospital_days", "hospital_days_before")}
    named = [*BOOK.blocks.values(), [BOOK.alliance_of(i) for i in BOOK.informants]]
    listed = {name for names in named for name in names}
    others = {
        "Direction of the regressions": assess(mine, analyses=[OUTCOMES]),
        "p to enter and to leave": assess(mine, analyses=["as_1995"], p_enter=0.15, p_remove=0.15),
        "Hospital days": assess(mine.assign(**days["hospital_days"]), analyses=["as_1995"]),
        "Hospital days before intake": assess(
            mine.assign(**days["hospital_days_before"]), analyses=["as_1995"]
        ),
        "Experience": assess(mine.assign(**years), analyses=["as_1995"]),
        "Missing values": assess(mine.dropna(subset=[*listed]), analyses=["as_1995"]),
    }
    parts = [c.claim for c in rules.claims if c.kind == "all_of"]
    for choice, other in others.items():
        changed = other[(other["verdict"] != usual["verdict"]) & ~other["claim"].isin(parts)]
        said = [
            f"{rules.texts[row.finding, row.claim, row.informant]}: {row.verdict.replace('_', ' ')}"
            for row in changed.itertuples()
        ]
        assert table[choice] == ("; ".join(said) or "no verdict")
    assert table["Direction of the regressions"] != "no verdict"
    assert (table["Missing values"] != "no verdict") == (made == "holes")
    assert ("hospital" in table["Hospital days"]) == (made == "other")
    assert (table["Hospital days before intake"] != "no verdict") == (made == "before")


def test_assumptions_are_those_of_the_study(dyads):
    rules, whole = read_rules(), dyads.dropna()
    table = stepwise_links(whole, assumptions=rules).set_index("choice")["changes"]
    sas = stepwise_links(dyads, assumptions=rules, p_enter=0.15, p_remove=0.15)
    assert "0.15 and 0.15" in set(sas["taken"])
    assert "not estimable" not in " ".join(table)
    own = {"Hospital days", "Hospital days before intake", "Experience"}
    assert own <= set(table.index)
    gone = whole.drop(columns=["hospital_days", "hospital_days_before", "case_manager_experience"])
    left = stepwise_links(gone, assumptions=rules)["choice"]
    assert not own & set(left)
    choices = {"The two ratings", "Clients who share a case manager"}
    assert choices <= set(table.index)
    one = {i: entry for i, entry in BOOK.informants.items() if i == "client"}
    alone = replace(BOOK, informants=one, case_manager="")
    assert not choices & set(stepwise_links(whole, alone, assumptions=rules)["choice"])
    later = [replace(c, kind="within") for c in rules.claims]  # claims over time have no readings
    assert stepwise_links(whole, assumptions=replace(rules, claims=tuple(later))).empty
