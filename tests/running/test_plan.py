"""The plan under lock, deviations from it, and the cause of each verdict that differs."""

import json
import locale
import re
import shutil
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

from alliance_helpers import paths
from alliance_helpers.cohorts.simulate import simulate_study, write_study
from alliance_helpers.errors import OutputError, ParameterError
from alliance_helpers.pages.report import Run
from alliance_helpers.running import plan, runner
from alliance_helpers.running.cli import main
from alliance_helpers.running.compare import JOINT, causes_of, compare
from alliance_helpers.running.plan import (
    LOCK,
    by_name,
    deviations,
    differences,
    digest,
    findings_of,
    input_hashes,
    lock,
    plan_of,
    sealed,
)
from alliance_helpers.running.runner import versions


def study(folder: Path, scenario="published", seed=5, **swaps: list) -> Path:
    """A simulated study with codebook and a few claims of its own; `swaps` of their texts."""
    write_study(simulate_study(scenario, 120, seed), folder)
    start, *claims = re.split(r"^(?=  - \{finding)", paths.FINDINGS.read_text("utf-8"), flags=re.M)
    few = [c for c in claims if re.search("claim: (caseload_diff|symptoms|hospital_days)", c)]
    texts = {"codebook": paths.CODEBOOK.read_text("utf-8"), "findings": "".join([start, *few])}
    for name, text in texts.items():
        for old, new in swaps.get(name, []):
            assert old in text, old
            text = text.replace(old, new, 1)
        (folder / f"{name}.yml").write_text(text, "utf-8")
    return folder


def ran(folder: Path, data: Path, **parameters) -> Path:
    """What a run leaves that a comparison reads, without its notebooks."""
    asked = {"data": str(data), **parameters}
    made = plan_of(asked)
    folder.mkdir()
    about = {"parameters": asked, "plan": made, "inputs_sha256": by_name(input_hashes(asked))}
    about |= {"versions": versions(), "notebooks": []}
    (folder / "run.json").write_text(json.dumps(about))
    findings_of(made, asked).to_csv(folder / "findings.csv", index=False)
    return folder


def swapped(*swaps: tuple[str, str], file: str = "findings"):
    """A change of a file's text, each at its first place."""

    def change(folder: Path, _) -> None:
        book = folder / f"{file}.yml"
        text = book.read_text("utf-8")
        for old, new in swaps:
            assert old in text, old
            text = text.replace(old, new, 1)
        book.write_text(text, "utf-8")

    return change


def in_book(*swaps: tuple[str, str]):
    return swapped(*swaps, file="codebook")


def renamed(folder: Path, _) -> None:
    book = folder / "codebook.yml"
    book.write_text(book.read_text("utf-8").replace("contacts:", "visits:"), "utf-8")


def without_claim(folder: Path, _) -> None:
    text = (folder / "findings.yml").read_text("utf-8")
    start = text.index('  - {finding: "2", claim: living_skills')
    cut = text[:start] + text[text.index("  - {", start + 5) :]
    (folder / "findings.yml").write_text(cut.replace("health_sickness, living_skills, own", "own"))


def copied(folder: Path, patch) -> Path:
    """The notebooks, to be changed."""
    place = folder.with_name("notebooks")
    shutil.copytree(runner.NOTEBOOKS, place)
    patch.setattr(runner, "NOTEBOOKS", place)
    return place


def edited_notebook(folder: Path, patch) -> None:
    notebook = copied(folder, patch) / "05_finding_2.ipynb"
    notebook.write_text(notebook.read_text("utf-8").replace("p_enter", "p_leave"))


def no_notebook(folder: Path, patch) -> None:
    (copied(folder, patch) / "08_halo.ipynb").unlink()


def other_version(_, patch) -> None:
    patch.setattr(plan, "versions", lambda: {"alliance-kit": "9.9"})


def other_code(folder: Path, patch) -> None:
    patch.setattr(plan, "helper_files", lambda: {"models.counts": folder / "codebook.yml"})


def other_stress(_, patch) -> None:
    settings = plan.read_stress()
    settings = settings | {"imputed": settings["imputed"] | {"m": 5}}
    patch.setattr(plan, "read_stress", lambda: settings)


HARD = "caseload_difficulty, sign:"
OWN = 'finding: "2", claim: symptoms, kind: association, informant: case_manager, term: symptoms'
NEW = OWN.replace("claim: symptoms", "claim: new")
# What somebody might change in a plan under lock, and where it is found.
TAMPERED = {
    "a bound": (swapped(("value: 0.20", "value: 0.10")), "claims > bounds > correlation > value"),
    "the upper bound": (swapped(("value: 0.50", "value: 0.40")), "modest_high > value"),
    "a rate ratio": (swapped(("value: 1.25", "value: 1.30")), "rate_ratio_high > value"),
    "a bound's reason": (swapped(("the same bound on", "a bound on")), "rate_ratio_high > why"),
    "a sign": (swapped((f"{HARD} negative", f"{HARD} positive")),
               "caseload_difficulty case_manager 2 > sign"),
    "a covariate": (swapped(("hospital_days_before]", "hospital_days_before, client_age]")),
                    "claims > days_adjusted_for"),
    "a term": (swapped((OWN, OWN.replace("term: symptoms", "term: living_skills"))),
               "symptoms case_manager 2 > term"),
    "a composite's weight": (swapped(("symptoms: -1}", "symptoms: -2}")),
                             "independent_raters case_manager halo > composite > symptoms"),
    "a kind": (swapped((OWN, OWN.replace("kind: association", "kind: modest"))), "2 > kind"),
    "the primary analysis": (swapped(("primary: adjusted", "primary: nested")), "claims > primary"),
    "a claim reworded": (swapped(("goes with fewer symptoms", "goes with more symptoms")),
                         "symptoms case_manager 2 > text"),
    "a claim added": (swapped(("claims:\n", f"claims:\n  - {{{NEW}, text: New}}\n")),
                      "claims > claims > new case_manager 2"),
    "a claim removed": (without_claim, "claims > claims > living_skills case_manager 2"),
    "the parts of a claim": (swapped(("of: [other_outcomes, treatment]", "of: [other_outcomes]")),
                             "alone client 3 > of"),
    "a missing code": (in_book(("missing: [-9]", "missing: [-9, 3]")), "codebook > missing"),
    "what may be missing": (in_book(("max_missing: 0.25", "max_missing: 0.0")), "max_missing"),
    "a scoring rule": (in_book(("score: mean, max_missing", "score: sum, max_missing")),
                       "client_outcome > score"),
    "a reversed item": (in_book(('items: "living_{1..8}",', 'items: "living_{1..8}", keys: {total: '
                                 "[-1, 2, 3, 4, 5, 6, 7, 8]},")), "living_skills > keys"),
    "another form": (in_book(('form: WAI-36, items: "wai_c_{01..36}"', 'items: "wai_c_{01..36}"')),
                     "client_alliance > form"),
    "an order of items": (in_book(('items: "living_{1..8}"', "items: [living_2, living_1]")),
                          "living_skills > items"),
    "a dropped site": (in_book((", Site 10]", "]")), "site > values"),
    "a range": (in_book(("range: [18, 100]", "range: [30, 100]")), "client_age > range"),
    "a renamed column": (renamed, "variables > visits"),
    "the label of a value": (in_book(("is: female", "is: male")), "client_female > is"),
    "which form counts": (in_book(("duplicates: keep_latest", "duplicates: error")), "duplicates"),
    "a window": (in_book(("from_years: 0, to_years: 2", "from_years: 0, to_years: 1")), "to_years"),
    "a block": (in_book(("pretreatment: [client_age, ", "pretreatment: [")),
                "blocks > pretreatment"),
    "whose rating": (in_book(("score: sum, informant: rater", "score: sum, informant: client")),
                     "symptoms > informant"),
    "a stress test": (other_stress, "stress > imputed > m"),
    "a notebook edited": (edited_notebook, "notebooks > 05_finding_2"),
    "a notebook left out": (no_notebook, "notebooks > 08_halo"),
    "the kit's version": (other_version, "kit > version"),
    "the kit's code": (other_code, "kit > code"),
    "the seed": ({"seed": 7}, "seed"),
    "p to enter": ({"p_enter": 0.15}, "parameters > p_enter"),
    "an outcome": ({"outcome": "living_skills"}, "parameters > outcome"),
    "a subscale": ({"subscale": "bond"}, "parameters > subscale"),
}  # fmt: skip


def books(folder: Path) -> Path:
    folder.mkdir()
    for name, source in (("codebook", paths.CODEBOOK), ("findings", paths.FINDINGS)):
        shutil.copy(source, folder / f"{name}.yml")
    return folder


@pytest.fixture(scope="module")
def usual(tmp_path_factory) -> Run:
    """What such a folder's plan says, wherever it is."""
    return run_of({"data": str(books(tmp_path_factory.mktemp("usual") / "study"))})


@pytest.fixture
def planned(tmp_path) -> Path:
    """A study's folder with codebook and claims alone: a plan needs no data."""
    return books(tmp_path / "planned")


def run_of(asked: dict, data="as it is", **versions) -> Run:
    """A run as far as the causes of a difference are read from it."""
    about = {"plan": plan_of(asked), "inputs_sha256": {"forms.csv": data, "codebook.yml": "x"}}
    about["versions"] = {"python": "3.11.7", "numpy": "2.4.6"} | versions
    return Run(Path(), about, pd.DataFrame(), {})


@pytest.mark.parametrize("name", TAMPERED)
def test_each_tampering_is_named_as_a_deviation_and_as_a_cause(planned, usual, monkeypatch, name):
    tamper, place = TAMPERED[name]
    more = tamper if isinstance(tamper, dict) else {}
    if not more:
        tamper(planned, monkeypatch)
    after = run_of({"data": str(planned)} | more)
    named = [" > ".join(where) for where, _, _ in differences(usual.plan, after.plan)]
    causes = [cause["place"] for cause in causes_of(usual, after)]
    for found in (named, causes):
        assert any(place in one for one in found), found
        assert len(found) <= (2 if name in ("a renamed column", "a claim removed") else 1), found
    assert digest(usual.plan) != digest(after.plan)


def saved_again(**how):
    def change(path: Path) -> None:
        told = yaml.safe_load(path.read_text("utf-8"))
        path.write_text(yaml.safe_dump(told, allow_unicode=True, **how), "utf-8")

    return change


def rewritten(change):
    return lambda path: path.write_bytes(change(path.read_bytes()))


SAME = {
    "line ends": rewritten(lambda raw: raw.replace(b"\n", b"\r\n")),
    "a BOM": rewritten(lambda raw: b"\xef\xbb\xbf" + raw),
    "comments": rewritten(lambda raw: b"# again\n" + raw.replace(b"\n", b"  # here\n", 1)),
    "no comments": saved_again(sort_keys=False),
    "keys in another order": saved_again(sort_keys=True),
    "deeper": saved_again(indent=7),
    "flow style": saved_again(default_flow_style=True, width=10**6),
    "block style": saved_again(default_flow_style=False),
    "narrow lines": saved_again(width=30),
    "single quotes": rewritten(lambda raw: re.sub(rb'finding: "(\w+)"', rb"finding: '\1'", raw)),
    "numbers": rewritten(lambda raw: raw.replace(b"value: 0.20", b"value: .2")),
    "a number with a point": rewritten(lambda raw: raw.replace(b"[-9]", b"[-9.0]")),
    "blank lines": rewritten(lambda raw: raw.replace(b"\n", b"\n\n")),
}  # fmt: skip


@pytest.mark.parametrize("change", SAME.values(), ids=SAME)
def test_saving_again_is_no_deviation(planned, usual, change):
    for name in ("codebook.yml", "findings.yml"):
        change(planned / name)
    assert list(differences(usual.plan, plan_of({"data": str(planned)}))) == []


def test_neither_place_nor_time_nor_a_default_spelt_out_is_a_deviation(planned, usual, monkeypatch):
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    time.tzset()
    monkeypatch.setattr(locale, "getpreferredencoding", lambda *_: "ascii")
    elsewhere = planned.with_name("moved")
    planned.rename(elsewhere)
    told = {"data": str(elsewhere), "p_enter": 0.05, "n_clients": 201, "show_rows": True}
    assert digest(plan_of(told)) == digest(usual.plan)
    monkeypatch.undo()
    time.tzset()


def test_a_bound_of_the_kit_is_locked_where_the_study_states_none(planned, monkeypatch):
    swapped(("bounds:\n", "bounds: {}\nleft:\n"))(planned, None)
    text = (planned / "findings.yml").read_text("utf-8")
    (planned / "findings.yml").write_text(re.sub(r"left:\n(  .*\n)+", "", text))
    before = plan_of({"data": str(planned)})
    shipped = planned / "shipped.yml"
    shipped.write_text(paths.FINDINGS.read_text("utf-8").replace("value: 0.20", "value: 0.10"))
    shutil.copy(paths.FINDINGS.with_name("findings.schema.json"), planned)
    monkeypatch.setattr(paths, "FINDINGS", shipped)
    found = [
        " > ".join(place) for place, _, _ in differences(before, plan_of({"data": str(planned)}))
    ]
    assert found == ["claims > bounds > correlation > value"]


def test_rows_and_versions_are_causes(planned, usual):
    asked = {"data": str(planned)}
    assert [c["place"] for c in causes_of(usual, run_of(asked, "others"))] == ["data"]
    other = run_of(asked, numpy="2.5.0")
    assert [c["place"] for c in causes_of(usual, other)] == ["versions > numpy"]
    assert causes_of(usual, run_of(asked)) == []


TEXTS = [n for n, (change, _) in TAMPERED.items() if getattr(change, "__name__", "") == "change"]


@pytest.mark.parametrize(("one", "other"), list(zip(TEXTS[::2], TEXTS[1::2], strict=False)))
def test_of_two_differences_both_are_causes(planned, usual, one, other):
    for name in (one, other):
        TAMPERED[name][0](planned, None)
    after = run_of({"data": str(planned), "seed": 3})
    found = " ".join(cause["place"] for cause in causes_of(usual, after))
    assert all(place in found for place in (TAMPERED[one][1], TAMPERED[other][1], "seed"))


@pytest.mark.parametrize("name", ["a bound", "what may be missing"])
def test_a_change_is_a_deviation_and_the_cause(tmp_path, name):
    data = study(tmp_path / "data")
    before = ran(tmp_path / "before", data)
    lock({"data": str(data)}, data / LOCK)
    assert deviations({"data": str(data)})["deviations"] == []
    tamper, place = TAMPERED[name]
    tamper(data, None)
    planned = json.loads((data / LOCK).read_text())["plan"]
    ((where, _, _),) = differences(planned, plan_of({"data": str(data)}))
    reasons = {"elsewhere": "no reason", " > ".join(where): "a reviewer asked"}
    (data / "deviations.yml").write_text(json.dumps(reasons))
    (found,) = deviations({"data": str(data)})["deviations"]
    assert place in found["place"] and found["reason"] == "a reviewer asked"
    compared = compare(before, ran(tmp_path / "after", data))
    assert [place in cause["place"] for cause in compared.causes] == [True]
    assert all(place in v["cause"] for v in compared.verdicts)


def test_a_change_that_matters_says_which_verdicts(tmp_path):
    data = study(tmp_path / "data")
    lock({"data": str(data)}, data / LOCK)
    claims = data / "findings.yml"
    claims.write_text(claims.read_text("utf-8").replace("value: 0.80", "value: 0.99", 1), "utf-8")
    (data / "deviations.yml").write_text('elsewhere: "no reason"\n')
    found = deviations({"data": str(data)})
    assert [one["reason"] for one in found["deviations"]] == [""]
    changed = found["verdicts"]
    assert {v["finding"] for v in changed} == {"4"}
    assert {v["planned"] for v in changed} == {"supported"} != {v["done"] for v in changed}


def test_a_lock_says_when_it_was_made(tmp_path):
    real = study(tmp_path / "real")
    (real / paths.TRUTH).unlink()
    text = (real / "codebook.yml").read_text("utf-8")
    text = re.sub(r"synthetic: true", "synthetic: false", text)
    (real / "codebook.yml").write_text(text, "utf-8")
    early = tmp_path / "early"
    early.mkdir()
    (early / "codebook.yml").write_text(text, "utf-8")
    before = json.loads(lock({"data": str(early)}, tmp_path / "early.lock").read_text())
    after = json.loads(lock({"data": str(real)}, real / LOCK).read_text())
    assert before["data"] == {} and before["verdicts"] == [] == after["verdicts"]
    assert after["data"] and deviations({"data": str(real)})["after_data"]
    with (real / "case_managers.csv").open("a") as file:
        file.write("\n")
    places = [d["place"] for d in deviations({"data": str(real)})["deviations"]]
    assert places == ["data > case_managers.csv"]


def test_a_bad_lock_is_refused(tmp_path):
    data = study(tmp_path / "data")
    file = lock({"data": str(data)}, data / LOCK)
    with pytest.raises(OutputError, match="exists already"):
        lock({"data": str(data)}, file)
    with pytest.raises(ParameterError, match="no folder"):
        lock({"data": str(tmp_path / "dat")}, tmp_path / "dat" / LOCK)
    assert not (tmp_path / "dat").exists()
    text = file.read_text()
    file.write_text(text.replace('"seed": 1995', '"seed": 1996'))
    done = CliRunner().invoke(main, ["run", "--data", str(data), "--out", str(tmp_path / "out")])
    assert done.exit_code == 2 and "changed by hand" in done.stderr
    assert not (tmp_path / "out").exists()
    file.write_text("{")
    with pytest.raises(ParameterError, match="is no lock"):
        deviations({"data": str(data)})


def test_the_same_run_differs_in_nothing(tmp_path):
    one = ran(tmp_path / "a", study(tmp_path / "one"))
    found = compare(one, one)
    assert found.verdicts == [] == found.causes and found.estimates == 0 == len(found.tables)


def test_two_causes_are_told_apart_and_both_at_once_are_joint(tmp_path):
    swaps = [("value: 0.80", "value: 0.99")]
    swaps += [("caseload_difficulty, sign: negative", "caseload_difficulty, sign: positive")]
    one = ran(tmp_path / "a", study(tmp_path / "one"))
    other = ran(tmp_path / "b", study(tmp_path / "other", findings=swaps))
    found = compare(one, other)
    cause = {v["finding"]: v["cause"] for v in found.verdicts}
    assert "rate_ratio_low" in cause["4"] and "caseload_difficulty" in cause["2"]
    tight = [("value: 0.80", "value: 0.99"), ("value: 1.25", "value: 1.01")]
    narrow = ran(tmp_path / "c", study(tmp_path / "narrow", findings=tight))
    assert {v["cause"] for v in compare(narrow, one).verdicts} == {JOINT}


def test_other_rows_are_a_cause_and_rows_stay_unseen(tmp_path):
    one = ran(tmp_path / "a", study(tmp_path / "one", "published", 5))
    other = ran(tmp_path / "b", study(tmp_path / "other", "no_association", 6))
    found = compare(one, other)
    assert [c["place"] for c in found.causes] == ["data"]
    assert {v["cause"] for v in found.verdicts} == {"data"} and found.estimates > 15
    assert "Cause: data" in found.text() and "<td>data</td>" in found.html()


def test_what_cannot_be_compared_is_refused(tmp_path):
    one = ran(tmp_path / "a", study(tmp_path / "one"))
    (tmp_path / "empty").mkdir()
    done = CliRunner().invoke(main, ["compare", str(one), str(tmp_path / "empty")])
    assert done.exit_code == 2 and "has no run.json" in done.stderr
    done = CliRunner().invoke(main, ["compare", *[str(one)] * 2, "--page", str(one / "run.json")])
    assert done.exit_code == 2 and "run.json exists already" in done.stderr
    about = json.loads((one / "run.json").read_text())
    about["plan"]["codebook"]["tables"] = {"other": {"variables": {"mood": {}, "sleep": {}}}}
    (tmp_path / "empty" / "run.json").write_text(json.dumps(about))
    (tmp_path / "empty" / "findings.csv").write_bytes((one / "findings.csv").read_bytes())
    with pytest.raises(ParameterError, match="unlike studies"):
        compare(one, tmp_path / "empty")


def batched(folder: Path, code: str, verdicts: dict[int, str], **more) -> Path:
    """What a batch leaves that a comparison reads: one claim, a run for each seed."""
    folder.mkdir()
    plan_file = {"the grid": str(verdicts), "the file claims.yml": code} | more
    (folder / "batch.json").write_text(sealed(plan_file))
    runs = pd.DataFrame({"run": range(1, len(verdicts) + 1), "seed": list(verdicts)})
    runs.assign(status="done").to_csv(folder / "runs.csv", index=False)
    row = {"finding": "1", "claim": "modest", "informant": "both", "analysis": "nested"}
    found = runs.assign(**row, verdict=list(verdicts.values()), estimate=0.1, n=200)
    found.to_parquet(folder / "findings.parquet")
    return folder


def test_batches_differ_by_their_grid_or_by_what_they_rest_on(tmp_path):
    yes, no = "supported", "inconclusive"
    first = batched(tmp_path / "a", "x", {1: yes, 2: yes})
    other_rules = batched(tmp_path / "b", "y", {1: yes, 2: no})
    other_runs = batched(tmp_path / "c", "x", {1: yes, 3: no})
    both = batched(tmp_path / "d", "y", {1: no, 3: yes})
    assert compare(first, first).verdicts == [] == compare(first, first).causes
    found = compare(first, other_rules)
    assert [c["place"] for c in found.causes] == ["the file claims.yml changed"]
    assert (
        found.verdicts[0]["cause"] == "runs of the same parameters, 1: the file claims.yml changed"
    )
    assert found.verdicts[0]["one"] == "2 supported of 2"
    assert found.verdicts[0]["other"] == "1 supported, 1 inconclusive of 2"
    assert compare(first, other_runs).verdicts[0]["cause"] == "other runs: the grid > seed"
    cause = compare(first, both).verdicts[0]["cause"]
    assert "claims.yml changed" in cause and "the grid > seed" in cause
    more = batched(tmp_path / "e", "x", {1: yes, 2: yes, 3: yes, 4: yes})
    assert compare(first, more).verdicts == []  # the same share of more runs
    (other_runs / "batch.json").write_text("{}")
    with pytest.raises(ParameterError, match="damaged"):
        compare(first, other_runs)
    (tmp_path / "e" / "batch.json").unlink()
    with pytest.raises(ParameterError, match="one is a batch, the other is not"):
        compare(first, more)
