"""Sessions told in other ways, and sheets as people lay them out: the right numbers, or a question.

Where the informants' last sessions differ, both ratings are of the last that everybody rated.
"""

import re

import numpy as np
import pandas as pd
import pytest
from exports_made import C, T, totals, truth
from layouts_made import (
    ANEW,
    SESSIONS,
    SHEETS,
    THERAPIST,
    a_file_for_each_site,
    a_file_of_each,
    a_sheet_for_each_site,
    a_total_row,
    ambiguous_dates,
    at_sessions,
    at_sites,
    both,
    forms,
    last_of_each_differs,
    lies_mich,
    names_again,
    notes_and_blocks,
    notes_below,
    numbered_therapists,
    session_words,
    sheet,
    therapists_at_two_sites,
    three_headers,
)
from test_exports import as_planted, drafted

from alliance_helpers.drafting.draft import describe
from alliance_helpers.errors import DataError
from alliance_helpers.study.clean import clean
from alliance_helpers.study.load import check, load_study, read_file
from alliance_helpers.study.read_codebook import parse_codebook


@pytest.mark.parametrize("made", SESSIONS, ids=lambda made: made.__name__)
def test_sessions_are_taken_in_their_order_and_of_both_informants_alike(made, tmp_path):
    data = truth()
    made(tmp_path, data)
    text, book, found, dyads = drafted(tmp_path)
    sessions = dyads.attrs["sessions"]
    numbers = sessions.frame.groupby("patient_id")[sessions.order]
    assert (numbers.nunique() == numbers.size()).all()
    assert "event: last_rated" in text
    assert "QUESTION: all sessions are kept" in text
    assert book.case_manager == "therapist"
    as_planted(found, data)


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (last_of_each_differs, "at the session taken (last) the client's rating is lacking for 24"),
        (last_of_each_differs, "(last) the case manager's rating is lacking for 24 clients, who"),
        (a_file_of_each, "for 48 of 72 clients the ratings are of different sessions: for '20"),
    ],
)
def test_ratings_of_unlike_sessions_are_told_with_a_remedy(made, told, tmp_path):
    made(tmp_path, truth())
    text = describe(tmp_path)
    notes = check(tmp_path, parse_codebook(text.replace("event: last_rated", "event: last")))[1]
    (warned,) = [note for note in notes if told in note]
    assert "`event: last_rated`" in warned
    settled = check(tmp_path, parse_codebook(text))[1]
    assert not any("rating is lacking" in note or "different" in note for note in settled)
    assert any("not the very last of " in note for note in settled)
    assert any("session 3 is taken" in note for note in settled)


def test_who_never_rated_together_is_kept_and_told(tmp_path):
    rows = at_sessions(truth())
    rows.loc[rows["patient_id"] == 2003, THERAPIST] = None
    rows.to_csv(tmp_path / "s.csv", index=False)
    text = describe(tmp_path).replace("last_rated", "first_rated")
    book = parse_codebook(text)
    dyads = clean(load_study(tmp_path, book)).dyads.set_index("patient_id")
    assert len(dyads) == 72
    assert dyads["session"].eq(1).all()
    rows.loc[rows["session"] == 2, THERAPIST] = None
    rows.loc[(rows["patient_id"] == 2003) & (rows["session"] < 3), "wai_c1":"wai_c12"] = None
    rows.loc[(rows["patient_id"] == 2003) & (rows["session"] == 2), THERAPIST] = 4
    rows.to_csv(tmp_path / "s.csv", index=False)
    told = [note for note in check(tmp_path, book)[1] if "rating is lacking for 1 clients" in note]
    assert told
    assert all("that everybody rated, if there is" in note for note in told)


def of_each(values, who):
    """How many clients each therapist has, and their mean rating, the therapists in any order."""
    told = values.groupby([*who]).agg(["size", "mean"]).round(6)
    return told.sort_values(["size", "mean"]).reset_index(drop=True)


@pytest.mark.parametrize("made", ANEW, ids=lambda made: made.__name__)
def test_numbers_that_begin_anew_are_other_people_s_and_it_is_asked(made, tmp_path):
    data = truth()
    made(tmp_path, data)
    text, book, found, dyads = drafted(tmp_path)
    wanted = totals(data)
    assert "does each count its own" in text
    assert "names items" not in text
    assert len(found) == len(wanted)
    pairs = [x[["c", "t"]].sort_values(["c", "t"]).to_numpy() for x in (found, wanted)]
    np.testing.assert_allclose(*pairs)
    theirs = of_each(found["c"], dyads[book.case_manager])
    pd.testing.assert_frame_equal(theirs, of_each(wanted["c"], data["who"]))
    assert not any("several of" in note for note in check(tmp_path, book)[1])


def test_therapists_who_begin_anew_are_told_unless_few_work_at_two_sites(tmp_path):
    numbered_therapists(tmp_path, truth())
    plainly = parse_codebook(describe(tmp_path).replace(", within: [clinic]", ""))
    (told,) = [note for note in check(tmp_path, plainly)[1] if "several of" in note]
    assert "column therapist: 6 of 6 ids stand in several of 'clinic' (1, 2, 3, 4, 5, 6)" in told
    assert "say `within: clinic` of 'therapist'" in told
    therapists_at_two_sites(tmp_path, truth())
    text = describe(tmp_path)
    assert "within" not in text
    assert not any("several of" in note for note in check(tmp_path, parse_codebook(text))[1])


def test_a_file_for_each_site_stops_until_their_rows_are_one_table(tmp_path):
    data = truth()
    a_file_for_each_site(tmp_path, data)
    stops = [line for line in describe(tmp_path).splitlines() if "# STOP: " in line]
    assert len(stops) == 1
    assert "North.csv, South.csv: found the same columns as in East.csv, and the same" in stops[0]
    assert "with a further column named site" in stops[0]
    parts = [(p, pd.read_csv(p)) for p in tmp_path.iterdir()]
    for path, _ in parts:
        path.unlink()
    pd.concat(part.assign(site=path.stem) for path, part in parts).to_csv(tmp_path / "all.csv")
    _, book, found, dyads = drafted(tmp_path)
    theirs = of_each(found["c"], dyads[book.case_manager])
    pd.testing.assert_frame_equal(theirs, of_each(totals(data)["c"], data["who"]))


def test_files_named_for_a_time_or_an_informant_are_the_same_clients(tmp_path):
    data = at_sites(truth())
    for name in ("pre", "post"):
        both(data.assign(id=range(72)), id="id").to_csv(tmp_path / f"{name}.csv", index=False)
    assert "STOP" not in describe(tmp_path).split("study:")[0].replace("before a STOP", "")


@pytest.mark.parametrize("made", SHEETS, ids=lambda made: made.__name__)
def test_sheets_as_people_lay_them_out(made, tmp_path):
    data = truth()
    made(tmp_path, data)
    text, book, found, _ = drafted(tmp_path)
    wanted = totals(data)
    assert book.case_manager in ("therapist", "behandler")
    if made is a_sheet_for_each_site:
        assert "STOP: m.xlsx [Hamburg]: found the same columns as in m.xlsx [Berlin]" in describe(
            tmp_path
        )
        return
    assert "QUESTION: " not in text
    pd.testing.assert_frame_equal(
        found[["c", "t"]], wanted, check_names=False, check_index_type=False
    )


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (a_total_row, "72 records in 74 rows, no records, left aside: row 74"),
        (notes_below, "72 records in 76 rows, no records, left aside: row 75, 76"),
        (names_again, "72 records in 74 lines, no records, left aside: row 38"),
        (notes_and_blocks, "left aside: what stands beside the table"),
    ],
)
def test_what_is_left_aside_is_told(made, told, tmp_path):
    made(tmp_path, truth())
    assert told in "\n".join(check(tmp_path, parse_codebook(describe(tmp_path)))[1])


def test_a_record_at_the_foot_is_no_note(tmp_path):
    """One with an id alone, one whose first cell is a word among numbers, one spelled as others."""
    frame = forms(truth()).astype(object)
    frame.loc[71, frame.columns[1:]] = None
    frame.loc[70, "id"] = "unknown"
    for stem, first in (("one", "id"), ("two", "group")):
        frame = frame.assign(group=["total", "partial", *["total"] * 70])
        frame = frame[[first, *frame.columns.drop(first)]]
        frame.to_csv(tmp_path / f"{stem}.csv", index=False)
        raw = read_file(tmp_path / f"{stem}.csv")
        assert len(raw.frame) == 72
        assert "aside" not in raw.told


def test_cells_beyond_the_names_are_refused_unless_a_blank_column_lies_between(tmp_path):
    sheet(tmp_path, forms(truth()), beside={"AA9": 7})
    with pytest.raises(DataError, match="row 9: has 27 cells where the header has 26"):
        describe(tmp_path)


def test_a_sheet_that_explains_is_no_table_and_its_name_is_told(tmp_path):
    lies_mich(tmp_path, truth())
    assert "'Lies mich' is not read, since by its name" in describe(tmp_path).splitlines()[0]


def test_import_ids_that_do_not_match_are_named_without_the_tool_s_own_columns(tmp_path):
    three_headers(tmp_path, truth())
    text = (tmp_path / "q.csv").read_text()
    (tmp_path / "q.csv").write_text(text.replace('"{""ImportId"":""QID3""}"', "Item 2", 1))
    with pytest.raises(DataError, match=r"row 3, column wai_c2: found 'Item 2'; ImportIds stand"):
        describe(tmp_path)


def test_what_is_day_and_what_is_month_is_asked_if_no_value_tells(tmp_path):
    ambiguous_dates(tmp_path, truth())
    text = describe(tmp_path)
    assert "QUESTION: 'date': does a date begin with its day or its month?" in text
    seen = [text, text.replace('format: "%d/%m/%Y"', 'format: "%m/%d/%Y"')]
    months = [clean(load_study(tmp_path, parse_codebook(t))).dyads["date"].dt.month for t in seen]
    assert [{*month} for month in months] == [{6}, {5}]
    session_words(tmp_path, truth(), ["05/03/2024", "13/04/2024", "01/06/2024"], "date")
    assert "its day or its month" not in describe(tmp_path)


@pytest.mark.parametrize(
    ("words", "last"),
    [
        (["week 4", "month 6", "week 12"], "month 6"),
        (["Post", "Katamnese", "Prä"], "Katamnese"),
        (["T10", "T9", "T2"], "T10"),
        (["2nd visit", "10th visit", "1st visit"], "10th visit"),
        (["segunda sesión", "tercera sesión", "primera sesión"], "tercera sesión"),
        (["6-month follow-up", "baseline", "3-month follow-up"], "6-month follow-up"),
    ],
)
def test_words_for_sessions_and_events_have_their_order(words, last, tmp_path):
    session_words(tmp_path, truth(), words, "wave")
    book = parse_codebook(describe(tmp_path))
    wave = book.tables["s"].variables["wave"]
    assert [*(wave.codes or wave.values)][-1] == last


def test_rooms_groups_and_therapists_are_no_sessions(tmp_path):
    rows = at_sessions(truth()).rename(columns={"session": "Raum"})
    rows["Raum"] = rows["Raum"].map("Gruppe {}".format)
    rows["therapist"] = rows["therapist"].map("T{}".format)
    rows.to_csv(tmp_path / "s.csv", index=False)
    book = parse_codebook(describe(tmp_path))
    assert book.tables["s"].time is None
    assert book.case_manager == "therapist"


def test_numbers_of_clients_that_could_be_days_are_ids(tmp_path):
    rows = at_sessions(truth())
    days = pd.date_range("2024-01-03", periods=72).strftime("%Y%m%d").astype(int)
    rows["patient_id"] = rows["patient_id"].map(dict(zip(range(2001, 2073), days, strict=True)))
    rows.to_csv(tmp_path / "s.csv", index=False)
    book = parse_codebook(describe(tmp_path))
    assert book.tables["s"].variables[book.client].column == "patient_id"
    assert book.tables["s"].time == "session"


def test_answers_that_are_all_one_word_are_no_units(tmp_path):
    """The first client broke off: it is a record, and `check` names the word."""
    frame = forms(truth()).astype(object)
    frame.iloc[0, 2:] = "broken off"
    frame["id"] = frame["id"].map("A{}".format)
    frame["therapist"] = frame["therapist"].map("T{}".format)
    frame.to_csv(tmp_path / "s.csv", index=False)
    book = parse_codebook(describe(tmp_path))
    assert book.tables["s"].header == (1, 1)


@pytest.mark.parametrize("other", ["dyad_code", "client"])
@pytest.mark.parametrize("sorted_alike", [False, True])
def test_files_are_joined_by_a_code_and_never_by_what_each_counts_itself(
    other, sorted_alike, tmp_path
):
    """Running numbers in other orders, or begun anew where one file lacks clients."""
    data = truth()
    client, theirs = data[["id", *C]], data[["id", "who", *T]].iloc[2:]
    theirs = theirs if sorted_alike else theirs.sample(frac=1, random_state=1)
    for frame, code, name in ((client, "dyad_code", "client"), (theirs, other, "therapist")):
        frame = frame.rename(columns={"id": code, "who": "therapist"}).reset_index(drop=True)
        frame.columns = [re.sub(r"^[ct](\d+)$", rf"wai_{name[0]}\1", c) for c in frame]
        frame.insert(0, "record_id", frame.index + 1)
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    text, _, found, _ = drafted(tmp_path)
    wanted = totals(data).loc[found.index]
    wanted.loc[["2001", "2002"], "t"] = None
    pd.testing.assert_frame_equal(found, wanted, check_names=False)
    assert text.count("'record_id' counts the rows of this file alone") == 2
    assert ("was taken for" in text) == (other == "client")


def test_numbers_that_every_file_counts_alike_are_ids(tmp_path):
    data = truth().assign(record_id=range(1, 73))
    data[["record_id", "id", *C]].to_csv(tmp_path / "client.csv", index=False)
    data[["record_id", "id", *T]].iloc[::2].to_csv(tmp_path / "therapist.csv", index=False)
    assert parse_codebook(describe(tmp_path)).client == "record_id"
