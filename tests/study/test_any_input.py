"""Whatever the input: success, or a named error. Never anything else."""

import string
import warnings
from datetime import datetime

import pandas as pd
import pytest
from bad_input import good
from hypothesis import example, given, settings
from hypothesis import strategies as st

from alliance_helpers.drafting.draft import describe
from alliance_helpers.errors import AllianceError, CodebookError, DataError
from alliance_helpers.study.clean import clean
from alliance_helpers.study.load import Study, check, load_study
from alliance_helpers.study.read_codebook import draft_codebook, parse_codebook

EXAMPLES = settings(max_examples=80)
NASTY = [
    "", " ", "-9", "0", "7", "8", "1e400", "-inf", "nan", "NA", "1,5", "1_000", "٣", "１", "=1+1",
    '"', "'", ";", "\t", "C1", "c 01", "T2", "1990-02-30", "1990-01-15T10:00Z", "9999-12-31",
    "0000-00-00", "North", "NORTH ", "{1..3}", "%s", "\u2028", "\ufeff", "x" * 500, "true", "None",
    "0x1F", "1.0", "1.", ".5", "+3", "é", "💥", "../../etc/passwd", "$(touch x)", "<b>",
]  # fmt: skip
CELL = st.sampled_from(NASTY) | st.text(max_size=8) | st.integers(-100, 100).map(str)


def works_or_says_why(source) -> None:
    """Problems, or a study that can be cleaned."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        problems, _ = check(source)
        for problem in problems:
            assert str(problem).strip()
            assert problem.record()["remedy"]
        if problems:
            with pytest.raises(AllianceError):
                load_study(source)
        else:
            made = clean(load_study(source))
            assert made.dyads["client_id"].is_unique


@EXAMPLES
@given(data=st.data())
def test_any_cell(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("any")
    for name, text in good().items():
        if name.endswith(".csv"):
            rows = [line.split(",") for line in text.splitlines()]
            for _ in range(data.draw(st.integers(0, 3))):
                row = rows[data.draw(st.integers(0, len(rows) - 1))]
                row[data.draw(st.integers(0, len(row) - 1))] = data.draw(CELL)
            text = "\n".join(",".join(row) for row in rows) + "\n"
        (folder / name).write_text(text, encoding="utf-8", errors="surrogatepass")
    works_or_says_why(folder)


@EXAMPLES
@given(name=st.sampled_from(sorted(good())), data=st.data())
def test_any_bytes(name, data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("any")
    for file, text in good().items():
        (folder / file).write_bytes(text.encode())
    raw = bytearray(good()[name].encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw)))
        cut = data.draw(st.integers(0, 12))
        raw[at : at + cut] = data.draw(st.binary(max_size=6))
    (folder / name).write_bytes(bytes(raw))
    works_or_says_why(folder)


YAML_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(NASTY),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(string.ascii_letters, min_size=1, max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@EXAMPLES
@given(st.data())
def test_any_codebook(data):
    import yaml

    raw = yaml.safe_load(good()["codebook.yml"])
    for _ in range(data.draw(st.integers(1, 3))):
        here = raw
        while isinstance(here, dict) and here:
            key = data.draw(st.sampled_from(sorted(here, key=str)))
            inner = here[key]
            if not isinstance(inner, dict) or not inner or data.draw(st.booleans()):
                if data.draw(st.booleans()):
                    here[key] = data.draw(YAML_VALUE)
                else:
                    del here[key]
                break
            here = inner
    text = yaml.safe_dump(raw, allow_unicode=True)
    try:
        book, problems = draft_codebook(text)
    except AllianceError:
        return
    assert book is not None or problems


COLUMN = st.one_of(
    st.lists(st.integers(-(2**62), 2**62), min_size=4, max_size=4),
    st.lists(st.floats(), min_size=4, max_size=4),
    st.lists(st.none() | st.booleans(), min_size=4, max_size=4),
    st.lists(st.none() | CELL, min_size=4, max_size=4),
    st.lists(st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1)), min_size=4, max_size=4),
    st.lists(st.integers() | CELL | st.floats() | st.none(), min_size=4, max_size=4),
)
TYPED = parse_codebook("""
study: {title: Any, client: client_id}
missing: [-9, NA]
tables:
  t:
    file: t.parquet
    key: [client_id]
    variables:
      client_id: {type: id, column: "#row"}
      a: {type: integer, range: [1, 7]}
      b: {type: number}
      c: {type: category, values: [North, South]}
      d: {type: date}
      e: {type: id}
      f: {type: number, range: [0, 1], out_of_range: missing, missing: [5]}
""")


@EXAMPLES
@given(st.fixed_dictionaries(dict.fromkeys("abcdef", COLUMN)))
def test_any_types(columns):
    study = Study({"t": pd.DataFrame(columns)}, TYPED, "any")
    if not study.examined.problems:
        dyads = clean(study).dyads
        assert dyads["a"].dropna().isin(range(1, 8)).all()
        assert dyads["f"].dropna().between(0, 1).all()
        assert set(dyads["c"].dropna()) <= {"North", "South"}


NAME = st.text(max_size=12) | st.sampled_from([
    "", " ", "0", "01", "1", "2", "3", "a: b", "'", '"', "a\nb", "#row", "unnamed 1", "q{1..3}",
    "[a]", "*", "é1", "é2", "é3", "id", "ID", "patient_id", "client_id", "therapist", "ward", "yes",
    "~", "- a", "?", "Q1", "Q2", "Q3", "q1", "q2", "q3", "q_1", "q_2", "WAI1", "WAI2", "WAI3",
    "client_alliance", "hospital_days", "sex", "sex_female", "q_score", "x" * 300, "\ufeffid", "=1",
])  # fmt: skip
CYCLE = st.sampled_from([
    ["1", "2"], ["1", "5", "3"], ["-9", "1", "4"], ["1.5"], [""], ["A", "B"], ["female", "male"],
    ["1990-01-01", "1991-02-03"], [f"p{i}" for i in range(30)],
])  # fmt: skip
TABLE = st.lists(st.tuples(NAME, st.lists(CELL, min_size=1, max_size=12) | CYCLE), min_size=1,
                 max_size=8)  # fmt: skip


@EXAMPLES
@given(tables=st.lists(TABLE, min_size=1, max_size=3), n=st.integers(1, 24))
@example(tables=[[("\u9999", [f"p{i}" for i in range(30)])], [("'", ["A", "B"])]], n=10)
@example(tables=[[("", ["INFINITY"]), ("00", ["1e400"]), ("", [""]), ("0", ["", "-9"])]], n=2)
@example(tables=[[("", [""]), ("", ["x"]), ("00", ["y"]), ("", [""]), ("0", ["", "-9"])]], n=2)
@example(tables=[[("", ["\x8e", "-51", "", ""]), ("", ["1", "2"]), ("", ["x", "y"])]], n=18)
@example(tables=[[("00", ["-9", "1", "4"])], [("id", ["", "-9"]), ("1", ["1", "2"])]], n=3)
def test_any_study_can_be_described(tables, n, tmp_path_factory):
    folder = tmp_path_factory.mktemp("any")
    for i, table in enumerate(tables):
        cells = [[values[k % len(values)] for _, values in table] for k in range(n)]
        frame = pd.DataFrame(cells, columns=[name for name, _ in table])
        frame.to_csv(folder / f"t{i}.csv", index=False, encoding="utf-8", errors="replace")
    try:
        draft = describe(folder)
    except DataError:
        return
    if "STOP: " in draft:  # no codebook until somebody has seen to it
        with pytest.raises(CodebookError):
            parse_codebook(draft)
        return
    book = parse_codebook(draft)
    about_columns = ("does not know", "column is missing", "columns are missing", "more than once")
    told = "\n".join(map(str, check(folder, book)[0]))
    assert not [words for words in about_columns if words in told], told
    if not told:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            clean(load_study(folder, book))
