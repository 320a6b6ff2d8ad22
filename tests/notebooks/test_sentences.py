"""Sentences that depend on data hold the numbers of their tables: other data, other sentences.

All that two runs on different data say in sentences, captions, notes and texts of figures. Which
words a sentence takes is tested where it is made, in `tests/pages` and `tests/claims`.
"""

import json
import re
from functools import cache
from html import unescape

import nbformat
import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup

from alliance_helpers.claims.assess import verdict_rates
from alliance_helpers.claims.rules import KEY, read_rules, read_stress
from alliance_helpers.claims.views import KAPPAS
from alliance_helpers.running.sequence import run_sequence

NUMBER = re.compile(r"(?<![\w.])[−-]?(?:\d[\d,]*)?\.?\d+(?![\w])")
SAID = "ul.sentences li, caption, p.below, ol.below li, p.source, p.synthetic"
FRONT = ".told li, p.sure, svg title, .answer figcaption, .scorecard small"
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
    return {k: [" ".join(unescape(t).split()) for t in said] for k, said in found.items()}


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
    if name == "report":
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
