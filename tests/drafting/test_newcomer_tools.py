"""What tools and hands put among the answers: codes in words, numbers with words, ids retyped."""

import numpy as np
import pandas as pd
import pytest
from exports_made import SR, C, T, ids, named, totals, truth
from layouts_made import at_sessions
from test_exports import as_planted, drafted

from alliance_helpers.drafting.answers import no_answer, read_words
from alliance_helpers.drafting.draft import describe
from alliance_helpers.drafting.exports import read_sources


def with_codes(folder, data):
    """Castor: no answer is a word with a code in it."""
    frame = pd.concat([ids(data, Record="id", therapist_nr="who"), data[C + T]], axis=1)
    frame.columns = [*frame.columns[:2], *(f"wai_{'c' if c in C else 't'}_{c[1:]}" for c in C + T)]
    frame = frame.astype(object).where(frame.notna(), "##USER_MISSING_99##")
    frame.iloc[3:9, 4] = "##USER_MISSING_96##"
    data.loc[3:8, "c3"] = np.nan
    frame.to_csv(folder / "export.csv", index=False)


def refused(folder, data):
    """A word that no set has, with a number beyond all answers."""
    frame = pd.concat([ids(data, id="id", therapist="who"), named(data[C], C, "wai_c{}"),
                       named(data[T], T, "wai_t{}")], axis=1).astype(object)  # fmt: skip
    frame.iloc[3:9, 4] = "99 (see note)"
    data.loc[3:8, "c3"] = np.nan
    frame.to_csv(folder / "s.csv", index=False)


def ends_in_words(folder, data):
    """The ends as printed, of which one is rare, and the numbers between."""
    data[C] = data[C].where(data[C] != 1, 2)
    data.loc[[0, 5], "c2"] = 1
    told = data[C].map(lambda x: {1: "1 - seldom", 5: "5 - always"}.get(x, x))
    frame = [ids(data, id="id", therapist="who"), named(told, C, "wai_c{}"),
             named(data[T], T, "wai_t{}")]  # fmt: skip
    pd.concat(frame, axis=1).to_csv(folder / "s.csv", index=False)


def typed_by_hand(folder, data):
    """The same code in three spellings, in either file by chance."""
    rng = np.random.default_rng(7)
    ways = ["K{:02d}", "k{:02d}", "K-{:02d}"]
    for name, columns, items in (("client", {"PHQ": "phq"}, C), ("rater", {"therapist": "who"}, T)):
        typed = [ways[rng.integers(3)].format(i - 2000) for i in data["id"]]
        frame = pd.concat([ids(data, **columns), named(data[items], items, f"wai_{name[0]}{{}}")],
                          axis=1).rename(columns=lambda c: c.replace("wai_r", "wai_t"))  # fmt: skip
        frame.insert(0, f"{name} form: code", typed)
        frame.to_csv(folder / f"{name}.csv", index=False)


def numbered_by_the_tool(folder, data):
    """Unipark: all variables numbered as one, what was not seen is -77, and a codebook beside."""
    frame = pd.DataFrame({"lfdn": data["id"] - 2000, "tester": 0, "dispcode": 31, "lastpage": 9,
                          "quality": -77, "v_12": data["id"], "v_13": data["who"]})  # fmt: skip
    frame = pd.concat([frame, named(data[C], C, "v_{}"), named(data[T], T, "w_{}")], axis=1)
    names = [*frame.columns[:7], *(f"v_{i}" for i in (*range(31, 43), *range(51, 63)))]
    frame = frame.set_axis(names, axis=1).fillna(-77).assign(v_70=data["phq"])
    more = frame.iloc[[4, 9]].assign(tester=[1, 0], dispcode=[31, 22], v_12=[9001, 9002])
    pd.concat([frame, more]).to_csv(folder / "data.csv", index=False)
    told = {"v_12": "Code", "v_13": "Therapeut/in (Nr.)", "v_70": "PHQ-9 Summe"}
    told |= {f"v_{i}": f"WAI Patient: {'abcdefghijkl'[i - 31] * 5}" for i in range(31, 43)}
    told |= {f"v_{i}": f"WAI Therapeut: {'abcdefghijkl'[i - 51] * 5}" for i in range(51, 63)}
    told = pd.DataFrame({"Variable": told.keys(), "Frage": told.values()})
    told.to_excel(folder / "Codebook_77.xlsx", index=False)


@pytest.mark.parametrize(
    ("made", "told"),
    [(with_codes, ""), (refused, "99 (see note) stand among the answers: are they none?"),
     (ends_in_words, ""), (typed_by_hand, "ids are typed otherwise than in the first table"),
     (numbered_by_the_tool, "")],
    ids=lambda made: getattr(made, "__name__", ""),
)  # fmt: skip
def test_the_totals_are_right(made, told, tmp_path):
    data = truth()
    made(tmp_path, data)
    text, book, found, _ = drafted(tmp_path)
    wanted = totals(data)
    assert told in text
    assert len(found) == len(wanted)
    assert np.allclose(found[["c", "t"]].sort_values(["c", "t"]),
                       wanted.sort_values(["c", "t"]), equal_nan=True)  # fmt: skip
    assert book.case_manager is not None


def test_the_last_session_is_no_missing_code(tmp_path):
    data = truth()
    at_sessions(data, (3, 6, 9)).to_csv(tmp_path / "s.csv", index=False)
    _, _, found, _ = drafted(tmp_path)
    as_planted(found, data)


def test_ids_that_could_be_two_are_not_joined_by_values(tmp_path):
    """K-07 and k07 of one file are two clients: no table says which of them the other's is."""
    data = truth(n=24)
    typed = [f"K{i - 2000:02d}" for i in data["id"]]
    for name, items, own in (("client", C, ["k-01", *typed[1:]]), ("rater", T, typed)):
        frame = named(data[items], items, f"wai_{'c' if items is C else 't'}{{}}")
        frame.insert(0, f"{name} code", own)
        frame = pd.concat([frame, frame.iloc[:1].assign(**{f"{name} code": "k01"})])
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    assert "typed otherwise" not in describe(tmp_path)


def test_a_codebook_of_another_study_explains_nothing(tmp_path):
    data = truth(n=8)
    ids(data, id="id", age="age").to_csv(tmp_path / "s.csv", index=False)
    told = pd.DataFrame({"Name": ["id", "x", "y"], "Text": ["Code of a house", "one", "two"]})
    told.to_csv(tmp_path / "my codebook 2.csv", index=False)
    (source,) = read_sources(tmp_path).values()
    assert source.raw.labels == {}


def test_words_beside_numbers():
    assert read_words(["5 - always"], {}, [1, 2, 4]).numbers == {"5 - always": 5}
    assert not read_words(["99 (gone)"], {}, [1, 2, 3]).numbers
    assert no_answer("##USER_MISSING_98##")
    assert not no_answer(SR[0])
