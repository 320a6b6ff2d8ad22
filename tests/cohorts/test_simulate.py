"""The synthetic studies: targets met, parts consistent, seeds honest, errors in words."""

from __future__ import annotations

import json
from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal, norm, skew

from alliance_helpers.cohorts import population as populations
from alliance_helpers.cohorts.draws import PARTS, draw, draw_stays, stream
from alliance_helpers.cohorts.population import (
    Steps,
    made_of,
    population,
    read_scenarios,
    truth_table,
)
from alliance_helpers.cohorts.simulate import simulate_dyads, simulate_study, write_study
from alliance_helpers.errors import OutputError, ParameterError, ScenarioError
from alliance_helpers.paths import CALIBRATION, LIST, RAW, SCENARIOS
from alliance_helpers.study.clean import clean
from alliance_helpers.study.days import hospital_days
from alliance_helpers.study.load import load_study
from alliance_helpers.study.read_codebook import read_codebook
from tools.calibrate.__main__ import laid_out, tried
from tools.calibrate.latent import item_scale, step_moments, tilted_mean
from tools.calibrate.realised import calibration_table, realised
from tools.calibrate.scenarios import TAGS
from tools.calibrate.targets import calibrate

SHIPPED = [
    "published", "no_association", "halo", "hospital_effect", "pretreatment_effect",
    "client_treatment",
]  # fmt: skip
LARGE = 150_000


def changed(name="published", **edits):
    """A shipped scenario with links added (`links`) or settings overwritten (`set`), calibrated."""
    raw = deepcopy(read_scenarios())
    raw["scenarios"]["edited"] = {"title": "edited", "extends": name, **edits}
    return calibrate(raw, "edited")


def assumed(value):
    return {"value": value, "tag": "assumed"}


# The attenuation that everything rests on, against numbers from elsewhere -------------------------


@pytest.mark.parametrize(("a", "b", "rho"), [(0.3, -1.1, 0.6), (-1.5, 2.0, -0.45), (0, 0, 0.9)])
def test_hermite_series_agrees_with_the_bivariate_normal(a, b, rho):
    x, y = (Steps(np.array([t]), np.array([0.0, 1.0])) for t in (a, b))
    (_, _, x), (_, _, y) = map(step_moments, (x, y))
    series = x * y @ rho ** np.arange(1, len(x) + 1)
    both = multivariate_normal.cdf([-a, -b], cov=[[1, rho], [rho, 1]])
    # 30 terms leave out rho**31 / 31**1.5: 2e-4 at .9, below 1e-9 at .6.
    tolerance = 5e-4 if rho == 0.9 else 1e-6
    assert series == pytest.approx(both - norm.cdf(-a) * norm.cdf(-b), abs=tolerance)


def test_two_alike_halves_have_the_arcsine_correlation():
    scale = item_scale([0.5, 0.5], np.zeros(2, int), alpha=2 / 3, low=0)
    # alpha 2/3 of two items is r = .5 (Spearman-Brown); of halves, r = 2/pi asin(rho).
    assert scale.general == pytest.approx(np.sin(np.pi / 4), abs=1e-3)


def test_tilted_mean_of_a_scale_is_that_of_its_distribution():
    rng = np.random.default_rng(1)
    scale = item_scale([0.05, 0.15, 0.3, 0.5], np.arange(12) % 3, 0.9, 0.3, 0.2)
    g = rng.standard_normal((200_000, 1))
    s = rng.standard_normal((200_000, 3))[:, scale.groups]
    e = rng.standard_normal((200_000, 12))
    x = np.sqrt(scale.general) * g + np.sqrt(scale.specific) * s
    x += np.sqrt(1 - scale.general - scale.specific) * e
    total = sum((x > cut).sum(axis=1) for cut in scale.cuts.T)
    z = (total - total.mean()) / total.std()
    weight = np.exp(-0.3 * z)
    # Monte Carlo error of a mean of 200,000 about 0.0025; four of them.
    assert tilted_mean(scale, -0.3) == pytest.approx((weight * z).sum() / weight.sum(), abs=0.01)
    assert tilted_mean(scale, 1e-6) == pytest.approx(0, abs=1e-4)


# Targets -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", SHIPPED)
def test_a_large_cohort_realises_every_target(scenario):
    made = population(scenario)
    truth = truth_table(made, LARGE)
    truth["realised"] = realised(draw(made, LARGE, seed=3), truth)
    # SD over cohorts of 201 (calibration table), shrunk to this size; five of them.
    spread = {"r": 0.10, "case_manager_share": 0.08, "alpha": 0.023, "d": 0.13, "rate_ratio": 0.07}
    spread |= {"zero_share": 0.03, "cap_share": 0.016, "caseload_spread": 0.2}
    for quantity, sd in spread.items():
        rows = truth[truth["quantity"] == quantity]
        off = (rows["realised"] - rows["target"]).abs()
        assert off.max() < 5 * sd * np.sqrt(201 / LARGE), rows[off == off.max()].to_string()
    for quantity, tolerance in (("mean", 0.03), ("sd", 0.03), ("effective_n", 0.06)):
        rows = truth[truth["quantity"] == quantity]
        size = truth["term"].map(truth[truth["quantity"] == "sd"].set_index("term")["target"])
        unit = rows["target"] if quantity != "mean" else size.reindex(rows.index).fillna(220)
        assert ((rows["realised"] - rows["target"]).abs() < tolerance * unit).all()


def test_cohorts_of_201_agree_with_the_targets_on_average():
    table = calibration_table(n_seeds=60).set_index(["quantity", "informant", "term"])
    r = table.loc["r"]
    # Five Monte Carlo errors, and .01 for what 45 case managers take off (a ratio of variances).
    assert ((r["mean"] - r["target"]).abs() < 5 * r["mc_error"] + 0.01).all()
    managers = r.loc["case_manager", ["sd"]].loc["caseload_difficulty"]
    assert 0.07 < managers["sd"] < 0.13
    for who, term, worth in (
        ("client", "caseload_difficulty", 149),
        ("case_manager", "caseload_difficulty", 87),
        ("case_manager", "symptoms", 182),
    ):
        row = table.loc[("effective_n", who, term)]
        assert row["target"] == pytest.approx(worth, abs=0.5)
        assert row["mean"] == pytest.approx(worth, abs=12)


def test_scenarios_differ_only_where_they_say():
    r = {}
    for name in SHIPPED:
        truth = truth_table(population(name), 201)
        r[name] = truth[truth["quantity"] == "r"].set_index(["informant", "term"])["target"]
    alliance = [i for i in r["published"].index if i[0] or "alliance" in i[1]]
    assert (r["no_association"][alliance] == 0).all()
    halo = r["halo"][alliance]
    assert set(halo[halo != 0].index) == {
        ("client", "client_outcome"),
        ("case_manager", "case_manager_outcome"),
    }
    moved = r["hospital_effect"] - r["published"]
    assert set(moved[moved != 0].index) == {
        (w, "hospital_days") for w in ("client", "case_manager")
    }


def test_answers_are_ordinal_with_a_ceiling_and_keyed_as_the_form():
    drawn = draw(population(), 4000, seed=1)
    book = read_codebook()
    for name, raw in drawn.items.items():
        low, high = book.scales[name].limits
        assert (raw.min(), raw.max()) == (low, high)
    wai = drawn.items["client_alliance"]
    signed = np.array(sorted(sum(book.scales["client_alliance"].keys.values(), ()), key=abs))
    with_total = [np.corrcoef(x, drawn.scores["client_alliance"])[0, 1] for x in wai.T]
    assert (np.sign(with_total) == np.sign(signed)).all()
    keyed = np.where(signed < 0, 8 - wai, wai)
    assert (keyed.sum(axis=1) == drawn.scores["client_alliance"]).all()
    assert (keyed == 7).mean() > 0.25  # a ceiling: no other answer is as frequent
    assert all((keyed == 7).mean() > (keyed == a).mean() for a in range(1, 7))
    # SE of a skewness at n = 4,000 is about .04.
    assert skew(drawn.scores["client_alliance"]) < -0.4
    assert skew(drawn.scores["case_manager_alliance"]) < -0.2
    assert skew(drawn.scores["symptoms"]) > 0.4


def test_every_number_has_a_tag_and_its_source():
    raw = read_scenarios()
    assert list(raw["scenarios"]) == SHIPPED
    leaves = []

    def walk(node):
        if isinstance(node, dict) and "value" not in node:
            for child in node.values():
                walk(child)
        else:
            leaves.append(node)

    for part in raw:
        if part != "scenarios":
            walk(raw[part])
    links = [link for entry in raw["scenarios"].values() for link in entry.get("links", [])]
    assert len(leaves) > 60
    assert all(leaf["tag"] in TAGS for leaf in leaves + links)
    assert all(leaf.get("source") for leaf in leaves + links if leaf["tag"] != "assumed")


# The two ways to the same clients ----------------------------------------------------------------


def test_study_cleans_to_the_dyads_it_was_drawn_from():
    study = simulate_study("published", 300, seed=8)
    cleaned = clean(study)
    dyads = simulate_dyads("published", 300, seed=8).set_index("client_id")
    got = cleaned.dyads.set_index("client_id")
    assert set(dyads) <= set(got)
    for name in ("case_manager_id", "site", "site_type"):
        assert (got[name] == dyads[name]).all()
    untouched = [c for c in dyads if c.startswith(("case_manager_age", "case_manager_exp", "hosp"))]
    untouched += ["client_age", "client_female", "schizophrenia", "caseload_difficulty"]
    pd.testing.assert_frame_equal(got[untouched], dyads[untouched], check_exact=True)
    for scale in ("client_alliance", "case_manager_alliance", "symptoms", "living_skills"):
        whole = got[f"{scale}_n_missing"] == 0
        assert 0.5 < whole.mean() < 1
        assert np.allclose(got.loc[whole, scale], dyads.loc[whole, scale], atol=1e-9)
        prorated = got[scale].notna() & ~whole
        # One of 8 items, its residual SD about 1.3 of the scale's, moves the mean by .16 SD.
        moved = got.loc[prorated, scale] - dyads.loc[prorated, scale]
        assert 0 < moved.std() < 0.35 * dyads[scale].std()


def test_every_kind_of_dirt_is_there_and_is_logged():
    study = simulate_study(seed=4)
    log = clean(study).log
    kinds = set(map(tuple, log[["table", "rule"]].drop_duplicates().to_numpy()))
    assert kinds >= {
        ("client_interviews", "spelling"),
        ("case_managers", "spelling"),
        ("client_interviews", "missing code"),
        ("case_manager_forms", "missing code"),
        ("case_manager_forms", "an earlier duplicate"),
        ("case_manager_forms", "outside 0 to 100"),
        ("clinical_ratings", "outside 1 to 7"),
        ("clinical_ratings", "outside 0 to 100"),
        ("hospital_episodes", "overlapping or adjoining stays"),
    }
    items = study.tables["client_interviews"].filter(regex="wai_c|outcome_c|living")
    assert items.isna().any(axis=None)
    assert items[items != -9].min(axis=None) >= 1


@pytest.mark.parametrize(("n", "seed"), [(2, 0), (7, 1), (201, 1995), (5000, 2)])
def test_stays_add_up_to_the_days_drawn(n, seed):
    drawn = draw(population(), n, seed)
    client, admission, discharge = draw_stays(drawn)
    intake = pd.Series(drawn.intake).astype("datetime64[us]")
    stays = pd.DataFrame(
        {
            "client_id": client,
            "admission": drawn.intake[client] + admission,
            "discharge": drawn.intake[client] + discharge,
        }
    )
    years = pd.DateOffset(years=2)
    after = hospital_days(stays, intake, intake + years)
    before = hospital_days(stays, intake - years, intake)
    assert (after.to_numpy() == drawn.scores["hospital_days"]).all()
    assert (before.to_numpy() == drawn.scores["hospital_days_before"]).all()
    assert (discharge > admission).all()
    if n > 1000:
        inside = (admission > -drawn.window_before[client]) & (discharge < drawn.window[client])
        across = (admission < 0) & (discharge > 0)
        assert across.mean() > 0.02
        assert 0.02 < 1 - inside.mean() < 0.3  # some begin before or end after the windows
        same = client[1:] == client[:-1]
        assert (same & (admission[1:] < discharge[:-1])).any()  # overlapping
        assert (same & (admission[1:] == discharge[:-1])).any()  # adjoining
        assert (same & (discharge[1:] < discharge[:-1])).any()  # nested


# Seeds -------------------------------------------------------------------------------------------


def test_a_seed_gives_one_study_and_another_seed_another():
    first, again, other = (simulate_study("halo", 60, seed) for seed in (5, 5, 6))
    for name, table in first.tables.items():
        pd.testing.assert_frame_equal(table, again.tables[name])
        assert not table.equals(other.tables[name])


def test_a_cohort_changed_in_place_is_the_only_one_that_changes():
    dyads = simulate_dyads(n_clients=30)
    dyads.loc[0, "client_id"] = "mine"
    assert simulate_dyads(n_clients=30).loc[0, "client_id"] == "C001"


def test_parts_draw_from_their_own_spawned_streams():
    children = np.random.SeedSequence(1995).spawn(len(PARTS))
    for part, child in zip(PARTS, children, strict=True):
        assert stream(1995, part).random() == np.random.default_rng(child).random()
    firsts = [stream(1995, part).random() for part in PARTS]
    firsts += [stream(1995, "dirt", t).random() for t in ("case_managers", "clinical_ratings")]
    assert len(set(firsts)) == len(firsts)


def test_gaps_and_dirt_leave_the_draws_alone():
    gaps = {"missing": {"item": assumed(0.2)}, "dirt": {"bprs_out_of_range": assumed(0.1)}}
    plain, spoiled = population(), made_of(changed(set=gaps), read_codebook())
    a, b = (draw(made, 80, 7) for made in (plain, spoiled))
    assert all((a.items[name] == b.items[name]).all() for name in a.items)
    assert all((a.scores[name] == b.scores[name]).all() for name in a.scores)


# Sizes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3, 11, 50])
def test_small_studies_hold_together(n):
    study = simulate_study("published", n, seed=1)
    assert not study.examined.problems
    assert len(study.tables["client_interviews"]) == n
    assert study.truth.set_index("quantity").loc["n_clients", "target"] == n


def test_case_managers_scale_with_clients():
    dyads = simulate_dyads(n_clients=20_000, seed=2)
    loads = dyads["case_manager_id"].value_counts()
    assert len(loads) == round(20_000 * 45 / 201)
    assert loads.min() >= 1
    assert (loads**2).sum() / 20_000 == pytest.approx(5.37, abs=0.1)  # SD .02 at this size
    assert dyads["site"].nunique() == 10
    types = dyads.groupby("site")["site_type"].unique()
    assert sum(t[0] == "neuropsychiatric" for t in types) == 4
    assert dyads.select_dtypes("number").dtypes.eq(float).all()


# Targets that cannot be, and arguments that cannot be used ----------------------------------------


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        (
            {"links": [{"of": ["client_alliance", "symptoms"], "r": 0.95, "tag": "assumed"}]},
            r"client_alliance with symptoms \(r 0.95\) cannot be reached; .*allow",
        ),
        (
            {"links": [{"of": ["case_manager_alliance", "client_outcome"], "r": -0.6,
                        "tag": "assumed", "level": "within"}]},
            r"cannot hold together within case managers.*client_outcome",
        ),
        (
            {"links": [{"of": ["caseload_difficulty", "client_alliance"], "r": 0.5,
                        "tag": "assumed"}]},
            r"caseload_difficulty with client_alliance \(r 0.5\) cannot be reached at the level",
        ),
        (
            {"links": [{"of": ["symptoms", "shoe_size"], "r": 0.1, "tag": "assumed"}]},
            "shoe_size.*not simulated",
        ),
        (
            {"links": [{"of": ["symptoms", "living_skills"], "rate_ratio": 0.8,
                        "tag": "assumed"}]},
            "a rate ratio links one of hospital_days",
        ),
        ({"links": [{"of": ["symptoms", "living_skills"], "r": 0.1}]}, "cannot use the link"),
        ({"links": [{"of": ["symptoms", "contacts"], "r": 1.5, "tag": "assumed"}]}, "correlation"),
        ({"set": {"scales": {"symptoms": {"alpha": assumed(0.999)}}}}, "alphas of .* not 0.999"),
        ({"set": {"scales": {"symptoms": {"alpha": 0.8}}}}, "bare 0.8"),
        ({"set": {"scales": {"symptoms": {"alpha": assumed("high")}}}}, "write a number"),
        ({"set": {"scales": {"symptoms": {"shares": assumed([0.5, 0.5])}}}}, "7 shares, 2"),
        (
            {"set": {"scales": {"symptoms": {"case_manager_share": assumed(0.97)}}}},
            "share of case managers in symptoms cannot be 0.97",
        ),
        (
            {"set": {"hospital": {"hospital_days": {"general": {"mean": assumed(700)}}}}},
            "cannot have mean 700",
        ),
        ({"set": {"study": {"caseload_spread": assumed(300)}}}, "caseload_spread is too large"),
        ({"extend": "published"}, "unknown entry 'extend'"),
    ],
)  # fmt: skip
def test_targets_that_cannot_be_reached_are_named(edits, message):
    with pytest.raises(ScenarioError, match=message):
        changed(**edits)


@pytest.mark.parametrize(
    ("part", "entry", "value"),
    [("other", "stays", {"days": 90}), ("measures", "client_age", {"mean": 46, "sd": 11})],
)
def test_entries_that_lack_a_number_are_told(part, entry, value):
    raw = deepcopy(read_scenarios())
    raw[part][entry] = assumed(value)
    with pytest.raises(ScenarioError, match=r"'halo' cannot be drawn from.*every number"):
        tried(raw, "halo")


def test_unknown_scenario_names_those_there_are():
    with pytest.raises(ScenarioError, match=r"'null'; use one of published, no_association, halo"):
        simulate_dyads("null")


@pytest.fixture
def scenarios(tmp_path, monkeypatch):
    """The scenarios' file, copied, and read anew."""
    file = tmp_path / SCENARIOS.name
    file.write_bytes(SCENARIOS.read_bytes())
    monkeypatch.setattr(populations, "SCENARIOS", file)
    population.cache_clear()
    yield file
    population.cache_clear()


def test_scenarios_are_read_as_data_only(scenarios):
    scenarios.write_text("scenarios: !!python/object/apply:os.getcwd []", encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"scenarios\.yml, row 1: uses the YAML tag"):
        population()


def test_a_scenario_without_its_calibration_names_the_command(scenarios):
    text = scenarios.read_text(encoding="utf-8")
    own = "  mine: {extends: halo, set: {missing: {item: {value: 0.02, tag: assumed}}}}\n"
    scenarios.write_text(text.replace("rate_ratio: 0.75", "rate_ratio: 0.8") + own)
    for name in ("mine", "hospital_effect"):
        with pytest.raises(ScenarioError, match=rf"'{name}'.*`python -m tools\.calibrate` in"):
            population(name)
    assert population("halo").settings["missing"]["item"] == 0.006  # neither new nor changed


def test_the_shipped_calibration_is_what_the_tool_makes_of_the_scenarios():
    shipped = json.loads(CALIBRATION.read_text(encoding="utf-8"))
    raw = read_scenarios()
    assert list(shipped) == list(raw["scenarios"])
    for name in shipped:
        made = json.loads(laid_out(calibrate(raw, name)))
        assert made["digest"] == shipped[name]["digest"]
        assert _numbers(made) == pytest.approx(_numbers(shipped[name]), abs=1e-12)


def _numbers(node, place=""):
    """What a calibration holds, by place."""
    if not isinstance(node, dict | list):
        return {place: node}
    inner = node.items() if isinstance(node, dict) else enumerate(node)
    return {k: v for key, part in inner for k, v in _numbers(part, f"{place}/{key}").items()}


@pytest.mark.parametrize(
    ("n", "seed", "message"),
    [
        (1, 0, "n_clients is 1"),
        (20.5, 0, "n_clients is 20.5"),
        (True, 0, "n_clients is True"),
        (10**8, 0, "to 10,000,000"),
        (20, -1, "seed is -1"),
        (20, "x", "seed is 'x'"),
    ],
)
def test_arguments_that_cannot_be_used(n, seed, message):
    with pytest.raises(ParameterError, match=message):
        simulate_dyads("published", n, seed)


# Writing -----------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Item .* negative correlation")  # chance, at n = 30
def test_a_written_study_reads_back(tmp_path):
    study = simulate_study(n_clients=40, seed=2)
    out = write_study(study, tmp_path / "deep" / "study")
    assert "SYNTHETIC" in (out / "README.md").read_text(encoding="utf-8")
    assert list(pd.read_csv(out / "truth.csv")) == [
        "quantity",
        "informant",
        "term",
        "target",
        "tag",
    ]
    pd.testing.assert_frame_equal(clean(load_study(out)).dyads, clean(study).dyads)
    write_study(simulate_study(n_clients=30, seed=3), out)  # an earlier synthetic study is replaced
    assert len(load_study(out).tables["client_interviews"]) == 30
    assert [p.name for p in out.parent.iterdir()] == ["study"]


def test_the_shipped_cohort_is_the_one_that_is_simulated(tmp_path):
    again = write_study(simulate_study(), tmp_path / "raw")
    (again / LIST).unlink()
    made, shipped = ({p.name: p.read_bytes() for p in f.iterdir()} for f in (again, RAW))
    assert made == shipped


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"holds 1 file .*notes\.txt"):
        write_study(simulate_study(n_clients=20), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_a_study_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    study, out = simulate_study(n_clients=20), tmp_path / "study"
    write_study(study, out)
    before = {p.name: p.read_bytes() for p in out.iterdir()}
    written = []

    def full(self, path, **_):
        written.append(path)
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        path.write_text("x")

    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    with pytest.raises(OutputError, match="No space left"):
        write_study(simulate_study(n_clients=30), out)
    assert {p.name: p.read_bytes() for p in out.iterdir()} == before
    assert [p.name for p in tmp_path.iterdir()] == ["study"]
