"""Rows never vanish into a quotation mark: what spans lines is read if it can be believed."""

import random
import re

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import csv as arrow_csv

from alliance_helpers.errors import DataError
from alliance_helpers.study import delimited
from alliance_helpers.study.load import read_file

HEAD = "id,site,x,comment"
DIALECTS = {
    "plain": (",", "\n", "utf-8"),
    "western": (";", "\r\n", "cp1252"),
    "tabs": ("\t", "\n", "utf-8-sig"),
    "old": (",", "\r", "utf-8"),
}


def write(path, changed: dict[int, str], dialect="plain", last="\n", head=HEAD):
    """200 records in 201 lines; some lines as given, by the row that a spreadsheet gives them."""
    delimiter, end, encoding = DIALECTS[dialect]
    lines = [head, *(f"c{i},Nörd,{i % 7},fine" for i in range(2, 202))]
    for row, line in changed.items():
        lines[row - 1] = line
    text = "\n".join(lines) + last
    path.write_bytes(text.replace(",", delimiter).replace("\n", end).encode(encoding))
    return path


def refusal(path) -> tuple[list[tuple[int, int | None]], str, str]:
    """Where marks open and close by the refusal, and the lines and records that it tells."""
    with pytest.raises(DataError) as error:
        read_file(path)
    found, told = [], set()
    for problem in error.value.problems:
        says = re.fullmatch(
            r"opens a quotation mark that (?:is never closed|closes only in row (\d+)); with it, "
            r"the file's ([\d,]+) lines hold (.*)\.",
            problem.what,
        )
        assert says, problem.what
        assert problem.file == path.name
        assert problem.remedy.startswith("Close it in its cell, or leave it out")
        found.append((problem.row, int(says[1]) if says[1] else None))
        told.add(says.groups()[1:])
    assert len(told) == 1
    return found, *told.pop()


REFUSED = {
    "never closed": ({50: 'c50,N,1,"no show'}, [(50, None)], 49),
    "closed by a stray one": (
        {50: 'c50,N,1,"no show', 120: 'c120,N,1,"late'},
        [(50, 120), (120, None)],
        130,
    ),
    "closed cleanly far below": ({50: 'c50,N,1,"no show', 120: 'c120,N,1,late"'}, [(50, 120)], 130),
    "closed cleanly in the next row": (
        {50: 'c50,N,1,"no show', 51: 'c51,N,1,late"'},
        [(50, 51)],
        199,
    ),
    "text with a separator": (
        {50: 'c50,N,1,"no show, ill, off', 51: 'c51,N,1,late"'},
        [(50, 51)],
        199,
    ),
    "a longer row is swallowed": (
        {50: 'c50,N,1,"no show, ill', 51: 'c51,N,1,late, "'},
        [(50, 51)],
        199,
    ),
    "a longer row opens it": (
        {50: '"c50,x,N,1,fine', 51: 'c51",N,1,fine'},
        [(50, 51)],
        199,
    ),
    "text behind the closing mark": ({50: 'c50,N,1,"one\ntwo" three'}, [(50, 51)], 200),
    "two lines, too few cells": ({50: 'c50,"N\n1"'}, [(50, 51)], 200),
    "the second of two": (
        {50: 'c50,"N\n1",1,"no, ill', 51: '?,?,1,late"'},
        [(50, 52), (51, 52)],
        199,
    ),
    "in a middle column": ({50: 'c50,"N,1,fine', 90: 'c90,N",1,fine'}, [(50, 90)], 160),
    "in the first column": ({50: '"c50,N,1,fine', 51: 'c51",N,1,fine'}, [(50, 51)], 199),
    "of another width": ({50: 'c50,"N,1,fine', 51: 'c51,N,1,fine"'}, [(50, 51)], 199),
    "several, each in its place": (
        {20: 'c20,N,1,"a', 21: 'c21,N,1,b"', 70: 'c70,N,1,"c', 75: 'c75,N,1,d"'},
        [(20, 21), (70, 75)],
        194,
    ),
    "after a comment of two lines": (
        {30: 'c30,N,1,"one\ntwo"', 50: 'c50,N,1,"no show', 120: 'c120,N,1,late"'},
        [(50, 120)],
        130,
    ),
    "a closing mark is lost": (
        {50: '"c50","N","1","no show', 51: '"c51","N","1","late"'},
        [(50, 51)],
        199,
    ),
    "in the last row": ({201: 'c201,N,1,"no show'}, [(201, None)], 200),
    "in the last row, in a middle column": ({201: 'c201,"N,1,fine'}, [(201, None)], 200),
    "after an escaped one": ({50: 'c50,N,1,"no ""show""', 60: 'c60,N,1,x"'}, [(50, 60)], 190),
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", REFUSED)
def test_refused_where_it_opens(name, dialect, tmp_path):
    changed, places, records = REFUSED[name]
    lines = 201 + sum(line.count("\n") for line in changed.values())
    path = write(tmp_path / "ratings.csv", changed, dialect)
    assert refusal(path) == (places, str(lines), f"{records} records")


def test_refused_in_a_last_row_without_a_line_end(tmp_path):
    path = write(tmp_path / "ratings.csv", {201: 'c201,N,1,"no'}, last="")
    assert refusal(path) == ([(201, None)], "201", "200 records")


@pytest.mark.parametrize("length", [500, 2000])
def test_a_last_line_of_any_length(length, tmp_path, monkeypatch):
    monkeypatch.setattr(delimited, "TAIL", 1000)
    path = write(tmp_path / "ratings.csv", {201: 'c201,"N,1,' + "x" * length})
    assert refusal(path) == ([(201, None)], "201", "200 records")
    raw = read_file(write(path, {201: 'c201,"N",1,' + "x" * length}))
    assert raw.told == "200 records in 201 lines"


@pytest.mark.parametrize(
    ("changed", "place", "told"),
    [
        ({1: 'id,site,x,"comment'}, (1, None), "no table"),
        ({1: 'id,site,x,"comment', 9: 'c9,N,1,late"'}, (1, 9), "192 records"),
        ({1: '"id,site,x,comment', 9: 'c9",N,1,late'}, (1, 9), "192 records"),
    ],
)
def test_refused_in_the_header(changed, place, told, tmp_path):
    assert refusal(write(tmp_path / "ratings.csv", changed)) == ([place], "201", told)


@pytest.mark.parametrize("start", [1, 50])
def test_refused_in_a_file_of_many_blocks(start, tmp_path):
    lines = [HEAD, *(f"c{i},N,{i % 7},{'x' * 990}" for i in range(2, 40_000))]
    lines[start - 1] = lines[start - 1].rpartition(",")[0] + ',"no'
    (tmp_path / "ratings.csv").write_text("\n".join(lines) + "\n")
    assert refusal(tmp_path / "ratings.csv") == ([(start, None)], "39,999", "no table")


def test_beyond_twenty_they_are_counted(tmp_path):
    path = write(tmp_path / "ratings.csv", {i: f'c{i},N,1,"no' for i in range(10, 70)})
    with pytest.raises(DataError) as error:
        read_file(path)
    *shown, last = error.value.problems
    assert [p.row for p in shown] == list(range(10, 30))
    assert "rows 30, 31, 32 and 37 more: open a quotation mark as those do." in str(last)


READ = {
    "two lines": ('c50,N,1,"one\ntwo"', "one\ntwo"),
    "blank lines": ('c50,N,1,"one\n\n\ntwo\n"', "one\n\n\ntwo\n"),
    "doubled marks": ('c50,N,1,"He said ""no""\nand ""left"""', 'He said "no"\nand "left"'),
    "separators": ('c50,N,1,"well, yes\nhe came, late\nbye"', "well, yes\nhe came, late\nbye"),
    "as many separators as a row has": (
        'c50,N,1,"first\nwell, yes, but, late\nbye"',
        "first\nwell, yes, but, late\nbye",
    ),
    "two such cells": ('c50,"N\n1",1,"one\ntwo"', "one\ntwo"),
    "a mark in text": ('c50,N,1,5" tall', '5" tall'),
    "two marks in text": ('c50,N,1,5" or 6"', '5" or 6"'),
    "one line in quotes": ('c50,N,1,"no, ""never"""', 'no, "never"'),
    "a mark after a blank": ('c50,N,1, "no', ' "no'),
    "a doubled mark": ('c50,N,1,""', ""),
}


@pytest.mark.parametrize("row", [2, 50, 201])
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", READ)
def test_read_as_it_stands(name, dialect, row, tmp_path):
    line, comment = READ[name]
    delimiter, end, _ = DIALECTS[dialect]
    raw = read_file(write(tmp_path / "ratings.csv", {row: line}, dialect))
    assert raw.frame.index.tolist() == list(range(2, 202))
    assert raw.frame["comment"][row] == comment.replace(",", delimiter).replace("\n", end)
    assert raw.frame["x"][row] == "1"
    others = raw.frame.drop(index=row)
    assert others["id"].tolist() == [f"c{i}" for i in range(2, 202) if i != row]
    assert set(others["comment"]) == {"fine"}
    assert raw.lines == 201 + line.count("\n")


@pytest.mark.parametrize(
    ("head", "line", "cells"),
    [
        ("comment,x,y", '"one\ntwo",1,2', ["one\ntwo", "1", "2"]),
        ("comment,x,y", '"well, I\nsay\ntwo",1,2', ["well, I\nsay\ntwo", "1", "2"]),
        ("x,comment,y", '1,"one\ntwo, three\nfour",2', ["1", "one\ntwo, three\nfour", "2"]),
        ("id,comment", 'c1,"one\n""two"""', ["c1", 'one\n"two"']),
        ("id,comment", 'c1,"Dear all,\nI think, so\nbye"', ["c1", "Dear all,\nI think, so\nbye"]),
        ("id,x,comment", 'c1,,"one\ntwo,,three\nfour"', ["c1", "", "one\ntwo,,three\nfour"]),
        ('"a\nname",b', "1,2", ["1", "2"]),
        ('b,"a, long\nname"', '1,"2\n3"', ["1", "2\n3"]),
    ],
)
def test_a_small_table_with_text_of_several_lines(head, line, cells, tmp_path):
    (tmp_path / "t.csv").write_text(f"{head}\n{line}\n{line}\n")
    assert read_file(tmp_path / "t.csv").frame.to_numpy().tolist() == [cells, cells]


@pytest.mark.parametrize("blank", ["", "\n"])
def test_text_that_fills_the_header_in_each_line_is_not_believed(blank, tmp_path):
    (tmp_path / "t.csv").write_text(f'x,y,comment\n1,2,"one{blank}\nand, two, three"\n')
    end = 3 + len(blank)
    assert refusal(tmp_path / "t.csv") == ([(2, end)], str(end), "1 record")


CHANGE = st.tuples(st.integers(0, 29), st.integers(0, 3), st.sampled_from(["start", "end", "both"]))


@settings(max_examples=150)
@given(marks=st.lists(CHANGE, min_size=1, max_size=6), seed=st.integers(0, 99))
def test_stray_marks_lose_no_row(marks, seed, tmp_path_factory):
    draw = random.Random(seed)
    words = ["no show", "late, ill", "", "fine"]
    cells = [[f"c{i}", "N", f"{i % 7}", draw.choice(words)] for i in range(30)]
    for row, column, where in marks:
        cell = cells[row][column]
        cells[row][column] = '"' * (where != "end") + cell + '"' * (where != "start")
    path = tmp_path_factory.mktemp("stray") / "t.csv"
    path.write_text("\n".join([HEAD, *map(",".join, cells)]) + "\n")
    try:
        frame = read_file(path).frame
    except DataError:
        return
    assert len(frame) == 30
    assert [v.strip('"') for v in frame["id"]] == [f"c{i}" for i in range(30)]


@settings(max_examples=300)
@given(signs=st.lists(st.sampled_from(['"', ",", "a", "\n", "\r\n", "\r", " "]), max_size=30))
def test_marks_are_followed_as_the_parser_does(signs, tmp_path_factory):
    path = tmp_path_factory.mktemp("any") / "t.csv"
    path.write_bytes(("h,i\n" + "".join(signs) + "x").encode())
    skipped = []
    table = arrow_csv.read_csv(
        path,
        read_options=arrow_csv.ReadOptions(column_names=[*"abcdefgh"], use_threads=False),
        parse_options=arrow_csv.ParseOptions(
            newlines_in_values=True,
            ignore_empty_lines=False,
            invalid_row_handler=lambda row: skipped.append(row) or "skip",
        ),
        convert_options=arrow_csv.ConvertOptions(column_types=dict.fromkeys("abc", pa.string())),
    )
    search, records = delimited.Quotes(","), 0
    with delimited.text_of(path, "utf8") as file:
        for line in file:
            records += 1
            if search.open_after(line) is not None:
                search._follow(file, line)
    with delimited.text_of(path, "utf8") as file:
        assert delimited.count_lines(path) == len(list(file))
    assert records == len(table) + len(skipped)


def test_line_ends_are_counted_across_blocks(tmp_path, monkeypatch):
    (tmp_path / "t.csv").write_bytes(b"a\r\nb\r\n\r\n\rc\nd")
    for size in range(1, 12):
        monkeypatch.setattr(delimited, "BLOCK", size)
        assert delimited.count_lines(tmp_path / "t.csv") == 6
