"""Shapes that once gave wrong numbers, or a stop that nobody could lift: right now, and told."""

import re

import numpy as np
import pandas as pd
import pytest
from exports_made import GERMAN_S, GERMAN_SR, C, named, truth
from exports_made import totals as totals_of
from further_exports import told_in
from odd_exports import (
    ODD,
    ids_begin,
    roles_of_both_sexes,
    side_by_side,
    subscales_alone,
    two_arms,
    wide,
)
from test_exports import drafted

from alliance_helpers.drafting.answers import read_words
from alliance_helpers.drafting.draft import describe
from alliance_helpers.errors import CodebookError
from alliance_helpers.study.clean import clean
from alliance_helpers.study.load import check, load_study
from alliance_helpers.study.read_codebook import parse_codebook
from alliance_helpers.study.suspect import skipped


@pytest.mark.parametrize(("made", "told"), ODD, ids=lambda made: getattr(made, "__name__", ""))
def test_the_totals_are_right_and_it_is_told(made, told, tmp_path):
    data = truth()
    made(tmp_path, data)
    text, book, found, _ = drafted(tmp_path)
    warned = check(tmp_path, parse_codebook(text))[1]
    assert told in "\n".join([text, *warned])
    wanted = totals_of(data)
    assert len(found) == len(wanted)
    assert np.allclose(found[["c", "t"]].sort_values(["c", "t"]),
                       wanted.sort_values(["c", "t"]), equal_nan=True)  # fmt: skip
    assert book.case_manager is not None
    assert "# STOP: " not in text


@pytest.mark.parametrize("n", [6, 30])
def test_recodes_are_told_however_few_answered(n, tmp_path):
    data = truth(n=n)
    told = data.assign(**data[C].replace({3: 4, 4: 6, 5: 7}))
    frame = side_by_side(told, "wai_c{}", "wai_t{}", id="id", therapist="who")
    frame.to_csv(tmp_path / "g.csv", index=False)
    text = describe(tmp_path)
    assert "occur: were the answers recoded" in text
    items = "scales: {s: {form: WAI-S, items: 'c{1..12}'}}\ninformants: {client: {alliance: s}}"
    book = f"""
study: {{title: T, client: id}}
tables:
  d: {{file: c.csv, key: [id], variables: {{id: {{type: id}}, "c{{1..12}}": {{range: [1, 7]}}}}}}
{items}
"""
    told[["id", *C]].to_csv(tmp_path / "c.csv", index=False)
    assert "nobody answers 3, 5" in "\n".join(check(tmp_path, parse_codebook(book))[1])


@pytest.mark.parametrize("n", [4, 8, 30])
@pytest.mark.parametrize("most", [5, 7])
def test_honest_answers_rarely_look_as_if_a_step_were_left_out(n, most):
    """Twelve answers a person, as alike as .4 and .9, at the middle and at the top."""
    rng, alarms = np.random.default_rng(2), []
    for share in (0.4, 0.9):
        for middle in (0.5, 0.75):
            for _ in range(400):
                own = rng.normal(0, share**0.5, (n, 1)) + rng.normal(0, (1 - share) ** 0.5, (n, 12))
                answers = np.rint(1 + (most - 1) * (middle + own / 4)).clip(1, most)
                alarms.append(bool(skipped(answers.ravel())))
    assert np.mean(alarms) < 0.05


def test_ids_of_two_sites_are_no_dyads(tmp_path):
    """A row a dyad; A001 to A036 and B001 to B036, as two sites number their clients."""
    data = truth()
    site = np.repeat(["A", "B"], 36)
    ids = [f"{s}{i % 36:03d}" for i, s in enumerate(site)]
    frame = side_by_side(data, "wai_c{}", "wai_t{}", therapist="who").assign(id=ids)
    frame.to_csv(tmp_path / "d.csv", index=False)
    assert len(drafted(tmp_path)[2]) == 72
    assert "QUESTION: " not in drafted(tmp_path)[0]


def test_sessions_at_the_end_of_an_id_are_asked_about(tmp_path):
    data = truth(n=36)
    rows = [side_by_side(data, "wai_c{}", "wai_t{}", therapist="who")
            .assign(id=data["id"].map(f"{{}}-{i}".format)) for i in (1, 2, 3)]  # fmt: skip
    pd.concat(rows).to_csv(tmp_path / "d.csv", index=False)
    assert "QUESTION: 'id' begins or ends in -1 and -2 and -3" in describe(tmp_path)


def test_two_raters_of_one_role_are_no_two_sexes(tmp_path):
    """Each dyad has a row of a patient, and one of two nurses each."""
    roles_of_both_sexes(tmp_path, truth(), ("Patient", "Patient"), ("Nurse", "Doctor"))
    rows = pd.read_csv(tmp_path / "lang.csv", sep=";")
    again = rows[rows["rolle"].isin(["Nurse", "Doctor"])]
    again = again.assign(rolle=again["rolle"].map({"Nurse": "Doctor", "Doctor": "Nurse"}))
    pd.concat([rows, again]).to_csv(tmp_path / "lang.csv", sep=";", index=False)
    assert "STOP: lang.csv, column rolle: found 'Doctor' beside" in describe(tmp_path).replace(
        "found 'Nurse'", "found 'Doctor'"
    )


def test_an_id_that_fits_two_is_not_joined(tmp_path):
    """1 may be 01 or 001."""
    ids_begin(tmp_path, truth(n=12), "{}", "{}")
    one = pd.read_csv(tmp_path / "ratings.csv").head(12)
    one["id"] = ["01", "001", *map(str, range(3, 13))]
    one.to_csv(tmp_path / "ratings.csv", index=False)
    pd.DataFrame({"id": ["1", *map(str, range(3, 13))], "phq": 4}).to_csv(
        tmp_path / "more.csv", index=False
    )
    problems = check(tmp_path, parse_codebook(describe(tmp_path)))[0]
    assert "found '01', '001'; more.csv does not have it" in "\n".join(map(str, problems))


def test_a_labelled_arm_says_who(tmp_path):
    two_arms(tmp_path, truth())
    rows = pd.read_csv(tmp_path / "P_DATA.csv").rename(
        columns={"redcap_event_name": "Event Name", "record_id": "Record ID"}
    )
    told = {"baseline_arm_1": "Baseline (Arm 1: Client)",
            "baseline_arm_2": "Baseline (Arm 2: Therapist)"}  # fmt: skip
    rows["Event Name"] = rows["Event Name"].map(told)
    rows.to_csv(tmp_path / "P_DATA.csv", index=False)
    assert "whose rating" not in drafted(tmp_path)[0]


@pytest.mark.parametrize("code", [-9, 99])
def test_codes_of_no_answer_turn_no_items(code, tmp_path):
    """A raw WAI-S of seven points, whole forms of some clients blank."""
    rng = np.random.default_rng(6)
    own = rng.normal(4.5, 1.2, (90, 1))
    answers = (own + rng.normal(0, 0.9, (90, 12))).round().clip(1, 7)
    answers[:, [3, 9]] = 8 - answers[:, [3, 9]]  # as they are asked
    answers[:5] = code
    frame = pd.DataFrame(answers.astype(int), columns=[f"wai_c{i}" for i in range(1, 13)])
    frame.insert(0, "id", range(501, 591))
    frame.to_csv(tmp_path / "a.csv", index=False)
    text = describe(tmp_path)
    assert "form: WAI-S" in text.replace('"', "")
    assert "reversed" not in text
    wrong = text.replace("informant: client}", "informant: client, reversed: done}")
    told = "\n".join(check(tmp_path, parse_codebook(wrong))[1])
    assert "Correct `reversed`, or delete it" in told


@pytest.mark.parametrize("event", [True, False])
def test_a_tool_s_own_column_may_stand_twice(event, tmp_path):
    data = truth()
    named = {"Record ID": "id", "Therapist": "who"}
    frame = side_by_side(data, "wai_c{}", "wai_t{}", **named)
    frame.insert(3, "Complete?", "Complete")
    frame.insert(len(frame.columns), "Complete?", "Complete", allow_duplicates=True)
    frame = pd.concat([frame.assign(**{"Event Name": name}) for name in ("Intake", "End")][event:])
    frame.to_csv(tmp_path / "a.csv", index=False)
    text, _, found, _ = drafted(tmp_path)
    assert "complete" not in text  # as a variable
    assert len(found) == len(data)


def test_one_word_of_no_set_is_asked_and_takes_one_line(tmp_path):
    data = truth()
    anchors = [*GERMAN_S[:5], "meistens", GERMAN_S[6]]
    wide(tmp_path, data, told_in(data, [*GERMAN_SR[:4], "jedes Mal"], anchors))
    with pytest.raises(CodebookError) as refused:
        parse_codebook(describe(tmp_path))
    assert re.findall("no number for (.*?)[.] W", str(refused.value)) == ["jedes Mal", "meistens"]
    text = describe(tmp_path)
    assert text.count(": of no set that is known; the others are") == 2
    text = text.replace('jedes Mal: "?"', "jedes Mal: 5").replace('meistens: "?"', "meistens: 6")
    dyads = clean(load_study(tmp_path, parse_codebook(text))).dyads
    wanted = totals_of(data)
    assert np.allclose(dyads["client_alliance"], wanted["c"], equal_nan=True)
    assert np.allclose(dyads["case_manager_alliance"], wanted["t"], equal_nan=True)


@pytest.mark.parametrize("word", ["somewhat disagree", "some days", "disagre"])
def test_a_word_that_says_something_else_is_no_slip(word):
    words = ["strongly disagree", "undecided", "agree", "strongly agree"]
    told = read_words([*words, word], {})
    assert (told.numbers or told.words).get(word) == {"disagre": 2, "somewhat disagree": 2}.get(
        word, "?"
    )


def test_few_answers_do_not_tell_two_forms_apart(tmp_path):
    data = truth(n=8)
    wide(tmp_path, data, data)
    assert "a WAI-SR (1 to 5, nothing reversed), or a WAI-S (1 to 7" in describe(tmp_path)


def test_scores_of_a_rating_are_no_predictors(tmp_path):
    subscales_alone(tmp_path, truth())
    assert "pretreatment" not in drafted(tmp_path)[1].blocks


def test_items_of_each_subscale_are_one_rating_of_no_known_form(tmp_path):
    data = truth()
    parts = {"task": C[:4], "bond": C[4:8], "goal": C[8:]}
    frame = [named(data[items], items, f"{part}{{}}") for part, items in parts.items()]
    pd.concat([data["id"], *frame], axis=1).to_csv(tmp_path / "d.csv", index=False)
    text, _, found, _ = drafted(tmp_path)
    assert (
        "QUESTION: whose rating this is was not to be seen: is it the client's?; task, goal" in text
    )
    assert np.allclose(found["c"].dropna(), data[C].mean(axis=1)[found["c"].notna().to_numpy()])
