"""Tables as a newcomer keeps them: rows that are no clients, two lists side by side."""

from dataclasses import replace

import pandas as pd
import pytest
from exports_made import C, T, truth
from layouts_made import forms

from alliance_helpers.drafting.draft import describe
from alliance_helpers.errors import CodebookError
from alliance_helpers.study.clean import clean
from alliance_helpers.study.load import check, load_study, read_file, read_study
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


def stopped(folder, text=None):
    return "\n".join(map(str, check(folder, parse_codebook(text or describe(folder)))[0]))


def side_by_side(folder, other="patient", order=-1):
    """Two lists in one sheet, each with an id; the second in another order."""
    frame = table()
    second = frame[["id", *T]][::order].rename(columns={"id": other}).reset_index(drop=True)
    pd.concat([frame[["id", "therapist", *C]], second], axis=1).to_csv(
        folder / "t.csv", index=False
    )


@pytest.mark.parametrize("other", ["patient", "client_id_t", "code"])
def test_two_lists_side_by_side_are_no_dyads(other, tmp_path):
    side_by_side(tmp_path, other)
    text = describe(tmp_path)
    told = stopped(tmp_path, text)
    assert "'id'" in told or "column id" in told
    assert f"{other}" in told
    assert "in 72 of 72 rows another: two lists, side by side? Put each list in a file" in told
    side_by_side(tmp_path, other, 1)
    assert "side by side" not in stopped(tmp_path, text)


@pytest.mark.parametrize("second", ["blank", "same", "other"])
@pytest.mark.parametrize("dated", [True, False])
def test_a_client_twice_counts_once_if_that_changes_nothing(second, dated, tmp_path):
    """Of the same date, too: what is blank replaces no answer, and what differs is a problem."""
    frame = table().assign(**({"completed": "2024-01-05"} if dated else {}))
    again = frame[3:5].copy()
    if second != "same":
        again[C] = None if second == "blank" else frame.loc[[8, 9], C].to_numpy()
    pd.concat([frame, again]).to_csv(tmp_path / "t.csv", index=False)
    text = describe(tmp_path)
    if second == "other":
        assert "rows 74, 75, column id: found '2004', '2005'; it is there" in stopped(
            tmp_path, text
        )
        return
    cleaned = clean(load_study(tmp_path, parse_codebook(text)))
    gone = cleaned.log[cleaned.log["after"] == "record left out"]
    assert [*gone["row"]] == [74, 75]
    assert [*gone["before"]] == ["2004", "2005"]
    assert [*cleaned.items("client_alliance").iloc[:, 0]] == [*frame["c1"]]


@pytest.mark.parametrize("names", [["Data", "Sheet2", "Sheet3"], ["Sheet1", "Data"]])
def test_sheets_without_a_cell_are_skipped(names, tmp_path):
    frame = table()
    with pd.ExcelWriter(tmp_path / "t.xlsx") as book:
        for name in names:
            (frame if name == "Data" else frame.iloc[:0, :0]).to_excel(
                book, sheet_name=name, index=False
            )
    assert "t.xlsx: 72 records in 73 rows" in checked(tmp_path)


@pytest.mark.parametrize("optional", [True, False])
def test_clients_whom_the_first_table_lacks_are_left_out_by_one_line(optional, tmp_path):
    frame = table()
    frame[["id", *C]][:68].to_csv(tmp_path / "a.csv", index=False)
    frame[["id", "therapist", *T]].to_csv(tmp_path / "b.csv", index=False)
    text = describe(tmp_path)
    first, second = text.split('file: "b.csv"')
    if not optional:
        told = "b.csv, rows 70, 71, 72 and 1 more, column id: found '2069', '2070', '2071'; a.csv"
        assert told in (found := stopped(tmp_path, text))
        assert "or leave such rows out: `optional: true` here." in found
        with pytest.raises(CodebookError, match="part of its key is optional"):
            parse_codebook(
                first.replace("{type: id}", "{type: id, optional: true}") + text[len(first) :]
            )
        return
    second = second.replace("id: {type: id}", "id: {type: id, optional: true}", 1)
    book = parse_codebook(f'{first}file: "b.csv"{second}')
    assert "b: 4 left out (not in a.csv)" in check(tmp_path, book)[1]
    assert len(clean(load_study(tmp_path, book)).dyads) == 68


def test_therapists_named_in_the_first_row_alone_are_asked_about(tmp_path):
    frame = table()
    frame["therapist"] = [f"T{who}" for who in frame["therapist"]]
    frame.to_csv(tmp_path / "t.csv", index=False)
    text = describe(tmp_path).replace(
        "therapist: {type: id}", "therapist: {type: id, optional: true}"
    )
    book = parse_codebook(text)
    assert "no name stands twice" not in "\n".join(check(tmp_path, book)[1])
    frame["therapist"] = frame["therapist"].mask(frame["therapist"].duplicated())
    frame.to_csv(tmp_path / "t.csv", index=False)
    assert "therapist: is blank in 54 of 72 rows, and no name" in "\n".join(
        check(tmp_path, book)[1]
    )
    assert "54 of 72 clients none is named" in clean(load_study(tmp_path, book)).source


def test_sheets_of_the_same_columns_that_are_not_read_are_told(tmp_path):
    """Once the STOP of the draft is deleted, too; not where each sheet is a table."""
    with pd.ExcelWriter(tmp_path / "t.xlsx") as book:
        for i, name in enumerate(["North", "South", "West"]):
            table()[24 * i : 24 * i + 24].to_excel(book, sheet_name=name, index=False)
    lines = describe(tmp_path).splitlines()
    book = parse_codebook("\n".join(line for line in lines if "# STOP: " not in line))
    told = "\n".join(check(tmp_path, book)[1])
    assert "t.xlsx [North]: 2 more sheets of the file have the same columns, and are not" in told
    (main,) = book.tables.values()
    several = {n: replace(main, name=n, sheet=n) for n in ("North", "South", "West")}
    assert not read_study(tmp_path, replace(book, tables=several))[0].unread
