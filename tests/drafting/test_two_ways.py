"""Files that can be read two ways: what the draft takes is right, and it asks."""

import re

import numpy as np
import pandas as pd
import pyreadstat
import pytest
import yaml
from exports_made import SR, C, S, T, ids, limesurvey, long_roles, named, numbered, totals, truth
from further_exports import side_by_side
from test_exports import drafted

from alliance_helpers.drafting.answers import anchors
from alliance_helpers.drafting.draft import describe
from alliance_helpers.study.clean import clean
from alliance_helpers.study.load import load_study
from alliance_helpers.study.read_codebook import parse_codebook


def same_totals(found, wanted):
    """Alike, whatever the ids of the rows."""
    told = (frame[["c", "t"]].sort_values(["c", "t"]) for frame in (found, wanted))
    assert len(found) == len(wanted) and np.allclose(*told, equal_nan=True)


DOWN = {str(i): 8 - i for i in range(1, 8)}
RENUMBERED = "not 1 to 7 in that order: renumbered as labelled"
WHOSE = "whose rating this is was not to be seen"


def turned(data, one="wai_c{}", other="wai_t{}", **columns):
    """The therapist's answers printed the other way round: 7 for never."""
    told = data.assign(**(8 - data[T]))
    return side_by_side(told, one, other, **(columns or {"id": "id", "therapist": "who"}))


def told_below(folder, data):
    frame = turned(data)
    said = {c: "7 = nie ... 1 = immer" if "_t" in c else "1 = selten" for c in frame}
    pd.concat([pd.DataFrame([said | {"id": "", "therapist": ""}]), frame.astype(object)]).to_excel(
        folder / "d.xlsx", index=False
    )


def told_above(folder, data):
    with pd.ExcelWriter(folder / "m.xlsx") as book:
        turned(data).to_excel(book, index=False, startrow=1)
        sheet = book.sheets["Sheet1"]
        sheet["C1"], sheet["O1"] = "client (1 seldom - 5 always)", "therapist (1 always - 7 never)"
        sheet.merge_cells("C1:N1")
        sheet.merge_cells("O1:Z1")


def told_in_names(folder, data):
    turned(data, other="wai_t{} (nunca=7 siempre=1)").to_csv(folder / "d.csv", index=False)


def told_in_labels(folder, data):
    frame = turned(data).astype(float)
    labels = [f"{c} [7: never; 1: always]" if "_t" in c else c for c in frame]
    pyreadstat.write_sav(frame, folder / "d.sav", column_labels=labels)


def told_by_one_item(folder, data):
    frame, levels = turned(data).astype(float), {"wai_t1": numbered(S[::-1])}
    pyreadstat.write_sav(frame, folder / "d.sav", variable_value_labels=levels)


def side(one, other):
    def made(folder, data):
        frame = side_by_side(data, one, other, id="id", therapist="who")
        frame.to_csv(folder / "d.csv", index=False)

    return made


def two_files(folder, data, one="wai_t_{}", other="wai_p_{}"):
    """The letter of a name tells another than the file's name."""
    rows = ids(data, id="id"), ids(data, id="id", therapist="who")
    for name, part, columns, form in zip(
        ("patients", "therapists"), rows, (C, T), (one, other), strict=True
    ):
        frame = pd.concat([part, named(data[columns], C, form)], axis=1)
        frame.to_csv(folder / f"{name}.csv", index=False)


def what_items_say(data, sr=SR, s=S):
    """No item is numbered, and only its words say what it is."""
    other = [f"My client and I {'abcdefghijkl'[i] * 3} together" for i in range(12)]
    mine = [f"My therapist and I {'abcdefghijkl'[i] * 3} together" for i in range(12)]
    words = data.assign(**data[C].map(lambda x: sr[int(x) - 1], "ignore"),
                        **data[T].map(lambda x: s[int(x) - 1], "ignore"))  # fmt: skip
    forms = [words[C].set_axis(mine, axis=1), words[T].set_axis(other, axis=1)]
    return pd.concat([ids(data, **{"Client code": "id", "Therapist": "who"}), *forms], axis=1)


def items_by_their_words(folder, data):
    what_items_say(data).to_csv(folder / "d.csv", index=False)


def items_by_their_words_in_numbers(folder, data):
    what_items_say(data, range(1, 6), range(1, 8)).to_csv(folder / "d.csv", index=False)


def a_word_beside_the_number(folder, data):
    told = data.astype(object)
    told[T] = data[T].replace({7.0: "7 - always"}).fillna("##USER_MISSING_99##")
    told.loc[told.index[:6], "t3"] = data.loc[data.index[:6], "t3"] = np.nan
    side_by_side(data, "wai_c{}", "wai_t{}", told, id="id", therapist="who").to_csv(
        folder / "d.csv", index=False
    )


def codes_before_texts(folder, data):
    """Two surveys of LimeSurvey, whose headers hold the code and the text of each question."""
    limesurvey(folder, data)
    frame = pd.read_csv(folder / "results-survey1.csv")
    frame.columns = [f"{c}. Frage" for c in frame]
    meta = [f"{c}. Frage" for c in ("id", "submitdate", "lastpage", "startlanguage", "seed")]
    one = frame[[*meta, "CODE. Frage", *(c for c in frame if "WAIP" in c)]]
    other = frame[[*meta, "CODE. Frage", "THER. Frage", *(c for c in frame if "WAIT" in c)]]
    one.to_csv(folder / "results-survey1.csv", index=False)
    other = other.iloc[::-1].rename(columns={"CODE. Frage": "PAT. Frage"})
    other.assign(**{meta[0]: range(1, 73)}).to_csv(folder / "results-survey2.csv", index=False)


def totals_beside(folder, data):
    """A thirteenth column is the sum of twelve."""
    frame = side_by_side(data, "waic{}", "wait{}", id="id", therapist="who")
    wanted = totals(data).reset_index(drop=True).round(4)
    frame.assign(waic13=wanted["c"], wait13=wanted["t"]).to_csv(folder / "d.csv", index=False)


READ = (
    (told_below, "not 1 to 7 in that order"),
    (told_above, RENUMBERED),
    (told_in_names, RENUMBERED),
    (told_in_labels, RENUMBERED),
    (told_by_one_item, RENUMBERED),
    (side("wai_p_{}", "wai_c_{}"), WHOSE),
    (side("WAI_{}_C", "WAI_{}_P"), WHOSE),
    (side("rating_of_therapist_{}", "rating_of_client_{}"), WHOSE),
    (two_files, WHOSE),
    (items_by_their_words, "in the order in which they stand: is it the form's?"),
    (items_by_their_words_in_numbers, "in the order in which they stand: is it the form's?"),
    (a_word_beside_the_number, "##USER_MISSING_99##"),
    (codes_before_texts, "was taken for"),
    (totals_beside, "client_alliance"),
)


@pytest.mark.parametrize(("made", "told"), READ, ids=[f"{m.__name__}-{i}" for i, (m, _) in
                                                       enumerate(READ)])  # fmt: skip
def test_the_totals_are_right_and_it_is_told(made, told, tmp_path):
    data = truth()
    made(tmp_path, data)
    text, book, found, _ = drafted(tmp_path)
    assert told in text
    same_totals(found, totals(data))
    assert book.case_manager is not None
    assert not {name for name in book.blocks.get("pretreatment", ()) if "item" in name}


def test_a_low_mean_is_asked_about_and_settled_by_one_line(tmp_path):
    data = truth()
    turned(data).to_csv(tmp_path / "d.csv", index=False)
    text = describe(tmp_path)
    assert (
        text.count("QUESTION: the mean answer is 3.4 of 1 to 7, lower than alliances mostly") == 1
    )
    values = re.search(r"Then give its items `(values: .*?)`", text)[1]
    assert yaml.safe_load(values)["values"] == DOWN
    text = text.replace("range: [1, 7]}", f"{values}}}")
    dyads = clean(load_study(tmp_path, parse_codebook(text))).dyads
    wanted = totals(data)["t"].to_numpy()
    assert np.allclose(dyads["case_manager_alliance"], wanted, equal_nan=True)


@pytest.mark.parametrize(
    ("said", "told"),
    [("Item 3 (1 = always ... 7 = never)", {"1": "always", "7": "never"}),
     ("never (1) to always (7)", {"1": "never", "7": "always"}),
     ("siempre=1, nunca=7", {"1": "siempre", "7": "nunca"}),
     ("1. I always feel that 2 of us sometimes agree", {}), ("item 4", {})],
)  # fmt: skip
def test_what_a_heading_says_of_answers(said, told):
    assert anchors(said) == told


def at_times(data, names):
    """A total at three times; the last is the truth."""
    rng, wanted = np.random.default_rng(5), totals(data).reset_index(drop=True)
    frame = ids(data, id="id", therapist="who")
    for who, form in names.items():
        for i in (1, 2, 3):
            told = wanted[who] + (rng.normal(0, 4, len(data)).round() if i < 3 else 0)
            frame[form.format(i)] = told
    return frame


@pytest.mark.parametrize(
    "names",
    [{"c": "WAI_t{}"}, {"c": "WAIK_T{}", "t": "WAIT_T{}"}, {"c": "T{}_WAI_total"},
     {"c": "wai_cliente_{}", "t": "wai_terapeuta_{}"}],
)  # fmt: skip
def test_a_total_at_several_times_is_no_scale(names, tmp_path):
    data = truth()
    at_times(data, names).to_csv(tmp_path / "d.csv", index=False)
    text, book, found, _ = drafted(tmp_path)
    assert not book.scales and text.count("is that the time you mean?") == len(names)
    wanted = totals(data)
    for who in names:
        assert np.allclose(found[who], wanted[who].to_numpy(), equal_nan=True)


def test_scores_at_several_times_are_asked_about_and_the_first_is_before(tmp_path):
    frame = at_times(truth(), {"c": "phq{}"})
    frame.to_csv(tmp_path / "d.csv", index=False)
    text, book, *_ = drafted(tmp_path)
    assert "phq{1..3}: one number at several times" in text and not book.scales
    assert "phq1" in book.blocks["pretreatment"] and "phq3" in book.blocks["outcome"]


@pytest.mark.parametrize(("one", "other"), [("client_id", "episode_id"), ("pat_nr", "fall_nr")])
def test_two_ids_that_tie_other_rows_are_asked_about(one, other, tmp_path):
    data, rng = truth(), np.random.default_rng(1)
    told, both = rng.permutation(72) + 1, []
    for columns, form in ((C, "wai_c{}"), (T, "wai_t{}")):
        of = data["id"] if columns is C else rng.permutation(data["id"])
        part = pd.DataFrame({one: of, other: told, "therapist": data["who"]})
        both.append(pd.concat([part, named(data[columns], C, form)], axis=1))
    for name, frame in zip(("client", "therapist"), both, strict=True):
        frame.sample(frac=1, random_state=3).to_csv(tmp_path / f"{name}.csv", index=False)
    told = " and ".join(map(repr, sorted([one, other])))
    assert f"QUESTION: {told} could each tie the rows" in describe(tmp_path)


@pytest.mark.parametrize("name", ["client_id", "record_id", "Zugangscode"])
def test_an_id_that_ties_no_rows_is_left_for_one_that_does(name, tmp_path):
    data, rng = truth(), np.random.default_rng(9)
    for columns, form, file in ((C, "wai_c{}", "c"), (T, "wai_t{}", "t")):
        part = ids(data, wer="id", therapist="who")
        part.insert(0, name, rng.permutation(np.arange(100_000, 900_000))[:72])
        frame = pd.concat([part, named(data[columns], C, form)], axis=1)
        frame.sample(frac=1, random_state=3).to_csv(tmp_path / f"{file}.csv", index=False)
    same_totals(drafted(tmp_path)[2], totals(data))


@pytest.mark.parametrize("column", ["seen_by", "Mitarbeiter"])
@pytest.mark.parametrize("n", [2, 3, 18])
def test_initials_may_be_a_therapist_s(column, n, tmp_path):
    names = [f"{'ABCDEFGHI'[i % 9]}{'XY'[i // 9] if n > 9 else ''}" for i in range(n)]
    data = truth()
    frame = side_by_side(data, "wai_c{}", "wai_t{}", id="id")
    frame.assign(**{column: data["who"].map(lambda i: names[i % n])}).to_csv(
        tmp_path / "d.csv", index=False
    )
    text, book, *_ = drafted(tmp_path)
    assert f"'{column}' holds {n} names, each in several rows" in text
    assert "pretreatment" not in book.blocks


def rating(tmp_path, name, held, *codes):
    data, rng = truth(), np.random.default_rng(2)
    values = rng.permutation(np.resize([*held], 72))
    values[: 4 * len(codes)] = np.repeat(codes, 4)
    frame = side_by_side(data, "wai_c{}", "wai_t{}", id="id", therapist="who")
    frame.assign(**{name: values}).to_csv(tmp_path / "d.csv", index=False)
    text = describe(tmp_path)
    return text, yaml.safe_load(text)["tables"]["d"]["variables"][name]


@pytest.mark.parametrize(
    ("name", "held", "code"),
    [("cgi_post", range(1, 8), 9), ("cgi_post", range(1, 8), 0), ("cgi", range(1, 6), 0),
     ("mood_post", range(7), 9), ("gaf_post", range(31, 91), 0), ("age", range(18, 70), 0)],
)  # fmt: skip
def test_a_code_beside_the_steps_of_a_rating_is_asked_about(name, held, code, tmp_path):
    text, variable = rating(tmp_path, name, held, code)
    assert f"'{name}' holds {code}, apart from all else" in text
    assert variable["missing"] == [code] and code not in range(*variable["range"])


@pytest.mark.parametrize(
    ("name", "held"),
    [("mood_post", range(11)), ("phq_post", range(28)), ("children", [0, 0, 0, 1, 1, 2, 3, 5]),
     ("session", [3, 6, 9]), ("income", range(0, 4000, 250)), ("bai", range(0, 60, 4))],
)  # fmt: skip
def test_an_honest_number_is_no_code(name, held, tmp_path):
    text, variable = rating(tmp_path, name, held)
    assert "apart from all else" not in text and "missing" not in variable


def test_one_person_without_symptoms_is_no_code(tmp_path):
    data, held = truth(), np.resize(np.arange(4, 20), 72)
    held[30] = 0
    frame = side_by_side(data, "wai_c{}", "wai_t{}", id="id", therapist="who")
    for name in ("phq9", "gaf"):
        frame.assign(**{name: held}).to_csv(tmp_path / "d.csv", index=False)
        assert ("apart from all else" in describe(tmp_path)) == (name == "gaf")


def test_answers_of_two_roles_are_low_by_their_own_form(tmp_path):
    data = truth()
    data[C] = (data[C] - 1).clip(lower=1)
    long_roles(tmp_path, data)
    text = describe(tmp_path)
    assert text.count("lower than alliances mostly") == 1 and "of 1 to 5, lower" in text
    long_roles(tmp_path, truth())
    assert "lower than alliances mostly" not in describe(tmp_path)


@pytest.mark.parametrize("word", ["k.A.", "-"])
def test_rare_words_of_no_answer_leave_a_number(word, tmp_path):
    data = truth()
    frame = side_by_side(data, "wai_c{}", "wai_t{}", id="id", therapist="who")
    cells = data["phq"].astype(object)
    cells[[3, 9, 20]] = word
    frame.assign(phq_nach=cells).to_csv(tmp_path / "d.csv", index=False)
    _, book, _, dyads = drafted(tmp_path)
    assert book.blocks["outcome"] == ("phq_nach",) and dyads["phq_nach"].count() == 69


def test_interviews_that_were_broken_off_are_left_out(tmp_path):
    frame = turned(truth()).assign(CASE=range(1, 73), QUESTNNR="base", STARTED="2024-03-04",
                                   FINISHED=[0, 0] + [1] * 70)  # fmt: skip
    frame.to_csv(tmp_path / "d.csv", index=False)
    assert len(drafted(tmp_path)[2]) == 70


def test_a_remark_that_a_row_is_not_to_be_used_is_asked_about(tmp_path):
    data = truth()
    frame = side_by_side(data, "wai_c{}", "wai_t{}", id="id", therapist="who")
    said = {3: "bitte ausschließen", 9: "consent withdrawn", 20: "moved", 30: "late"}
    frame.assign(Bemerkung=pd.Series(said)).to_csv(tmp_path / "d.csv", index=False)
    assert "'Bemerkung' may say of 2 rows that they are not to be used" in describe(tmp_path)


def test_pilot_rows_and_remarks_are_asked_about_and_left_out_by_one_line(tmp_path):
    data = truth()
    frame = side_by_side(data, "wai_c{}", "wai_t{}", id="id", therapist="who")
    marks = {"phase": ["pilot"] * 6 + ["main"] * 66, "note": ["excluded"] * 6 + [""] * 66}
    for name, mark in marks.items():
        frame.assign(**{name: mark}).to_csv(tmp_path / "d.csv", index=False)
        text = describe(tmp_path)
        assert f"'{name}' may say which rows are not to be used" in text and '`""` for a' in text
        assert name not in yaml.safe_load(text)["blocks"].get("pretreatment", ())
        where = f"    where: {{{name}: {mark[-1]!r}}}\n    row: client "
        book = parse_codebook(text.replace("    row: client ", where))
        named = {"client_alliance": "c", "case_manager_alliance": "t"}
        same_totals(clean(load_study(tmp_path, book)).dyads.rename(columns=named), totals(data)[6:])
