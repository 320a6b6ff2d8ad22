"""Sentences that depend on data hold the numbers of their tables: other data, other sentences.

All that two runs on different data say in sentences, captions, notes and texts of figures. Which
words a sentence takes is tested where it is made, in `tests/pages` and `tests/claims`.
"""

import json
import re
from functools import cache
from html import unescape

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup

from alliance_helpers.claims.assess import assess, verdict_rates
from alliance_helpers.claims.planning import plan
from alliance_helpers.claims.rules import KEY, read_rules, read_stress
from alliance_helpers.claims.verdicts import QUICK
from alliance_helpers.claims.views import KAPPAS
from alliance_helpers.cohorts.cohort import open_cohort
from alliance_helpers.models.inference import bayes_factor_block, bayes_factor_correlation
from alliance_helpers.pages import plots
from alliance_helpers.pages.front import front_page
from alliance_helpers.pages.paper import _figures, _text
from alliance_helpers.pages.report import read_run
from alliance_helpers.pages.tables import then_and_now, verdict_sentences
from alliance_helpers.paths import NOTEBOOKS
from alliance_helpers.running.sequence import run_sequence
from alliance_helpers.study.read_codebook import read_codebook
from alliance_helpers.teaching.nothing import noise_edge

BOOK = read_codebook()
NUMBER = re.compile(r"(?<![\w.])[−-]?(?:\d[\d,]*)?\.?\d+(?![\w])")
SAID = "ul.sentences li, caption, p.below, ol.below li, p.source, p.synthetic"
FRONT = ".told li, p.lead, p.sure, svg title, .answer figcaption, .scorecard small"
OF_NO_TABLE = ("days: observed", "test of this precision")  # see tests/pages/test_plots.py


def value(text: str) -> float:
    return float(text.replace("−", "-").replace(",", ""))


@cache
def told(run) -> dict[str, list[str]]:
    """What a run says, by notebook; the first page and the scorecard as `report`."""
    found = {}
    for path in sorted((run / "notebooks").glob("*.ipynb")):
        said = found[path.stem] = []
        for cell in nbformat.read(path, as_version=4).cells:
            for output in cell.get("outputs", []):
                picture = output.get("metadata", {}).get("image/png", {})
                said += [picture[k] for k in ("alt", "caption") if k in picture]
                page = BeautifulSoup(output.get("data", {}).get("text/html", ""), "html.parser")
                said += [one.get_text(" ") for one in page.select(SAID)]
    page = BeautifulSoup((run / "report.html").read_text("utf-8"), "html.parser")
    found["report"] = [one.get_text(" ") for one in page.select(FRONT)]
    found["paper"] = paper(run)
    return {k: [" ".join(unescape(t).split()) for t in said] for k, said in found.items()}


def paper(run) -> list[str]:
    """The sentences of the results of a manuscript, without its tables, and what figures show."""
    made = read_run(run)
    book, rules = made.words()
    text = _text(made, rules, book, figures := _figures(made, rules, book))
    for _, ax in figures.values():
        plt.close(ax.figure)
    said = text.replace("\\", "").split("# Results")[1].split("# Data and code")[0].split("\n")
    said = [re.sub(r"\{.*?\}|\(figures/.*?\)|\*|Table \d+|Figure \d+", "", one) for one in said]
    return [
        part for one in said if one[:1] not in "|`:" for part in re.split(r"(?<=[a-z)]\.) ", one)
    ]


def of_rules() -> list[float]:
    """Numbers that rules and settings hold, whatever the data."""
    rules, found = read_rules(), [0, 0.001, 1, 36, 90, 95, 201, 1995, *KAPPAS]
    found += [*rules.bounds.values(), *(len(c.of) for c in rules.claims)]
    for entry in read_stress().values():
        found += [v for v in entry.values() if isinstance(v, (int, float))]
    return found


def of_table(path) -> list:
    """Its numbers, those in its texts, how many rows it has, and how many of each kind."""
    frame = pd.read_csv(path, dtype={"finding": str})
    found = [[len(frame)], frame.select_dtypes("number").to_numpy(float).ravel()]
    for column in frame.select_dtypes(exclude="number"):
        texts = frame[column].dropna().astype(str)
        found += [texts.value_counts(), [value(n) for text in texts for n in NUMBER.findall(text)]]
    if {*KEY, "verdict"} <= {*frame}:
        found += [frame.groupby(KEY).size(), frame.groupby(KEY)["verdict"].value_counts()]
    return found


@cache
def beside(run, name: str) -> np.ndarray:
    """The numbers of the tables that a notebook saves, and of what it was run with."""
    about, dyads = (
        json.loads((run / "run.json").read_text()),
        pd.read_parquet(run / "dyads.parquet"),
    )
    numbers = [n for n in about["parameters"].values() if isinstance(n, int)]
    found = [of_rules(), [len(dyads), about["seed"]], numbers]
    if name == "paper":
        paths = [run / "findings.csv", *(run / "tables").glob("*.csv")]
    elif name == "report":
        rates = [verdict_rates(n)["supported"] for n in (60, 201)]
        paths, found = [run / "findings.csv"], [*found, *rates, [60, 201]]
    else:
        text = (run / "notebooks" / f"{name}.ipynb").read_text("utf-8")
        text += '\\"associations\\"'  # one figure shows a part of it
        paths = [p for p in (run / "tables").glob("*.csv") if f'\\"{p.stem}\\"' in text]
        pairs = dyads[["client_alliance", "case_manager_alliance"]].dropna()
        found += [pairs.mean(), [len(pairs)]]
    for path in paths:
        found += of_table(path)
    known = np.concatenate([np.asarray(part, float) for part in found])
    return np.concatenate([known, -known, 100 * known])


def lost(said: list[str], known: np.ndarray) -> list[tuple[str, str]]:
    """Numbers that no table has, to the decimals that are printed, and their sentences."""
    found = []
    for text in said:
        for one in NUMBER.findall(text):
            unit = 0.5 * 10.0 ** -len(one.partition(".")[2]) + 1e-9
            if not (np.abs(known - value(one)) <= unit).any():
                found.append((one, text))
    return found


@pytest.fixture(scope="module")
def runs(shipped_run, tmp_path_factory):
    """Beside the shipped cohort another truth, with as many clients as ten case managers have."""
    given = {"scenario": "hospital_effect", "n_clients": 60, "seed": 7}
    other = run_sequence(given, tmp_path_factory.mktemp("other") / "results", jobs=2)
    assert not other.failed
    return shipped_run.out, other.out


def test_numbers_are_those_of_the_tables_beside_them(runs):
    for run in runs:
        for place, said in told(run).items():
            if place != "report":
                said = [t for t in said if not any(part in t for part in OF_NO_TABLE)]
                assert lost(said, beside(run, place)) == [], place


def slots(said: list[str]) -> dict[str, list[list[str]]]:
    """The numbers of sentences by what is left without them and without verdicts."""
    found = {}
    for text in said:
        frame = NUMBER.sub("#", re.sub(r"(not )?supported|inconclusive", "V", text))
        found.setdefault(frame, []).append(NUMBER.findall(text))
    return found


def test_other_data_have_other_numbers(runs):
    """What both runs say has no number that stands still, but in their tables and in rules."""
    (first, other), still, changed = [told(run) for run in runs], 0, 0
    rules = np.array(of_rules())
    for place in first:
        one, two = slots(first[place]), slots(other[place])
        known = [beside(run, place) for run in runs]
        for frame in one.keys() & two.keys():
            pairs = zip(zip(*one[frame], strict=True), zip(*two[frame], strict=True), strict=True)
            for here, there in pairs:
                if set(here) != set(there):
                    changed += 1
                elif lost(here, rules):
                    still += 1
                    assert not any(lost(here, table) for table in known), frame
    assert changed > 400 and still < 0.1 * changed


def rests_on(row: dict, run, tables: dict[str, pd.DataFrame]) -> list:
    """What the criterion of a row may name: its own numbers, rules, and what its test looked at."""
    n, settings = len(pd.read_parquet(run / "dyads.parquet")), read_stress()
    found = [v for v in row.values() if isinstance(v, float)]
    if row["analysis"] == "attrition":
        steps = settings["attrition"]["steps"]
        found += [n - row["n"], *np.linspace(-1, 1, steps), *np.linspace(0, 1, steps)]
        found += [*np.exp(np.linspace(-np.log(4), np.log(4), steps))]
    if row["analysis"] == "selection":
        mine = tables["selection_inclusion"].query(f"informant == '{row['informant']}'")
        doubled = 2 ** np.arange(settings["selection"]["doublings"] + 1)
        found += [*(settings["selection"]["n_boot"] * doubled)]  # of more resamples than the table
        noise = (100 * mine["noise_inclusion"].dropna()).round()
        found += [percent + by for percent in noise for by in (-2, -1, 0, 1, 2)]
    if row["analysis"] == "bayes":
        of, worth, how = row["estimate"], row["n_effective"], settings["bayes"]
        found.append(1 / bayes_factor_correlation(of, worth, how["kappa"]))
        found += [1 / bayes_factor_block(abs(of), worth, k, how["r_scale"]) for k in range(1, 9)]
    if row["analysis"] == "imputed":
        found += [settings["imputed"]["m"], n]
    if row["analysis"] == "holm":
        found += range(2, 9)  # the associations of a finding
    if row["analysis"] == "multiverse":
        told = tables["joint_tests"]
        found += [*told.loc[told["claim"] == row["text"], "n_specifications"]]
    return found


def test_a_criterion_rests_on_its_own_row(runs):
    """Not on those of other rows, among which any number is found; other data, other numbers."""
    texts, told = read_rules().texts, []
    rules = np.array([sign * value for value in of_rules() for sign in (1, -1)])
    for run in runs:
        tables = {p.stem: pd.read_csv(p, dtype={"finding": str}) for p in run.glob("tables/*.csv")}
        rows = pd.concat([tables["robustness"], tables["robustness_specifications"]])
        rows = rows.dropna(subset=["estimate"])
        told.append({})
        for row in rows.to_dict("records"):
            row["text"] = texts[tuple(row[k] for k in KEY)]
            said = row["criterion"]
            known = np.array([*rests_on(row, run, tables), *rules], float)
            known = np.concatenate([known, -known, 100 * known])
            assert lost([said], known[np.isfinite(known)]) == [], row
            own = [one for one in NUMBER.findall(said) if lost([one], rules)]
            told[-1][*(row[k] for k in KEY), row["analysis"]] = own
    first, other = told
    both = [key for key in first.keys() & other.keys() if first[key] and other[key]]
    alike = [key for key in both if first[key] == other[key]]
    assert len(both) > 20 and len(alike) < 0.2 * len(both), alike


PLANS = ("symptoms", 0.25, "12"), ("4/hospital_days/client", 1.0, "20"), ("modest", 0.3, "15")


@pytest.mark.parametrize(("claim", "effect", "managers"), PLANS)
def test_a_plan_says_the_numbers_of_its_own_table(claim, effect, managers):
    """Another effect, number of clients and seed: no number of the sentences stands still."""
    said = []
    for more, clients, seed in ((0.0, "3", 1), (0.05, "6", 2)):
        found = plan(claim, effect + more, managers, clients, cohorts=40 + 20 * seed, seed=seed,
                     missing=more, reliability=0.8 + more, jobs=1)  # fmt: skip
        numbers = found.rates.select_dtypes("number").to_numpy(float).ravel()
        design = [v for v in vars(found.design).values() if isinstance(v, (int, float))]
        known = np.array([*numbers, *design, *found.design.shares, found.wanted, found.cohorts])
        known = np.array([*known, 100 * found.wanted, seed, 2, 1, *of_rules()], float)
        known = np.concatenate([known, 100 * known])
        ax = plots.design_grid(found.rates, found.right, found.wanted)
        said.append([*found.paragraph.split(". "), found.caption, ax.figure.get_label()])
        plt.close(ax.figure)
        assert lost(said[-1], known) == []
        alone = "site type and days before held constant and no other pretreatment variable"
        assert (alone in found.paragraph) is claim.startswith("4/")
    (one, two), other = map(slots, said), found.design.other_share
    fixed = np.array([*of_rules(), 80, 1, 2, float(managers), *found.design.shares, other])
    for frame in one.keys() & two.keys():
        for here, there in zip(one[frame], two[frame], strict=True):
            still = [n for n, m in zip(here, there, strict=True) if n == m]
            assert lost(still, fixed) in ([], [(managers, managers)] * len(lost(still, fixed))), (
                frame
            )


CASELOAD = ["age", "experience", "caseload_difficulty"]


def rate(analysis: str) -> float:
    """How often claims about case managers' own characteristics are supported and untrue."""
    rates = verdict_rates().query("finding == '2' and claim in @CASELOAD and not true")
    return rates.loc[rates["analysis"] == analysis, "supported"].mean()


@pytest.mark.parametrize(
    ("name", "said", "found", "about"),
    [
        ("02_descriptives", "(.84 of what it would be at an alpha of .70)", 0.7**0.5, 0.84),
        ("05_finding_2", "a two-sided 5 % test", 2 * rate("as_published"), 0.2),  # of both signs
        ("05_finding_2", "reject in about one in five cohorts", 2 * rate("as_published"), 0.2),
        ("09_summary", "about four times as often", rate("as_published") / rate("adjusted"), 4),
        ("robustness_stress", "one noise variable in twenty comes back", noise_edge(0.05), 0.5),
    ],
)
def test_a_text_says_what_simulated_cohorts_say(name, said, found, about):
    """The numbers that stand in a notebook itself, whatever the data."""
    assert said in (NOTEBOOKS / f"{name}.ipynb").read_text("utf-8")
    assert found == pytest.approx(about, rel=0.1)


def sentences(dyads: pd.DataFrame) -> dict[tuple, list[str]]:
    """What is said of each single claim below its notebook, in the scorecard, on the first page."""
    rules = read_rules(book=BOOK)
    rows, said = assess(dyads, rules=rules, analyses=("as_1995", *QUICK)), {}
    for key, mine in rows.groupby(KEY):
        if mine["n"].notna().any():  # not made of other claims
            card = then_and_now(mine, rules).frame["sentence"].tolist()
            said[key] = [*verdict_sentences(mine, rules), *card, front_page(mine, rules)]
    return said


@pytest.mark.parametrize(
    ("column", "change", "hangs"),
    [
        ("case_manager_alliance", lambda x: x + 10, lambda c: False),
        ("symptoms", lambda x: 3 * x, lambda c: False),
        ("case_manager_alliance", lambda x: -x,
         lambda c: "case_manager" in c.informants and c.kind != "block_absence"),
        ("client_outcome", lambda x: np.random.default_rng(1).permutation(x),
         lambda c: "client_outcome" in c.variables(BOOK)),
        ("symptoms", lambda x: x * np.nan, lambda c: "symptoms" in c.variables(BOOK)),
        ("site", lambda x: x.where(x != "Site 03"), lambda c: True),
    ],
)  # fmt: skip
def test_a_sentence_changes_with_its_data_and_with_no_other(column, change, hangs):
    """Units are no data; what is turned round, shuffled or gone turns or takes its sentences."""
    dyads = open_cohort().dyads
    other = dyads.assign(**{column: change(dyads[column])}).dropna(subset=["site"])
    first, then = sentences(dyads), sentences(other)
    assert len(first) == 19
    for claim in read_rules(book=BOOK).claims:
        if claim.key in first:
            same = [a == b for a, b in zip(first[claim.key], then.get(claim.key, ""), strict=False)]
            assert all(same) and same if not hangs(claim) else not any(same[::2]), claim.key
