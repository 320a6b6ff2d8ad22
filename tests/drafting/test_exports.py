"""Files as people have them: the draft gives the right numbers, or asks."""

import re
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from exports_made import (
    ASKED,
    EXACT,
    GERMAN_S,
    GERMAN_SR,
    SPANISH_S,
    SPANISH_SR,
    SR,
    C,
    S,
    T,
    ids,
    named,
    spss_labelled,
    totals,
    truth,
)
from further_exports import FOUND, QUESTIONED, by_name, names_with_variants, side_by_side, told_in
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance_helpers.drafting.draft import describe
from alliance_helpers.errors import CodebookError, DataError
from alliance_helpers.study.clean import clean
from alliance_helpers.study.load import load_study
from alliance_helpers.study.read_codebook import parse_codebook

RATINGS = {"c": "client_alliance", "t": "case_manager_alliance"}


def drafted(folder):
    """The draft of a folder without what stops it, and the totals and dyads that it gives."""
    text = re.sub(".*# STOP: ", "# QUESTION: ", describe(folder))
    book = parse_codebook(text)
    try:
        dyads = clean(load_study(folder, book)).dyads
    except DataError as error:
        raise AssertionError(f"{error}\n{text}") from None
    who = {"c": "client", "t": "case_manager"}
    ratings = {k: book.informants[r]["alliance"] for k, r in who.items() if r in book.informants}
    found = dyads[[*ratings.values()]].set_axis([*ratings], axis=1)
    return text, book, found.set_axis(dyads[book.client].astype(str), axis=0), dyads


MADE = [*EXACT, *FOUND, *ASKED, *QUESTIONED]


def as_planted(found, data):
    """Both ratings of all clients are those that the study was made of."""
    wanted = totals(data)
    pd.testing.assert_frame_equal(
        found.loc[wanted.index, ["c", "t"]], wanted, check_names=False, check_index_type=False
    )


@pytest.mark.parametrize("made", MADE, ids=lambda made: made.__name__)
def test_the_draft_gives_the_right_totals_or_asks(made, tmp_path):
    data = truth()
    made(tmp_path, data)
    text, book, found, _ = drafted(tmp_path)
    assert text.startswith("# Shape: ")
    asked = "QUESTION: " in text
    assert asked or made in (*EXACT, *FOUND), text
    as_planted(found, data)
    assert book.case_manager is not None, text
    predictors = {name for names in book.blocks.values() for name in names}
    assert not predictors & {book.case_manager, book.client, "seed", "Progress"}


@pytest.mark.parametrize("n", [60, 200])
def test_a_labelled_form_is_never_torn(n, tmp_path):
    for seed in range(6):
        spss_labelled(tmp_path, truth(seed, n))
        text = describe(tmp_path)
        assert 'form: "WAI-SR", items: "wai_c{1..12}"' in text
        assert 'form: "WAI-S", items: "wai_t{1..12}"' in text


def test_words_of_no_known_set_take_a_line_each(tmp_path):
    """Two edited lines; the draft is refused until then, and names the words in their place."""
    five = ["Ritkán", "Néha", "Elég gyakran", "Nagyon gyakran", "Mindig"]
    seven = ["Soha", "Ritkán", "Alkalmanként", "Néha", "Gyakran", "Nagyon gyakran", "Mindig"]
    data = truth()
    told = told_in(data, five, seven)
    names = "wai_pacjent_{}", "wai_terapeuta_{}"
    frame = side_by_side(data, *names, told, id="id", terapeuta="who")
    frame.to_csv(tmp_path / "pl.csv", index=False)
    with pytest.raises(CodebookError, match=r"no number for .*Elég gyakran"):
        parse_codebook(describe(tmp_path))
    lines = describe(tmp_path).splitlines()
    for name, anchors in zip(names, (five, seven), strict=True):
        at = next(i for i, line in enumerate(lines) if name.format("{1..12}") in line)
        values = ", ".join(f"{word}: {i}" for i, word in enumerate(anchors, 1))
        lines[at] = f'      "{name.format("{1..12}")}": {{type: integer, values: {{{values}}}}}'
    _same_totals(tmp_path, "\n".join(lines), data)


def test_names_of_one_person_are_one_by_the_line_that_the_draft_proposes(tmp_path):
    data = truth()
    names_with_variants(tmp_path, data)
    text = describe(tmp_path)
    proposed = re.search(r"Then `(values: {.*})` makes each one", text)[1]
    text = text.replace("therapist: {type: id}", f"therapist: {{type: id, {proposed}}}")
    study = _same_totals(tmp_path, text, data)
    assert study.dyads["therapist"].nunique() == by_name(data).nunique()
    assert (study.log.query("column == 'therapist'")["rule"] == "spelling").all()


def _same_totals(folder, text, data):
    book = parse_codebook(text)
    study = clean(load_study(folder, book))
    wanted = totals(data)
    for who, column in zip("ct", ("client_alliance", "case_manager_alliance"), strict=True):
        assert np.allclose(study.dyads[column], wanted[who], equal_nan=True)
    return study


LAYOUTS = ("wide", "two files", "two sheets", "long", "events")
NAMES = (
    ("wai_c_{}", "wai_t_{}"),
    ("WAI{:02d}_client", "WAI{:02d}_therapist"),
    ("waisr_pat{}", "wais_th{}"),
    ("WAIP[SQ{:03d}]", "WAIT[SQ{:03d}]"),
    ("Alliance patient {}", "Alliance doctor {}"),
)
CODES = {1: 1, 2: 2, 3: 4, 4: 6, 5: 7}  # as survey tools recode five answers
ZERO = {i: i - 1 for i in range(1, 8)}
LETTERS = {i: f"A{i}" for i in range(1, 8)}
ANSWERS = (
    ({}, {}),
    (CODES, {}),
    (ZERO, ZERO),
    (LETTERS, LETTERS),
    *(
        tuple(dict(enumerate(anchors, 1)) for anchors in both)
        for both in ((SR, S), (GERMAN_SR, GERMAN_S), (SPANISH_SR, SPANISH_S))
    ),
)


@settings(max_examples=40)
@given(
    layout=st.sampled_from(LAYOUTS),
    names=st.sampled_from(NAMES),
    answers=st.sampled_from(ANSWERS),
    client=st.sampled_from(["id", "Patient", "dyad", "Pat. no.", "record_id"]),
    manager=st.sampled_from(["therapist", "Behandler", "terapeuta_id", "Clinician code"]),
    turned=st.booleans(),
    shuffled=st.integers(0, 3),
    seed=st.integers(0, 50),
)
def test_however_it_is_written_the_totals_come_back_or_a_question(
    layout, names, answers, client, manager, turned, shuffled, seed
):
    data = truth(seed, n=60)
    wanted, told = totals(data), data.copy()
    if turned:
        told[["t4", "t10"]] = 8 - told[["t4", "t10"]]
    for columns, said in zip((C, T), answers, strict=True):
        told[columns] = told[columns].astype(object).map(lambda x, said=said: said.get(x, x))
    base = ids(told, **{client: "id", manager: "who"})
    one, two = (named(told[c], c, n) for c, n in zip((C, T), names, strict=True))
    with tempfile.TemporaryDirectory() as folder:
        files = {"all": pd.concat([base, one, two], axis=1)}
        if layout == "two files":
            files = {"patients": pd.concat([base, one], axis=1)}
            files["staff_forms"] = pd.concat([base[[client]], two], axis=1)
        if layout == "two sheets":
            other = base[[client]].set_axis(["Klientencode"], axis=1)
            files = {"clients": pd.concat([base, one], axis=1)}
            files["therapists"] = pd.concat([other, two], axis=1)
        if layout in ("long", "events"):
            by = "role" if layout == "long" else "redcap_event_name"
            end = "" if layout == "long" else "_form_arm_1"
            forms = {"client": one, "therapist": two.set_axis(one.columns, axis=1)}
            rows = [pd.concat([base, form], axis=1).assign(**{by: who + end})
                    for who, form in forms.items()]  # fmt: skip
            files = {"all": pd.concat(rows)}
        if shuffled:
            files = {n: f.sample(frac=1, random_state=shuffled) for n, f in files.items()}
        if layout == "two sheets":
            with pd.ExcelWriter(Path(folder, "study.xlsx")) as workbook:
                for name, frame in files.items():
                    frame.to_excel(workbook, sheet_name=name, index=False)
        for name, frame in files.items() if layout != "two sheets" else ():
            frame.to_csv(Path(folder, f"{name}.csv"), index=False)
        try:
            text, _, found, _ = drafted(Path(folder))
        except AssertionError as refused:  # `check` names what is wrong with the draft
            assert "Correct" in str(refused)
            return
        asked = "QUESTION: " in text
        same = {*found} == {"c", "t"} and len(found) == len(wanted)
        same = same and np.allclose(found.loc[wanted.index], wanted, equal_nan=True)
        assert same or asked, text
        assert asked or not turned, text
