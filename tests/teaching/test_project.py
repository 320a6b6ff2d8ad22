"""The final project: own cohorts, and marks against their truth."""

import numpy as np
import pandas as pd
import pytest

from alliance_helpers import open_cohort
from alliance_helpers.errors import OutputError, ParameterError
from alliance_helpers.study.clean import clean
from tools.seminar import project

KEY = "of the tests"


def sheet(path, low, high, world, share):
    """The sheet with one interval round every truth, as far below and above it as given."""
    truths = {pair: share * truth for pair, truth in project.truths(world).items()}
    rows = [(pair, truth - low, truth + high, "") for pair, truth in truths.items()]
    table = pd.DataFrame([*rows, ("world (…)", "", "", world)])
    table.set_axis(["question", "low", "high", "answer"], axis=1).to_csv(path, index=False)
    return path


def honest(out, name, inbox):
    """A student's sheet from the own cohort, opened with the kit: intervals of 95 %, widened."""
    folder = out / "students" / name
    dyads = open_cohort(data=str(folder), codebook=str(folder / "codebook.yml")).dyads
    rows = []
    for pair in project.ASKED:
        r, n = dyads[pair.split(", ")].corr().iloc[0, 1], len(dyads)
        ends = np.tanh(np.arctanh(r) + np.array([-1, 1]) * 1.4 * 1.96 / np.sqrt(n - 3))
        rows.append((pair, *ends))
    columns = ["question", "low", "high"]
    pd.DataFrame(rows, columns=columns).to_csv(inbox / f"{name}.csv", index=False)


@pytest.mark.parametrize(
    ("low", "high", "each"),
    [(0.1, 0.1, 2), (0.01, 0.01, 2), (0.4, 0.3, 1), (-0.01, 0.1, 0), (0.1, -0.01, 0), (3, 3, 0)],
)
def test_points(tmp_path, low, high, each):
    """Full for an honest interval of n about 400, half for a wide one, none for a miss."""
    world, share, *_ = project.drawn_from(KEY, "ada")
    row = project.mark(KEY, "ada", sheet(tmp_path / "ada.csv", low, high, world, share))
    assert [row[pair] for pair in project.ASKED] == [each] * 6
    assert (row["world"], row["total"]) == (4, 6 * each + 4)


@pytest.mark.parametrize(
    "text", ["", "\x00\xff", "question,low\nworld,", 'a,"b\nc', "low,high\n1,2"]
)
def test_a_sheet_that_says_nothing_gets_nothing(tmp_path, text):
    path = tmp_path / "ada.csv"
    path.write_bytes(text.encode("latin-1"))
    assert project.mark(KEY, "ada", path)["total"] == 0
    assert project.mark(KEY, "ada", tmp_path / "none.csv")["remark"].startswith("cannot be read")


@pytest.mark.parametrize("world", ["published", "halo"])
def test_a_cohort_of_two_worlds_has_the_truth_that_is_marked(world):
    """Four of 700 clients each: SE of a mean r about .02; the world alone is off by .1."""
    found = []
    for seed in (1, 2, 3, 4):
        dyads = clean(project.cohort(world, 0.7, 700, seed)).dyads
        assert len(dyads) == dyads["client_id"].nunique() == 700
        assert dyads.groupby("site")["site_type"].nunique().eq(1).all()
        found.append([dyads[pair.split(", ")].corr().iloc[0, 1] for pair in project.ASKED])
    truth = 0.7 * np.array(list(project.truths(world).values()))
    assert np.mean(found, axis=0) == pytest.approx(truth, abs=3.3 * 0.024)


def test_everyone_has_an_own_cohort_and_honest_intervals_hold_its_truth(tmp_path):
    """Handed out, worked on with the kit, marked; nothing handed out names the world."""
    names = [f"s{i}" for i in range(6)]
    (tmp_path / "key.txt").write_text(KEY)
    project.hand_out(tmp_path, names)
    (inbox := tmp_path / "inbox").mkdir()
    seen = set()
    for name in names:
        folder = tmp_path / "students" / name
        text = "".join(p.read_text() for p in folder.glob("*.csv") if p.stem != name)
        assert not any(world in text for world in project.WORLDS)
        seen.add(text)
        honest(tmp_path, name, inbox)
    assert len(seen) == len(names)
    found = pd.read_csv(project.marks(tmp_path, inbox))
    assert found["total"].mean() > 0.85 * 12  # of 36 intervals at most 5 miss
    with pytest.raises(OutputError, match="handed out already"):
        project.hand_out(tmp_path, names[:1])
    with pytest.raises(ParameterError, match=r"not \.\./x"):
        project.hand_out(tmp_path, ["../x"])
