"""Tables as a newcomer keeps them: rows that are no clients, two lists side by side."""

import pandas as pd
import pytest
from exports_made import truth
from layouts_made import forms

from alliance_helpers.drafting.draft import describe
from alliance_helpers.study.load import check, read_file
from alliance_helpers.study.read_codebook import parse_codebook


def table(first="id"):
    """A row a dyad: id, therapist, items."""
    return forms(truth()).rename(columns={"id": first}).astype(object)


def made_of(frame, measure, word):
    """A row that says one measure of every column of numbers, as a whole number."""
    made = frame.iloc[:, 2:].astype(float).agg(measure).round()
    return pd.DataFrame([{frame.columns[0]: word, **made}])


def checked(folder):
    return "\n".join(check(folder, parse_codebook(describe(folder)))[1])


@pytest.mark.parametrize(
    ("words", "measure"),
    [
        (["All patients"], "mean"),
        (["Norm", "best"], "max"),
        ([None], "median"),
        (["n", "SD"], "std"),
    ],
)
@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_rows_that_sum_up_are_no_clients(words, measure, ending, tmp_path):
    frame = table()
    frame = pd.concat([frame, *(made_of(frame, measure, word) for word in words)])
    write = frame.to_csv if ending == "csv" else frame.to_excel
    write(tmp_path / f"t.{ending}", index=False)
    rows = ", ".join(str(74 + i) for i in range(len(words)))
    assert f"72 records in {73 + len(words)}" in (told := checked(tmp_path))
    assert told.endswith(f"left aside: row {rows}")


def test_how_many_there_are_is_no_client(tmp_path):
    frame = table()
    pd.concat([frame, made_of(frame, "max", 72)]).to_excel(tmp_path / "t.xlsx", index=False)
    assert "left aside: row 74" in read_file(tmp_path / "t.xlsx").told


def test_a_heading_among_the_records_is_no_client(tmp_path):
    frame = table()
    heading = pd.DataFrame([{"id": "Clinic South"}])
    frame = pd.concat([frame[:40], heading, frame[40:]])
    frame.to_csv(tmp_path / "t.csv", index=False)
    assert "72 records in 74 lines, no records, left aside: row 42" in checked(tmp_path)


@pytest.mark.parametrize("name", ["Max", "Mia"])
def test_a_client_whose_id_is_a_word_is_kept(name, tmp_path):
    """Among words in silence, whatever was answered; among numbers it is asked about."""
    frame = table()
    frame.loc[71, "id"] = name
    frame.to_csv(tmp_path / "t.csv", index=False)
    assert len(read_file(tmp_path / "t.csv").frame) == 72
    assert "row 73, column id: holds words where nearly all others hold a number" in (
        told := checked(tmp_path)
    )
    assert f"counts as a client: {name!r}" in told
    names = [f"{a}{b}{c}" for a in "AELM" for b in "aeio" for c in "lmnrs"]
    frame["id"] = [*names[:71], name]
    frame.iloc[71, 2:] = frame.iloc[:, 2:].max()
    frame.to_csv(tmp_path / "t.csv", index=False)
    assert len(read_file(tmp_path / "t.csv").frame) == 72
    assert "holds words" not in checked(tmp_path)
