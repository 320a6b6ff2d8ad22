"""One study in six formats: the same dyads, and byte for byte the same findings."""

import os
from dataclasses import replace

import numpy as np
import pandas as pd
import pyreadstat
import pytest
from click.testing import CliRunner

from alliance_helpers.claims.assess import assess
from alliance_helpers.claims.views import overview
from alliance_helpers.cohorts.simulate import simulate_study, write_study
from alliance_helpers.errors import DataError
from alliance_helpers.paths import CODEBOOK
from alliance_helpers.running.cli import main
from alliance_helpers.study import delimited
from alliance_helpers.study.clean import clean
from alliance_helpers.study.load import check, load_study, read_file
from alliance_helpers.study.read_codebook import parse_codebook, read_codebook

FORMATS = ["csv", "semicolon", "tab", "windows", "xlsx", "sav", "dta", "parquet"]


@pytest.fixture(scope="module")
def raw():
    return simulate_study(n_clients=120, seed=3)


@pytest.fixture(scope="module")
def findings(raw):
    return assess(clean(raw).dyads, raw.codebook).to_csv(index=False)


def write(frame: pd.DataFrame, path, kind: str) -> None:
    dates = frame.select_dtypes("datetime").columns
    text = frame.assign(**{d: frame[d].dt.strftime("%Y-%m-%d") for d in dates})
    numbers = {c: float for c in frame.select_dtypes("number")}
    match kind:
        case "csv":
            text.to_csv(f"{path}.csv", index=False, encoding="utf-8-sig")
        case "semicolon":
            text.to_csv(f"{path}.csv", index=False, sep=";", decimal=",")
        case "tab":
            text.to_csv(f"{path}.tsv", index=False, sep="\t")
        case "windows":
            text.to_csv(f"{path}.csv", index=False, sep=";", encoding="cp1252")
        case "xlsx":
            frame.to_excel(f"{path}.xlsx", index=False)
        case "sav":
            pyreadstat.write_sav(frame.astype(numbers), f"{path}.sav")
        case "dta":
            pyreadstat.write_dta(frame.astype(numbers), f"{path}.dta")
        case "parquet":
            frame.to_parquet(f"{path}.parquet")


@pytest.mark.parametrize("kind", FORMATS)
def test_a_folder_of_tables(kind, raw, findings, tmp_path):
    for name, frame in raw.tables.items():
        write(frame, tmp_path / name, kind)
    assert check(tmp_path)[0] == []
    made = clean(load_study(tmp_path))
    assert assess(made.dyads, made.codebook).to_csv(index=False) == findings
    assert len(made.log) == len(clean(raw).log)


def test_one_workbook_with_a_sheet_a_table(raw, findings, tmp_path):
    path = tmp_path / "everything.xlsx"
    with pd.ExcelWriter(path) as book:
        for name, frame in raw.tables.items():
            frame.to_excel(book, sheet_name=name, index=False)
    made = clean(load_study(path, CODEBOOK))
    assert assess(made.dyads, made.codebook).to_csv(index=False) == findings


def wide_study(raw) -> tuple[pd.DataFrame, str]:
    """Everything in one table, a row per client, hospital days as plain columns; its codebook."""
    made = clean(raw)
    book = raw.codebook
    items = [made.items(scale) for scale in book.scales]
    dyads = made.dyads.set_index(book.client)
    kept = [c for c in dyads if c not in book.derived and not c.endswith("n_missing")]
    scores = [c for c in kept if any(c == s or c.startswith(f"{s}_") for s in book.scales)]
    scores = [c for c in scores if c not in ("symptoms_intake_rating",)]
    wide = pd.concat([dyads[[c for c in kept if c not in scores]], *items], axis=1).reset_index()
    types = {"object": "category", "str": "category"}
    lines = []
    for name in wide:
        kind = "date" if "date" in name else types.get(str(wide[name].dtype), "number")
        kind = "id" if name in (book.client, book.case_manager) else kind
        unit = ", unit: days" if name in book.days else ""  # which enter as logarithms
        lines.append(f"      {name}: {{type: {kind}{unit}}}")
    head, rest = book.text.split("tables:\n")[0], book.text[book.text.index("scales:\n") :]
    days = rest[rest.index("days:\n") : rest.index("# Variables made")]
    rest = rest.replace(days, "")
    for name in ("symptoms", "symptoms_intake"):
        rest = rest.replace(f"  {name}: {{", f"  {name}: {{range: [1, 7], ")
    for name in ("client_outcome", "case_manager_outcome"):
        rest = rest.replace(f"  {name}: {{", f"  {name}: {{range: [1, 7], ")
    rest = rest.replace("  living_skills: {", "  living_skills: {range: [1, 5], ")
    table = "tables:\n  wide:\n    file: wide.csv\n    key: [client_id]\n    variables:\n"
    return wide, head + table + "\n".join(lines) + "\n" + rest


@pytest.mark.parametrize("kind", ["csv", "xlsx", "sav", "dta", "parquet"])
def test_one_wide_file(kind, raw, findings, tmp_path):
    wide, text = wide_study(raw)
    write(wide, tmp_path / "my_study", kind)
    (tmp_path / "my_study.codebook.yml").write_text(text)
    path = next(p for p in tmp_path.iterdir() if p.stem == "my_study")
    assert check(path)[0] == []
    made = clean(load_study(path))
    found = assess(made.dyads, made.codebook)
    expected = pd.read_csv(pd.io.common.StringIO(findings))
    assert found.to_csv(index=False) == findings, found.compare(expected)


def test_a_file_with_a_lookup_table_beside_it(raw, findings, tmp_path):
    for name, frame in raw.tables.items():
        write(frame, tmp_path / name, "csv")
    made = clean(load_study(tmp_path / "client_interviews.csv", CODEBOOK))
    assert assess(made.dyads, made.codebook).to_csv(index=False) == findings


LABELLED = """
study: {title: Labelled, client: id}
tables:
  people:
    file: people.sav
    key: [id]
    variables:
      id: {type: id}
      sex: {type: category, values: [female, male]}
      mood: {type: integer, range: [1, 5]}
"""


@pytest.mark.parametrize("kind", ["sav", "dta"])
def test_labels_and_user_missing_codes_are_kept(kind, tmp_path):
    frame = pd.DataFrame({"id": ["a", "b", "c"], "sex": [1.0, 2.0, 2.0], "mood": [5.0, 9.0, 1.0]})
    labels = {"column_labels": {"mood": "Mood today", "id": "", "sex": ""}}
    values = {"sex": {1: "Female", 2: "Male"}, "mood": {1: "bad", 5: "good", 9: "refused"}}
    if kind == "sav":
        labels |= {"missing_ranges": {"mood": [9]}}
        pyreadstat.write_sav(frame, tmp_path / "people.sav", variable_value_labels=values, **labels)
    else:
        frame = frame.astype({"mood": object})
        frame.loc[1, "mood"] = "a"
        values["mood"] = {1: "bad", 5: "good"}
        pyreadstat.write_dta(
            frame,
            tmp_path / "people.dta",
            variable_value_labels=values,
            missing_user_values={"mood": ["a"]},
            **labels,
        )
    study = load_study(tmp_path, parse_codebook(LABELLED))
    made = clean(study)
    assert study.codebook.label("mood") == "Mood today"
    assert made.dyads["sex"].to_list() == ["female", "male", "male"]
    assert made.dyads["mood"].fillna(-1).to_list() == [5, -1, 1]
    assert made.log[["column", "rule"]].to_numpy().tolist() == [["mood", "missing code"]]
    raw = read_file(tmp_path / f"people.{kind}")
    assert raw.levels["sex"] == {"1": "Female", "2": "Male"}


def test_a_decimal_comma_in_a_cell_of_text_is_a_number(tmp_path):
    text = LABELLED.replace("people.sav", "people.xlsx").replace("range: [1, 5]", "missing: [-]")
    cells = ["4", "4,0", "-", 3]
    frame = pd.DataFrame({"id": [*"abcd"], "sex": "Female", "mood": cells})
    frame.to_excel(tmp_path / "people.xlsx", index=False)
    made = clean(load_study(tmp_path, parse_codebook(text)))
    assert made.dyads["mood"].fillna(-1).to_list() == [4, 4, -1, 3]
    assert (made.log["rule"] == "decimal comma").sum() == 1
    frame.assign(mood=["4", "4,000", "-", 3]).to_excel(tmp_path / "people.xlsx", index=False)
    with pytest.raises(DataError, match="found '4,000'; a number was expected"):
        load_study(tmp_path, parse_codebook(text))


def test_bars_may_separate_cells(tmp_path):
    (tmp_path / "people.txt").write_text("id|sex|mood\na|Female|2\nb|Male|3\n")
    raw = read_file(tmp_path / "people.txt")
    assert raw.note == "cells separated by bars" and raw.frame["mood"].to_list() == ["2", "3"]


def test_a_point_in_a_word_leaves_decimal_commas(tmp_path):
    text = LABELLED.replace("people.sav", "people.csv")
    text = text.replace("integer, range: [1, 5]", 'number, missing: ["k. A."]')
    (tmp_path / "people.csv").write_text("id;sex;mood\na;Female;2,125\nb;Male;k. A.\n")
    made = clean(load_study(tmp_path, parse_codebook(text)))
    assert made.dyads["mood"].fillna(-1).to_list() == [2.125, -1]


def test_how_a_file_was_read_is_told(tmp_path):
    text = LABELLED.replace("people.sav", "people.csv").replace("integer, range: [1, 5]", "number")
    content = "id;sex;mood\n\xe9;Female;2,5\nb;Male;\n"
    (tmp_path / "people.csv").write_bytes(content.encode("cp1252"))
    study = load_study(tmp_path, parse_codebook(text))
    (note,) = study.notes
    assert note.startswith("people.csv: 2 records in 3 lines, cells separated by semicolons, ")
    assert note.endswith(", Windows-1252, decimal commas in 1 column")
    assert clean(study).dyads["mood"].iloc[0] == 2.5
    assert clean(study).dyads["id"].iloc[0] == "é"


def test_a_last_letter_decides_the_encoding_too(tmp_path):
    (tmp_path / "people.csv").write_bytes("id,sex,mood\na,Female,2\nb,Male,\xe9".encode("cp1252"))
    assert read_file(tmp_path / "people.csv").frame["mood"].to_list() == ["2", "é"]


def test_narrow_numbers_stay_narrow(tmp_path):
    frame = pd.DataFrame({"id": ["a", "b"], "x": np.array([1, 2], np.int8)})
    frame.to_parquet(tmp_path / "t.parquet")
    assert str(read_file(tmp_path / "t.parquet").frame["x"].dtype) in ("int8", "Int8")


def test_read_codebook_beside_the_data(tmp_path):
    (tmp_path / "codebook.yml").write_text(LABELLED)
    frame = pd.DataFrame({"id": ["a"], "sex": ["female"], "mood": [3.0]})
    pyreadstat.write_sav(frame, tmp_path / "people.sav")
    assert load_study(tmp_path).codebook.title == "Labelled"
    assert read_codebook().title != "Labelled"


SMALL = """
study: {title: Small, client: id}
tables:
  t: {file: t.csv, key: [id], ignore: [comment], variables: {id: {type: id}, x: {}}}
informants: {client: {alliance: x}}
"""


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        ("csv", "t.csv: 3 records in 5 lines"),
        ("xlsx", "t.xlsx: 3 records in 4 rows"),
        ("tab", "t.tsv: 3 records in 5 lines, cells separated by tabs"),
        ("dta", "t.dta: 3 records in 3 rows"),
        ("sav", "t.sav: 3 records in 3 rows"),
        ("parquet", "t.parquet: 3 records in 3 rows"),
    ],
)
def test_check_tells_records_beside_lines(kind, size, tmp_path):
    frame = pd.DataFrame({"id": list("abc"), "x": [1, 2, 3], "comment": ["", "one\ntwo", "ok"]})
    write(frame, tmp_path / "t", kind)
    (tmp_path / "codebook.yml").write_text(SMALL)
    command = ["check", "--data", str(tmp_path)]
    assert CliRunner().invoke(main, command).output.splitlines()[:2] == ["No problems found.", size]
    assert CliRunner().invoke(main, [*command, "--json"]).output == "[]\n"


@pytest.mark.parametrize("how", [{}, {"compress": True}, {"row_compress": True}])
@pytest.mark.parametrize("stated", [-1, 0, 3, 4, 2**31 - 1])
def test_rows_that_the_header_of_an_spss_file_does_not_count_are_told(tmp_path, how, stated):
    path = tmp_path / "t.sav"
    pyreadstat.write_sav(pd.DataFrame({"id": list("abc"), "x": [1.0, 2, 3]}), path, **how)
    content = bytearray(path.read_bytes())
    content[80:84] = stated.to_bytes(4, "little", signed=True)
    path.write_bytes(content)
    if stated in (-1, 3):  # not known while it was written, or right
        assert read_file(path).frame["x"].tolist() == [1, 2, 3]
        return
    with pytest.raises(DataError, match=f"t.sav: says that it has {stated:,} cases, and holds 3"):
        read_file(path)


@pytest.mark.parametrize("kind", ["folder", "pipe", "link"])
@pytest.mark.parametrize("name", ["findings.yml", "codebook.yml"])
def test_what_lies_in_a_file_s_place_is_no_reason_to_take_the_shipped_one(tmp_path, kind, name):
    simulated = simulate_study(n_clients=20)
    write_study(simulated, tmp_path / "study")
    place = tmp_path / "study" / name
    place.unlink(missing_ok=True)
    made = {"folder": place.mkdir, "pipe": lambda: os.mkfifo(place),
            "link": lambda: place.symlink_to(tmp_path / "nowhere")}  # fmt: skip
    made[kind]()
    told = CliRunner().invoke(main, ["check", "--data", str(tmp_path / "study")])
    assert told.exit_code == 2
    assert f"{name}{': does not exist' if kind == 'link' else ': is not a file'}" in told.output


def test_a_header_of_too_many_names_is_refused_before_the_rows_are_read(tmp_path, monkeypatch):
    (tmp_path / "wide.csv").write_text(",".join(f"c{i}" for i in range(30_000)) + "\n1\n")
    monkeypatch.setattr(delimited, "count_lines", None)
    with pytest.raises(DataError, match=r"30,000 columns or more; at most 20,000 are read"):
        read_file(tmp_path / "wide.csv")


def test_one_client_alone_has_pages_without_numbers():
    seen = overview(simulate_study(n_clients=20))
    alone = clean(simulate_study(n_clients=20))
    assert overview(replace(alone, dyads=alone.dyads.head(1))).dyads.shape[0] == 0 < len(seen.dyads)
