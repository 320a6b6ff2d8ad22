"""Further shapes: right as drafted, asked in so many words, or stopped with a remedy."""

import numpy as np
import pandas as pd
import pyreadstat
import pytest
from exports_made import C, T, ids, named, truth
from further_exports import side_by_side
from test_exports import as_planted, drafted

from alliance_helpers.drafting.draft import describe


def wide(data, one="wai_c{}", other="wai_t{}", **more):
    return side_by_side(data, one, other, id="id", therapist="who").assign(**more)


def transposed(data):
    return wide(data).set_index("id").T.rename_axis("measure").reset_index()


def an_answer_a_row(data):
    rows = wide(data).melt(["id", "therapist"], var_name="name", value_name="answer")
    told = rows.pop("name").str.extract(r"_(.)(\d+)")
    return rows.assign(rater=told[0].map({"c": "client", "t": "therapist"}), question=told[1])


def clients_side_by_side(data):
    frame = wide(data).drop(columns=[f"wai_c{i}" for i in range(1, 13)])
    made = {who: {f"{i}_{name}": value for i, row in enumerate(rows.to_dict("records"), 1)
                  for name, value in row.items()}
            for who, rows in frame.groupby("therapist")}  # fmt: skip
    frame = pd.DataFrame(made).T
    frame = frame.drop(columns=[c for c in frame if c.endswith("therapist")])
    return frame.rename_axis("therapist").reset_index()


def two_languages_in_columns(data):
    frame, german = wide(data, "wai_en_{}"), named(data[C], C, "wai_de_{}")
    here = np.arange(len(data)) % 2 == 0
    frame.loc[here, [c for c in frame if "_en_" in c]] = np.nan
    return pd.concat([frame, german.where(pd.Series(here), axis=0)], axis=1)


def headings_among_ids(data):
    parts = []
    for who, rows in wide(data).astype(object).groupby("therapist"):
        head, sums = (pd.DataFrame([{"id": text}]) for text in (f"Therapist: {who}", "Mean"))
        parts += [head, rows.drop(columns="therapist"), sums]
    return pd.concat(parts)


@pytest.mark.parametrize(
    ("made", "stop"),
    [
        (transposed, "column measure: found the names of items"),
        (an_answer_a_row, "column question: found the names of items"),
        (clients_side_by_side, "columns {1..4}_id: found other ids in each"),
        (two_languages_in_columns, "wai_en_{1..12} and wai_de_{1..12}: found no row that answers"),
        (headings_among_ids, "column id: found 'Therapist: 1', 'Therapist: 2', 'Mean'"),
    ],
)
def test_what_no_codebook_can_put_right_stops_the_draft(made, stop, tmp_path):
    made(truth()).to_csv(tmp_path / "d.csv", index=False)
    assert any("# STOP: d.csv" in line and stop in line for line in describe(tmp_path).splitlines())


def phases(folder, data):
    wide(data).to_csv(folder / "a.csv", index=False)
    rows = [ids(data, id="id").assign(phase=phase, phq9=data["phq"] + more, sex="f")
            for phase, more in (("intake", 3), ("discharge", 0))]  # fmt: skip
    pd.concat(rows).to_csv(folder / "b.csv", index=False)


def waves_of_both(folder, data):
    frame = wide(data, "wai_c_{}", "wai_t_{}").assign(phq9=data["phq"])
    rows = [frame.assign(wave=wave) for wave in ("mid", "post")]
    pd.concat(rows).to_csv(folder / "d.csv", index=False)


def swedish(folder, data):
    wide(data, phq_före=data["phq"] + 2, phq_efter=data["phq"]).to_csv(
        folder / "d.csv", index=False
    )


def admitted_and_discharged(folder, data):
    more = {"CORE-OM A": data["phq"] + 2, "CORE-OM E": data["phq"]}
    wide(data, **more).to_csv(folder / "d.csv", index=False)


def words_among_numbers(folder, data):
    after = data["phq"].astype(object).where(data.index >= 4, "abgebr.")
    wide(data, phq_pre=data["phq"] + 2, phq_post=after).to_csv(folder / "d.csv", index=False)


def told_by_labels_alone(folder, data):
    frame = wide(data, "Q6_{}", "Q12_{}").rename(columns={"id": "Q2", "therapist": "Q3"})
    frame = frame.assign(Q4=data["age"], Q20=data["phq"] + 2, Q21=data["phq"]).astype(float)
    frame["Q2"] = "VP" + data["id"].astype(str)
    said = {"Q2": "Participant code", "Q3": "Your therapist", "Q4": "Age", "Q20": "PHQ-9 at intake",
            "Q21": "PHQ-9 at end"}  # fmt: skip
    said |= {c: f"{'Client' if 'Q6' in c else 'Therapist'}: WAI" for c in frame if "_" in c}
    pyreadstat.write_sav(frame, folder / "d.sav", column_labels=[said[c] for c in frame])


@pytest.mark.parametrize(
    ("made", "before", "after"),
    [
        (phases, ["phq9_intake"], ["phq9_discharge"]),
        (waves_of_both, None, ["phq9_mid", "phq9_post"]),
        (swedish, ["phq_foere"], ["phq_efter"]),
        (admitted_and_discharged, ["core_om_a"], ["core_om_e"]),
        (words_among_numbers, ["phq_pre"], ["phq_post"]),
        (told_by_labels_alone, ["q4", "q20"], ["q21"]),
    ],
)
def test_measures_stand_in_the_block_that_their_time_tells(made, before, after, tmp_path):
    data = truth()
    made(tmp_path, data)
    _, book, found, _ = drafted(tmp_path)
    found.index = found.index.str.replace(r"^\D+", "", regex=True)
    as_planted(found, data)
    assert [*book.blocks.get("outcome", ())] == after
    assert before is None or [*book.blocks["pretreatment"]] == before


def typed_otherwise(folder, data):
    frame = wide(data).astype({"id": str})
    one = frame.drop(columns=[f"wai_t{i}" for i in range(1, 13)])
    two = frame.drop(columns=["therapist", *(f"wai_c{i}" for i in range(1, 13))])
    one["id"] = np.where(one.index % 2, "K-", "k") + one["id"]
    two["id"] = np.where(two.index % 3, "k", "K ") + two["id"]
    one.to_csv(folder / "a.csv", index=False)
    two.to_csv(folder / "b.csv", index=False)


def items_by_letters(folder, data):
    frame = wide(data, "wai_client_{}", "wai_therapist_{}")
    letters = {c: f"{c.rpartition('_')[0]}_{chr(96 + int(c.rpartition('_')[2]))}"
               for c in frame if "_" in c}  # fmt: skip
    frame.rename(columns=letters).to_csv(folder / "d.csv", index=False)


def one_number_for_two_questions(folder, data):
    frame = wide(data, "Q7_{}", "Q9_{}").rename(columns={"id": "Q1"}).astype(float)
    one = frame[["Q1", *(c for c in frame if "Q7" in c)]].assign(Q2=data["age"].astype(float))
    two = frame[["Q1", "therapist", *(c for c in frame if "Q9" in c)]]
    two = two.rename(columns={"therapist": "Q2"})
    for name, sheet, second in (
        ("client", one, "Your age"),
        ("therapist", two, "Therapist number"),
    ):
        said = [{"Q1": "Client code", "Q2": second}.get(c, f"WAI {name}") for c in sheet]
        pyreadstat.write_sav(sheet, folder / f"{name}.sav", column_labels=said)


@pytest.mark.parametrize("made", [typed_otherwise, items_by_letters, one_number_for_two_questions])
def test_it_is_right_as_drafted(made, tmp_path):
    data = truth()
    made(tmp_path, data)
    _, book, found, _ = drafted(tmp_path)
    found.index = found.index.str.replace(r"^\D+", "", regex=True)
    as_planted(found, data)
    assert book.case_manager


def four_items_of_each(data):
    return wide(data, "srs_c{}", "srs_t{}").drop(
        columns=[f"srs_{who}{i}" for who in "ct" for i in range(5, 13)]
    )


def two_pages(data):
    frame = wide(data, "Q5_{}", "Q15_{}")
    return frame.rename(columns={f"Q{q}_{i}": f"Q{q + 1}_{i - 6}" for q in (5, 15)
                                 for i in range(7, 13)})  # fmt: skip


def few_names(data):
    names = np.array(["Anna Lind", "Bo Ek", "Eva Falk"])[data["who"] % 3]
    return wide(data).drop(columns="therapist").assign(**{"Who was your main counselor?": names})


def sliders(data):
    return wide(data.assign(**(data[C] * 20), **(data[T] * 14)))


@pytest.mark.parametrize(
    ("made", "asked"),
    [
        (four_items_of_each, "4 items are no known form"),
        (two_pages, "no rating of the alliance was found"),
        (few_names, "holds 3 names, each in several rows: does it name who saw them?"),
        (sliders, "12 items are no known form"),
    ],
)
def test_it_is_asked(made, asked, tmp_path):
    made(truth()).to_csv(tmp_path / "d.csv", index=False)
    assert any("QUESTION: " in line and asked in line for line in describe(tmp_path).splitlines())


def test_the_ninth_session_is_no_code_where_another_one_is(tmp_path):
    data = truth()
    rows = [wide(data).assign(session=i) for i in (3, 6, 9)]
    frame = pd.concat(rows)
    frame.loc[frame.index[:2], "age"] = -9
    frame.iloc[0, frame.columns.get_loc("session")] = -9
    frame.to_csv(tmp_path / "d.csv", index=False)
    (line,) = (line for line in describe(tmp_path).splitlines() if "      session: " in line)
    assert "range: [3, 9]" in line and "missing" not in line
