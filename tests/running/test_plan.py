"""The plan under lock, deviations from it, and the cause of each verdict that differs."""

import json
import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from alliance_helpers import paths
from alliance_helpers.cohorts.simulate import simulate_study, write_study
from alliance_helpers.errors import ParameterError
from alliance_helpers.running.cli import main
from alliance_helpers.running.compare import JOINT, compare
from alliance_helpers.running.plan import LOCK, deviations, findings_of, lock, plan_of
from alliance_helpers.running.runner import versions
from alliance_helpers.running.sequence import by_name, input_hashes


def study(folder: Path, scenario="published", seed=5, **swaps: list) -> Path:
    """A simulated study with codebook and claims of its own; `swaps` of their texts."""
    write_study(simulate_study(scenario, 120, seed), folder)
    for name, source in (("codebook", paths.CODEBOOK), ("findings", paths.FINDINGS)):
        text = source.read_text("utf-8")
        for old, new in swaps.get(name, []):
            assert old in text, old
            text = text.replace(old, new, 1)
        (folder / f"{name}.yml").write_text(text, "utf-8")
    return folder


def ran(folder: Path, data: Path, **parameters) -> Path:
    """What a run leaves that a comparison reads, without its notebooks."""
    asked = {"data": str(data), **parameters}
    plan = plan_of(asked)
    folder.mkdir()
    about = {"parameters": asked, "plan": plan, "inputs_sha256": by_name(input_hashes(asked))}
    (folder / "run.json").write_text(json.dumps(about | {"versions": versions()}))
    findings_of(plan, asked).to_csv(folder / "findings.csv", index=False)
    return folder


# What somebody might change, and where it is found.
TAMPERED = {
    "a bound": ("findings", ("value: 0.20", "value: 0.10"), "bounds > correlation > value"),
    "the upper bound": ("findings", ("value: 0.50", "value: 0.40"), "modest_high > value"),
    "a rate ratio": ("findings", ("value: 1.25", "value: 1.30"), "rate_ratio_high > value"),
    "a sign": (
        "findings",
        ("term: caseload_difficulty, sign: negative", "term: caseload_difficulty, sign: positive"),
        "caseload_difficulty case_manager 2 > sign",
    ),
    "a covariate": (
        "findings",
        ("[site_type, hospital_days_before]", "[site_type, hospital_days_before, client_age]"),
        "claims > days_adjusted_for",
    ),
    "an outcome": (
        "findings",
        ("term: symptoms, ", "term: living_skills, "),
        "symptoms case_manager 2 > term",
    ),
    "what may be missing": ("codebook", ("max_missing: 0.25", "max_missing: 0.0"), "max_missing"),
    "a missing code": ("codebook", ("missing: [", "missing: [3, "), "codebook > "),
}  # fmt: skip


@pytest.mark.parametrize(("file", "swap", "place"), TAMPERED.values(), ids=TAMPERED)
def test_each_change_is_named_and_is_the_cause(tmp_path, file, swap, place):
    data = study(tmp_path / "data")
    before = ran(tmp_path / "before", data)
    lock({"data": str(data)}, data / LOCK)
    assert deviations({"data": str(data)})["deviations"] == []
    book = data / f"{file}.yml"
    text = book.read_text("utf-8")
    assert swap[0] in text
    book.write_text(text.replace(*swap, 1), "utf-8")
    (data / "deviations.yml").write_text('elsewhere: "no reason"\n')
    found = deviations({"data": str(data)})
    assert [place in one["place"] for one in found["deviations"]] == [True]
    assert found["deviations"][0]["reason"] == ""
    reason = json.dumps({found["deviations"][0]["place"]: "a reviewer asked"})
    (data / "deviations.yml").write_text(reason)
    assert deviations({"data": str(data)})["deviations"][0]["reason"] == "a reviewer asked"
    compared = compare(before, ran(tmp_path / "after", data))
    assert [place in cause["place"] for cause in compared.causes] == [True]
    assert all(place in v["cause"] for v in compared.verdicts)


def test_seed_and_parameters_belong_to_the_plan(tmp_path):
    data = study(tmp_path / "data")
    lock({"data": str(data)}, data / LOCK)
    found = deviations({"data": str(data), "seed": 7, "outcome": "symptoms"})["deviations"]
    assert {d["place"] for d in found} == {"seed", "parameters > outcome"}


def test_saving_again_is_no_deviation(tmp_path):
    data = study(tmp_path / "data")
    lock({"data": str(data)}, data / LOCK)
    for name in ("codebook.yml", "findings.yml"):
        text = (data / name).read_text("utf-8")
        turned = yaml.safe_load(text)
        again = yaml.safe_dump(turned, sort_keys=True, indent=6, allow_unicode=True)
        (data / name).write_bytes(b"# saved again\r\n" + again.replace("\n", "\r\n").encode())
    assert deviations({"data": str(data)})["deviations"] == []


def test_a_change_that_matters_says_which_verdicts(tmp_path):
    data = study(tmp_path / "data")
    lock({"data": str(data)}, data / LOCK)
    claims = data / "findings.yml"
    claims.write_text(claims.read_text("utf-8").replace("value: 0.80", "value: 0.99", 1), "utf-8")
    changed = deviations({"data": str(data)})["verdicts"]
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
    with pytest.raises(ParameterError, match="not written twice"):
        lock({"data": str(data)}, file)
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
    swaps = [("value: 0.80", "value: 0.99"), TAMPERED["a sign"][1]]
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
    assert {v["cause"] for v in found.verdicts} == {"data"} and found.estimates > 50
    assert "Cause: data" in found.text() and "<td>data</td>" in found.html()


def test_what_cannot_be_compared_is_refused(tmp_path):
    one = ran(tmp_path / "a", study(tmp_path / "one"))
    (tmp_path / "empty").mkdir()
    done = CliRunner().invoke(main, ["compare", str(one), str(tmp_path / "empty")])
    assert done.exit_code == 2 and "has no run.json" in done.stderr
    about = json.loads((one / "run.json").read_text())
    about["plan"]["codebook"]["tables"] = {"other": {}}
    (tmp_path / "empty" / "run.json").write_text(json.dumps(about))
    (tmp_path / "empty" / "findings.csv").write_bytes((one / "findings.csv").read_bytes())
    with pytest.raises(ParameterError, match="unlike studies"):
        compare(one, tmp_path / "empty")
