from datetime import date, timedelta

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alliance_helpers.errors import DataError
from alliance_helpers.study.days import merge_stays

FIRST = date(1990, 1, 1)


@st.composite
def stay(draw):
    admission = FIRST + timedelta(days=draw(st.integers(0, 60)))
    return draw(st.sampled_from("AB")), admission, admission + timedelta(draw(st.integers(0, 20)))


def frame(rows) -> pd.DataFrame:
    made = pd.DataFrame(rows, columns=["client_id", "admission", "discharge"])
    made["client_id"] = made["client_id"].astype("str")
    for name in ("admission", "discharge"):
        made[name] = pd.to_datetime(made[name]).astype("datetime64[us]")
    return made


def days(client, admission, discharge) -> set:
    return {(client, admission + timedelta(i)) for i in range((discharge - admission).days)}


@given(st.lists(stay(), min_size=1, max_size=15))
def test_the_same_days_and_no_two_stays_touch(rows):
    stays, into = merge_stays(frame(rows))
    merged = [(c, a.date(), d.date()) for c, a, d in stays.itertuples(index=False)]
    assert set().union(*(days(*r) for r in merged)) == set().union(*(days(*r) for r in rows))
    for client, admission, discharge in merged:
        for other, begin, end in merged:
            if (other, begin, end) != (client, admission, discharge) and other == client:
                assert end < admission or discharge < begin
    assert set(into) == set(stays.index)
    for row, target in into.items():
        client, admission, discharge = rows[row]
        assert stays.loc[target, "client_id"] == client
        assert stays.loc[target, "admission"].date() <= admission
        assert stays.loc[target, "discharge"].date() >= discharge


def test_a_stay_still_going_on_swallows_later_ones():
    rows = [("A", date(1990, 1, 1), None), ("A", date(1990, 5, 1), date(1990, 6, 1))]
    stays, into = merge_stays(frame(rows))
    assert len(stays) == 1
    assert stays["discharge"].isna().all()
    assert into.to_list() == [0, 0]


def test_dates_in_the_wrong_order_are_named():
    rows = [("A", date(1990, 2, 1), date(1990, 1, 1)), ("A", None, date(1990, 1, 1))]
    with pytest.raises(DataError) as refused:
        merge_stays(frame(rows))
    assert {p.column for p in refused.value.problems} == {"admission", "discharge"}
