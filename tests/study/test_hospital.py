from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alliance_helpers.errors import DataError, ParameterError
from alliance_helpers.study.days import hospital_days

FIRST, LAST = date(1990, 1, 1), date(1992, 1, 1)
day = st.integers(-60, 800).map(lambda d: FIRST + timedelta(days=d))


@st.composite
def stays(draw):
    admission = draw(day)
    length = draw(st.none() | st.integers(0, 90))
    discharge = None if length is None else admission + timedelta(days=length)
    return draw(st.sampled_from("ABCD")), admission, discharge


def frame(rows):
    return pd.DataFrame(rows, columns=["client_id", "admission", "discharge"], dtype=object)


def by_day_set(rows, start, end):
    """Put every single day of every stay into a set: the definition, slowly."""
    days = {}
    for client, admission, discharge in rows:
        inside = days.setdefault(client, set())
        one = max(admission, start[client])
        while one < end[client] and (discharge is None or one < discharge):
            inside.add(one)
            one += timedelta(days=1)
    return {c: len(days.get(c, ())) for c in start}


@given(st.lists(stays(), max_size=25), st.dictionaries(st.sampled_from("ABCE"), day, min_size=1))
def test_any_stays_in_any_windows_give_the_days_of_the_day_set(rows, start):
    end = {c: s + timedelta(days=50 + 40 * i) for i, (c, s) in enumerate(start.items())}
    rows_of_them = [r for r in rows if r[0] in start]
    found = hospital_days(frame(rows), pd.Series(start), pd.Series(end))
    assert found.to_dict() == by_day_set(rows_of_them, start, end)
    assert found.index.tolist() == list(start)


@given(st.lists(stays(), min_size=1, max_size=25), st.randoms())
def test_order_and_splitting_of_stays_change_nothing(rows, random):
    whole = hospital_days(frame(rows), FIRST, LAST)
    pieces = []
    for client, admission, discharge in rows:
        middle = admission + timedelta(days=3)
        split = discharge is None or discharge > middle
        pieces += (
            [(client, admission, middle), (client, middle, discharge)]
            if split
            else [(client, admission, discharge)]
        )
    random.shuffle(pieces)
    assert hospital_days(frame(pieces), FIRST, LAST).to_dict() == whole.to_dict()


@pytest.mark.parametrize(
    ("admission", "discharge", "days"),
    [
        (["1990-03-01"], ["1990-03-01"], 0),  # same day
        (["1990-03-01"], ["1990-03-02"], 1),  # the day of discharge is not counted
        (["1990-03-01", "1990-03-04"], ["1990-03-04", "1990-03-06"], 5),  # adjoining
        (["1990-03-01", "1990-03-03"], ["1990-03-10", "1990-03-04"], 9),  # nested
        (["1989-12-20"], ["1990-01-03"], 2),  # cut at the start
        (["1991-12-31"], ["1992-02-01"], 1),  # cut at the end
        (["1991-12-30"], [None], 2),  # still there
        (["1989-01-01"], [""], 730),  # the whole window
        (["1992-01-01"], ["1992-01-05"], 0),  # after it
        (["1990-03-01 23:00"], ["1990-03-02 08:00"], 1),  # the time of day does not matter
    ],
)
def test_days_of_a_stay(admission, discharge, days):
    episodes = pd.DataFrame({"client_id": "A", "admission": admission, "discharge": discharge})
    assert hospital_days(episodes, "1990-01-01", "1992-01-01").loc["A"] == days
    as_dates = episodes.assign(
        admission=pd.to_datetime(episodes["admission"]),
        discharge=pd.to_datetime(episodes["discharge"].replace("", None)),
    )
    assert hospital_days(as_dates, pd.Timestamp(FIRST), pd.Timestamp(LAST)).loc["A"] == days


def test_a_window_per_client_lists_every_client_and_no_other():
    episodes = frame([("A", FIRST, LAST), ("Z", FIRST, LAST)])
    start = pd.Series(pd.Timestamp("1991-12-01"), ["B", "A"])
    found = hospital_days(episodes, start, "1992-01-01")
    assert found.index.tolist() == ["B", "A"]
    assert found.tolist() == [0, 31]
    assert (found.name, found.index.name, found.dtype) == ("hospital_days", "client_id", np.int64)


def test_no_stays_at_all():
    assert hospital_days(frame([]), FIRST, LAST).empty
    assert hospital_days(frame([]), pd.Series({"A": FIRST}), LAST).tolist() == [0]


def test_every_bad_stay_is_named():
    rows = [
        ("A", "1990-02-01", "1990-01-31"),
        ("A", "1990-02-30", "1990-03-05"),
        ("B", None, "1990-03-05"),
        (None, "1990-02-01", "someday"),
    ]
    with pytest.raises(DataError) as caught:
        hospital_days(frame(rows), FIRST, LAST)
    problems = {(row, p.column) for p in caught.value.problems for row in p.rows or (p.row,)}
    assert problems == {
        (2, "discharge"),
        (3, "admission"),
        (4, "admission"),
        (5, "client_id"),
        (5, "discharge"),
    }
    assert (
        "row 2, column discharge: found '1990-01-31'; it lies before the admission on 1990-02-01"
        in str(caught.value)
    )
    assert "'1990-02-30'; a date was expected" in str(caught.value)


@pytest.mark.parametrize(
    ("episodes", "start", "end", "message"),
    [
        ([("A", FIRST, LAST)], FIRST, LAST, "must be a DataFrame"),
        (frame([]).drop(columns="discharge"), FIRST, LAST, "no column discharge"),
        (frame([]), LAST, FIRST, "ends before it starts"),
        (frame([]), pd.Series({"A": LAST, "B": LAST, "C": FIRST}), FIRST, "starts for 'A', 'B'"),
        (frame([]), pd.Series({"A": None, "B": FIRST}), LAST, "start must be a date; that of 'A'"),
        (frame([]), FIRST, "soon", "end must be a date; 'soon'"),
        (frame([]), pd.Series([FIRST, FIRST], ["A", "A"]), LAST, "one window is given for 'A'"),
        (frame([]), pd.Series({"A": FIRST}), pd.Series({"B": LAST}), "not given for 'A', 'B'"),
        (frame([("7", FIRST, LAST)]), pd.Series({7: FIRST}), LAST, "Read both as text"),
    ],
)
def test_windows_that_cannot_be_used(episodes, start, end, message):
    with pytest.raises(ParameterError, match=message):
        hospital_days(episodes, start, end)


def test_numbers_are_not_dates():
    episodes = pd.DataFrame({"client_id": ["A"], "admission": [32874], "discharge": [32880]})
    with pytest.raises(DataError, match="'32874'; a date was expected"):
        hospital_days(episodes, FIRST, LAST)
