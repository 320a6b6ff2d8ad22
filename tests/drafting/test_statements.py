"""Columns whose headers are what was asked: forms known by words of their items, or asked about."""

import numpy as np
import pandas as pd
import pyreadstat
import pytest
from exports_made import SPANISH_S, SPANISH_SR, SR, C, S, T, ids, truth, words
from test_exports import as_planted, drafted

from alliance_helpers.drafting.draft import describe
from alliance_helpers.study.read_codebook import parse_codebook

OF_CLIENT = [
    "Clearer as to how I may change",
    "There are new ways of looking at it",
    "My therapist likes me",
    "My therapist and I collaborate on goals",
    "My therapist and I respect each other",
    "With my therapist I have mutually agreed goals",
    "My therapist appreciates me",
    "What is important for me to work on",
    "My therapist cares, though he does not approve of it",
    "It helps to accomplish the changes",
    "The changes that would be good",
    "We are working with my problem well",
]
OF_THERAPIST = [
    "My client and I agree on steps to be taken",
    "The usefulness of our time",
    "My client likes me",
    "There are doubts about what we do",
    "My ability to help is enough",
    "Our mutually agreed goals are clear",
    "I appreciate my client as a person",
    "What is important for my client to work on",
    "There is mutual trust between us",
    "My client has different ideas",
    "The changes that would be good for my client",
    "My client finds working with his problem right",
]
UNKNOWN = ["one likes the other", "both trust that", "goals are shared", "work goes on well",
           "time is used well", "talks are of use", "words are kept", "plans are clear",
           "aims are near", "hope is there", "all is said", "each is heard"]  # fmt: skip


def said(data, columns, names, answers=None):
    told = words(data, columns, answers) if answers else data[columns]
    return told.set_axis(names, axis=1)


def in_grids(folder, data):
    """Google Forms: the question before each statement; one in words, the other 1 to 7."""
    one = [f"How often is it so? [{text}]" for text in OF_CLIENT]
    other = [f"Think of this client [{text}]" for text in OF_THERAPIST]
    client = ids(data, **{"Your client code": "id", "How old are you?": "age"})
    therapist = ids(data, **{"Client code": "id", "Therapist name": "who"})
    client = pd.concat([client, said(data, C, one, SR)], axis=1)
    client.assign(**{"PHQ-9 after": data["phq"]}).to_csv(folder / "client.csv", index=False)
    pd.concat([therapist, said(data, T, other)], axis=1).to_csv(folder / "other.csv", index=False)


def under_one_question(folder, data):
    """SurveyMonkey: the question above the first of its statements, and columns of its own."""
    added = ["Respondent ID", "Collector ID", "IP Address", "Email Address"]
    above = [*added, "Client ID", "Therapist", "Please rate", *[""] * 11, "Therapist: rate"]
    above += [*[""] * 11, "PHQ-9 after"]
    names = ["", "", "", "", "Open-Ended Response", "Response", *OF_CLIENT, *OF_THERAPIST,
             "Open-Ended Response"]  # fmt: skip
    own = pd.DataFrame({"r": 118_000_000 + 7 * data["id"], "c": 44, "i": "192.0.2.1", "e": ""})
    told = [data["id"], data["who"].map("Therapist {}".format), data[C], data[T], data["phq"]]
    rows = pd.concat([own, *told], axis=1).set_axis(range(len(names)), axis=1).astype(object)
    rows = pd.concat([pd.DataFrame([above, names]), rows])
    rows.to_csv(folder / "wai.csv", index=False, header=False)


def labelled_events(folder, data):
    """REDCap with labels: an event a row."""
    before = ids(data, **{"Record ID": "id", "Treating clinician": "who", "Age (years)": "age"})
    both = [said(data, C, OF_CLIENT, SR), said(data, T, OF_THERAPIST, S)]
    after = pd.concat([ids(data, **{"Record ID": "id", "PHQ-9 total": "phq"}), *both], axis=1)
    after.insert(14, "Survey Timestamp", "2024-05-01 10:00")
    rows = [before.assign(**{"Event Name": "Baseline"}), after.assign(**{"Event Name": "Week 8"})]
    rows = pd.concat(rows).sort_values("Record ID", kind="stable")
    rows.to_csv(folder / "DATA_LABELS.csv", index=False)


def in_another_order(folder, data):
    """Columns by the alphabet, so that their places tell nothing."""
    both = pd.concat([said(data, C, OF_CLIENT), said(data, T, OF_THERAPIST)], axis=1)
    one, other = sorted(OF_CLIENT), sorted(OF_THERAPIST)
    named = ids(data, id="id", therapist="who")
    pd.concat([named, both[one], both[other]], axis=1).to_csv(folder / "s.csv", index=False)


def as_labels(folder, data):
    """SPSS: a word of each item as its name, what was asked as its label."""
    frame = pd.concat([ids(data, id="id", therapist="who").astype(float), data[C + T]], axis=1)
    names = ["".join(chr(97 + int(d)) for d in str(100 + i)) for i in range(24)]
    frame.columns = ["id", "therapist", *names]
    labels = ["", "", *OF_CLIENT, *OF_THERAPIST]
    pyreadstat.write_sav(frame, folder / "s.sav", column_labels=labels)


KNOWN = [in_grids, under_one_question, labelled_events, in_another_order, as_labels]


@pytest.mark.parametrize("made", KNOWN, ids=lambda made: made.__name__)
def test_a_form_is_known_by_words_of_its_items(made, tmp_path):
    data = truth()
    made(tmp_path, data)
    text, book, found, _ = drafted(tmp_path)
    as_planted(found, data)
    assert [scale.form for scale in book.scales.values()] == ["WAI-SR", "WAI-S"]
    assert book.case_manager is not None
    asked = [line for line in text.splitlines() if "QUESTION: " in line and "waits" not in line]
    assert not [line for line in asked if "was taken for" not in line]
    predictors = {name for names in book.blocks.values() for name in names}
    assert not [name for name in predictors if name.startswith("wai_")]


def test_numbered_statements_of_either_need_no_word_that_is_known(tmp_path):
    """Microsoft Forms, in Spanish."""
    data = truth()
    names = [[f"{i}. {who}: frase {i}" for i in range(1, 13)] for who in ("Paciente", "Terapeuta")]
    both = [said(data, C, names[0], SPANISH_SR), said(data, T, names[1], SPANISH_S)]
    frame = pd.concat([ids(data, **{"Código": "id", "Terapeuta": "who"}), *both], axis=1)
    frame.to_excel(tmp_path / "f.xlsx", index=False)
    text, book, found, _ = drafted(tmp_path)
    as_planted(found, data)
    assert "is it the form's?" not in text
    assert not {name for names in book.blocks.values() for name in names} & {"paciente_1"}


def one_unknown(data):
    return said(data, C, [*OF_CLIENT[:11], "I find this helpful"])


def twice(data):
    return said(data, C, [*OF_CLIENT[:11], "It is clearer as to how"])


def in_words(data):
    return said(data, C, UNKNOWN, SR)


@pytest.mark.parametrize("made", [one_unknown, twice, in_words], ids=lambda made: made.__name__)
def test_what_the_words_do_not_tell_is_asked(made, tmp_path):
    """Which item each is, and who rated: the draft has the columns as they stand."""
    data = truth()
    frame = pd.concat([ids(data, id="id", therapist="who"), made(data)], axis=1)
    frame.to_csv(tmp_path / "s.csv", index=False)
    text = describe(tmp_path)
    (scale,) = parse_codebook(text).scales.values()
    (line,) = [line for line in text.splitlines() if "is it the form's?" in line]
    assert "# QUESTION: " in line
    assert ("is it the client's?" in line) == (made is in_words)
    items = [parse_codebook(text).tables["s"].variables[name].column for name in scale.items]
    assert items == [*frame.columns[2:]]


def yes_or_no(data):
    return pd.DataFrame({f"Tick all that apply [{x}]": np.where(data["id"] % (i + 2), "Yes", "No")
                         for i, x in enumerate(UNKNOWN[:6])})  # fmt: skip


def counts(data):
    rng = np.random.default_rng(3)
    return pd.DataFrame({f"Number of {word} here": rng.integers(0, most, len(data))
                         for word, most in zip("abcde", (3, 9, 3, 9, 4), strict=True)})  # fmt: skip


def unlike_words(data):
    kinds = ["red green blue", "high low none", "in out near", "cat dog cow", "day night noon"]
    return pd.DataFrame({f"What sort of {kind[:3]} is it": np.array(kind.split())[data["id"] % 3]
                         for kind in kinds})  # fmt: skip


@pytest.mark.parametrize("made", [yes_or_no, counts, unlike_words], ids=lambda made: made.__name__)
def test_neighbours_without_one_set_of_answers_are_no_block(made, tmp_path):
    data = truth()
    frame = pd.concat([ids(data, id="id", therapist="who"), made(data)], axis=1)
    frame.to_csv(tmp_path / "s.csv", index=False)
    assert "# scales:" in describe(tmp_path)
