"""What a file alone cannot tell is asked; what is wrong with an export is named."""

import time

import numpy as np
import pandas as pd
import pyreadstat
import pytest
from bad_input.command import alliance
from exports_made import (
    SR,
    C,
    T,
    ids,
    long_roles,
    named,
    numbered,
    qualtrics_recoded,
    redcap,
    truth,
    two_languages,
    words,
)

from alliance_helpers.drafting.draft import describe
from alliance_helpers.drafting.items import item_blocks
from alliance_helpers.errors import DataError
from alliance_helpers.study.clean import clean
from alliance_helpers.study.load import check, load_study
from alliance_helpers.study.read_codebook import parse_codebook


def wide(data, client=None, therapist=None):
    """A row a dyad, with other answers of the client or the therapist if given."""
    both = [named(data[C], C, "wai_c{}") if client is None else client]
    both.append(named(data[T], T, "wai_t{}") if therapist is None else therapist)
    return pd.concat([ids(data, id="id", therapist="who"), *both], axis=1)


def one_left_out(data):
    return wide(data).drop(columns="wai_c6")


def five_and_three(data):
    return wide(data, named(data[C[:5]], C[:5], "wai_c{}"), named(data[T[:3]], T[:3], "wai_t{}"))


def three_roles(data, folder):
    long_roles(folder, data)
    rows = pd.read_csv(folder / "long.csv")
    (folder / "long.csv").unlink()
    third = rows[rows["role"] == "doctor"].assign(role="supervisor")
    return pd.concat([rows, third]).sort_values("dyad", kind="stable")


def no_dyad(data, folder):
    return three_roles(data, folder).query("role != 'supervisor'").drop(columns="dyad")


def pairs_without_a_role(data, folder):
    return three_roles(data, folder).query("role != 'supervisor'").drop(columns="role")


def ids_with_an_ending(data, folder):
    rows = three_roles(data, folder).query("role != 'supervisor'")
    return rows.assign(dyad=rows["dyad"].astype(str) + rows["role"].str[0]).drop(columns="role")


def words_of_two_sets(data):
    """Answers of which three occur, which both forms have."""
    three = data[C].clip(3, 5).map(lambda x: ["Sometimes", "Very Often", "Always"][int(x or 3) - 3],
                                   na_action="ignore")  # fmt: skip
    return wide(data, named(three, C, "wai_c{}"))


def unknown_words(data):
    told = words(data, C, ["nope", "meh", "so-so", "yep", "wow"])
    return wide(data, named(told, C, "wai_c{}"))


def names_spelled_twice(data):
    who = data["who"].map(lambda i: f"Dr. Meyer-{'abcdefghijklmnopqrstuvw'[int(i)] * 3}")
    frame = wide(data).assign(therapist=who)
    frame.loc[2, "therapist"] = frame.loc[2, "therapist"].lower().replace(".", "")
    return frame


def unlike_columns(data):
    frame = wide(data).rename(columns={"wai_c1": "q1", "wai_c2": "q2"})
    return frame.assign(q3=data["age"], q4=data["phq"] + 40)


def ids_twice(data):
    """Nine rows of 81 stand there twice."""
    return pd.concat([wide(data), wide(data).iloc[:9]])


def a_word_among_numbers(data):
    frame = wide(data)
    return frame.astype(object).mask(
        frame.isin([3]) & frame.columns.str.startswith("wai_c"), "so so"
    )


def only_numbers_tell(data):
    return wide(data, named(data[C], C, "x{}"), named(data[T], T, "y{}"))


def a_total(data):
    return ids(data, id="id", therapist="who").assign(wai_client_total=data[C].sum(axis=1))


def trials_of_the_form(data):
    frame = wide(data).astype({"id": object})
    frame.loc[[0, 1, 40], "id"] = ["TEST", "test2", "Test Patient"]
    return frame


def numbers_of_nobody(data):
    """Therapists' numbers in shuffled rows, in a column whose name does not tell."""
    return wide(data).rename(columns={"therapist": "BP"}).sample(frac=1, random_state=3)


def numbers_far_apart(data):
    codes = np.random.default_rng(8).choice(np.arange(101, 990), 18, replace=False)
    frame = numbers_of_nobody(data)
    return frame.assign(BP=frame["BP"].map(lambda i: codes[i - 1]))


@pytest.mark.parametrize(
    ("made", "asked"),
    [
        (numbers_of_nobody, "'BP' holds 18 numbers, each in several rows"),
        (numbers_far_apart, "'BP' holds 18 numbers, each in several rows"),
        (one_left_out, "11 items are no known form"),
        (five_and_three, "3 items are no known form"),
        (no_dyad, "no id ties two rows"),
        (pairs_without_a_role, "'dyad' stands in several rows"),
        (ids_with_an_ending, "ends in d and p"),
        (unknown_words, "meh, nope, so-so, wow, yep"),
        (names_spelled_twice, "'dr meyer-"),
        (unlike_columns, "q3 hold other answers"),
        (trials_of_the_form, "'id': are 'TEST', 'test2', 'Test Patient' trials"),
        (a_total, "what its form allows"),
        (ids_twice, "'id' stands in several rows"),
        (a_word_among_numbers, "so so stand among the answers"),
        (only_numbers_tell, "number of items and answers of the WAI-S"),
    ],
)
def test_it_is_asked(made, asked, tmp_path):
    data = truth()
    here = made(data, tmp_path) if made.__code__.co_argcount > 1 else made(data)
    here.to_csv(tmp_path / "data.csv", index=False)
    text = describe(tmp_path)
    lines = [line for line in text.splitlines() if "QUESTION: " in line]
    assert any(asked in line for line in lines), lines
    assert "bp" not in text.partition("\nblocks:")[2].partition("# In no block")[0]


def test_a_word_of_very_few_is_told_by_check_and_not_by_the_draft(tmp_path):
    data = truth()
    told = words(data, C, SR)
    told.iloc[3, 2] = "only with Ann"
    wide(data, named(told, C, "wai_c{}")).to_csv(tmp_path / "data.csv", index=False)
    text = describe(tmp_path)
    assert "QUESTION: 1 other words stand among the answers" in text
    assert "Ann" not in text
    assert "row 5, column wai_c3: found 'only with Ann'" in str(
        check(tmp_path, parse_codebook(text))[0][0]
    )


def test_part_of_a_form_is_nobody_s_rating(tmp_path):
    five_and_three(truth()).to_csv(tmp_path / "data.csv", index=False)
    assert parse_codebook(describe(tmp_path)).informants == {}


def test_one_block_is_never_shared_between_two_informants(tmp_path):
    """However its single items are labelled or typed."""
    rng = np.random.default_rng(8)
    for _ in range(10):
        frame = wide(truth()).drop(columns=[f"wai_t{i}" for i in range(1, 13)]).astype(object)
        told = rng.permutation(12)[:5] + 1
        for i in told[:3]:
            frame[f"wai_c{i}"] = words(frame, [f"wai_c{i}"], SR)
        frame[f"wai_c{told[3]}"] = frame[f"wai_c{told[3]}"].map(lambda x: f"{x}?" if x == 1 else x)
        frame.to_csv(tmp_path / "data.csv", index=False)
        book = parse_codebook(describe(tmp_path))
        assert [*book.informants] in ([], ["client"])
        assert all(len(scale.items) == 12 for scale in book.scales.values())


@pytest.mark.parametrize("ending", ["_counselor", "ther", "_rec", "_r"])
def test_an_ending_in_r_takes_no_block_apart(ending):
    (block,) = item_blocks([f"wai{i}{ending}" for i in range(1, 13)])
    assert len(block.columns) == 12


def test_a_row_for_each_answer_is_told(tmp_path):
    rows = wide(truth()).melt(["id", "therapist"], var_name="item", value_name="answer")
    rows.to_csv(tmp_path / "answers.csv", index=False)
    told = "STOP: answers.csv, column item: found the names of items; a row of this table"
    assert told in describe(tmp_path)


def test_a_dirty_cell_makes_no_free_text(tmp_path):
    frame = wide(truth()).assign(age=40).astype(object)
    frame.loc[5, "age"], frame.loc[6, "wai_c3"] = "12?", "4?"
    frame.to_csv(tmp_path / "data.csv", index=False)
    variables = parse_codebook(describe(tmp_path)).tables["data"].variables
    assert {variables["age"].type, variables["wai_c3"].type} == {"integer"}


def test_what_identifies_a_person_is_never_drafted(tmp_path):
    frame = wide(truth()).assign(first_name="Ann", IPAddress="192.0.2.7", latitude=52.5)
    frame["E-Mail"] = [f"a{i}@example.org" for i in range(len(frame))]
    frame.to_csv(tmp_path / "data.csv", index=False)
    text = describe(tmp_path)
    columns = {v.column for v in parse_codebook(text).tables["data"].variables.values()}
    secret = {"first_name", "IPAddress", "latitude", "E-Mail"}
    assert not columns & secret
    (told,) = [line for line in text.splitlines() if "may identify a person" in line]
    assert all(name in told for name in secret)


def test_headers_that_do_not_match_are_named(tmp_path):
    qualtrics_recoded(tmp_path, truth())
    text = (tmp_path / "all.csv").read_text()
    (tmp_path / "all.csv").write_text(text.replace('"{""ImportId"": ""wai_c_3""}"', "Item 3", 1))
    with pytest.raises(DataError, match=r"row 3, column wai_c_3: found 'Item 3'; Imp"):
        describe(tmp_path)


def another_dictionary(folder, data):
    """It shares the id and the sex with this project, as any two do."""
    redcap(folder, data)
    names = ["record_id", "sex", *(f"bdi_{i}" for i in range(1, 22))]
    fields = pd.DataFrame({"Variable / Field Name": names, "Field Label": names})
    fields.to_csv(folder / "dictionary.csv", index=False)


def third_role(folder, data):
    three_roles(data, folder).to_csv(folder / "data.csv", index=False)


def two_sets(folder, data):
    words_of_two_sets(data).to_csv(folder / "data.csv", index=False)


def a_file_for_each_site(folder, data):
    wide(data.iloc[:36]).to_csv(folder / "clinic_a.csv", index=False)
    wide(data.iloc[36:]).to_csv(folder / "clinic_b.csv", index=False)


def labels_with_a_gap(folder, data):
    told = {i: word for i, word in numbered(SR).items() if i != 3}
    levels = {f"wai_c{i}": told for i in range(1, 13)}
    frame = wide(data).astype(float)
    pyreadstat.write_sav(frame, folder / "data.sav", variable_value_labels=levels)


def a_dyad_of_two_clients(folder, data):
    rows = three_roles(data, folder).query("role != 'supervisor'")
    again = rows.query("dyad == 2003 and role == 'patient'").copy()
    answer = again.columns[-1]
    again[answer] = again[answer] % 5 + 1
    pd.concat([rows, again]).to_csv(folder / "data.csv", index=False)


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (
            a_dyad_of_two_clients,
            "data.csv, row 146, column dyad: found 2003 once more with the same",
        ),
        (a_file_for_each_site, "clinic_b.csv: found the same columns as in clinic_a.csv, and none"),
        (
            labels_with_a_gap,
            "data.sav, column wai_c{1..12}: found 3, of which its value labels (of",
        ),
        (
            another_dictionary,
            "dictionary.csv, row 2, column Variable / Field Name: found 'record_id",
        ),
        (third_role, "data.csv, column role: found 'supervisor' beside 'patient' and 'doctor'"),
        (
            two_languages,
            "two.csv, column wai_c{1..12}: found 'Seldom', 'Sometimes', 'Fairly Often'",
        ),
        (two_sets, "data.csv, column wai_c{1..12}: found 'Sometimes', 'Very Often', 'Always', wh"),
    ],
)
def test_what_stops_until_it_is_settled(made, told, tmp_path):
    study, draft = tmp_path / "study", tmp_path / "codebook.yml"
    study.mkdir()
    made(study, truth())
    commands = {
        "describe": ["describe", study, "--out", draft],
        "check": ["check", "--data", study, "--codebook", draft],
        "run": ["run", "--data", study, "--codebook", draft, "--out", tmp_path / "out"],
    }
    for command in commands.values():
        done = alliance(tmp_path, *command)
        assert done.code == 2
        assert told in done.err
        assert "Or delete this line" in done.err
    lines = draft.read_text("utf-8").splitlines(keepends=True)
    kept = [line for line in lines if "# STOP: " not in line]
    assert len(kept) == len(lines) - 1
    draft.write_text("".join(kept), encoding="utf-8")
    settled = made is not a_dyad_of_two_clients  # whose second row has to go
    assert alliance(tmp_path, *commands["check"]).code == (0 if settled else 2)


def test_no_path_of_a_machine(tmp_path):
    wide(truth()).to_csv(tmp_path / "data.csv", index=False)
    text = describe(tmp_path)
    assert "file:" not in text.replace("    file:", "")
    assert str(tmp_path.parent) not in text


def test_three_thousand_columns(tmp_path):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.integers(1, 6, (300, 3000)))
    frame.columns = [f"{chr(97 + i % 26)}{chr(97 + i // 26 % 26)}x{i}" for i in range(3000)]
    frame.insert(0, "id", range(1, 301))
    frame.to_csv(tmp_path / "wide.csv", index=False)
    begin = time.process_time()
    describe(tmp_path)
    assert time.process_time() - begin < 10


def test_therapists_are_told_by_their_column_whatever_it_holds(tmp_path):
    for name in ("THER", "Behandler_Nr", "counselor", "case manager", "Provider ID", "terapeuta"):
        for values in (lambda i: i, lambda i: "abcdefgh"[i % 8], lambda i: f"Dr. No {i}"):
            frame = wide(truth()).rename(columns={"therapist": name})
            frame[name] = frame[name].map(values)
            frame.to_csv(tmp_path / "data.csv", index=False)
            book = parse_codebook(describe(tmp_path))
            assert book.case_manager is not None, name
            assert book.case_manager not in book.blocks.get("pretreatment", ())


def test_names_behind_codes_are_therapists(tmp_path):
    frame = wide(truth()).rename(columns={"therapist": "QTHER"}).astype(float)
    names = {
        float(i): f"Dr. {'abcdefghijklmnopqrstuvwxyz'[int(i)]}" for i in frame["QTHER"].unique()
    }
    labels = ["Your therapist" if c == "QTHER" else c for c in frame]
    pyreadstat.write_sav(
        frame, tmp_path / "q.sav", column_labels=labels, variable_value_labels={"QTHER": names}
    )
    assert parse_codebook(describe(tmp_path)).case_manager == "qther"


def test_rows_a_survey_tool_should_not_count_are_logged(tmp_path):
    qualtrics_recoded(tmp_path, truth())
    book = parse_codebook(describe(tmp_path))
    log = clean(load_study(tmp_path, book)).log
    assert set(log["rule"]) >= {"where Status", "where Finished", "an earlier duplicate"}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("date", pd.date_range("2024-01-01", periods=72).astype(str)),
        ("Timestamp", [f"3/{1 + i % 28}/2024 {9 + i // 28}:00:07" for i in range(72)]),
        ("", range(72)),  # the rows, as pandas and R count them
    ],
)
def test_what_stands_first_and_once_each_is_no_client(name, values, tmp_path):
    data = truth().sample(frac=1, random_state=1)
    one, other = wide(data).iloc[:, :14], wide(data.iloc[::-1]).drop(columns=["who", "therapist"],
                                                                      errors="ignore")  # fmt: skip
    for frame, file in ((one, "clients.csv"), (other.iloc[:, [0, *range(13, 25)]], "forms.csv")):
        frame.insert(0, name, list(values))
        frame.to_csv(tmp_path / file, index=False)
    assert parse_codebook(describe(tmp_path)).client == "id"


@pytest.mark.parametrize("form", ["{word} ({number})", "{number} - {word}"])
def test_words_win_over_numbers_that_run_against_them(form, tmp_path):
    data = truth()
    turned = [form.format(word=word, number=5 - i) for i, word in enumerate(SR)]
    wide(data, named(words(data, C, turned), C, "wai_c{}")).to_csv(tmp_path / "d.csv", index=False)
    text = describe(tmp_path)
    assert "QUESTION: the codes are not 1 to 5 in that order: renumbered" in text
    found = clean(load_study(tmp_path, parse_codebook(text))).items("client_alliance")
    assert np.array_equal(found.to_numpy(float), data[C].to_numpy(float), equal_nan=True)


def test_two_words_of_one_step_stop(tmp_path):
    data, six = truth(), ["Never", "Seldom", "Sometimes", "Often", "Very often", "Always"]
    data[C] = data[C].add(data.index % 3 == 0, axis=0)
    wide(data, named(words(data, C, six), C, "wai_c{}")).to_csv(tmp_path / "d.csv", index=False)
    assert "STOP: d.csv, column wai_c{1..12}: found" in describe(tmp_path)


def test_a_file_of_therapists_is_joined_by_their_number(tmp_path):
    data = truth().assign(id=range(1, 73))
    wide(data).to_csv(tmp_path / "patients.csv", index=False)
    there = pd.DataFrame({"id": range(1, 19), "experience": np.arange(18) % 7 + 2})
    there.to_csv(tmp_path / "therapists.csv", index=False)
    dyads = clean(load_study(tmp_path, parse_codebook(describe(tmp_path)))).dyads
    assert dyads["experience"].tolist() == [(w - 1) % 7 + 2 for w in data["who"]]


def test_a_role_in_capitals_is_the_same_role_and_none_is_no_second(tmp_path):
    long_roles(tmp_path, truth())
    rows = pd.read_csv(tmp_path / "long.csv")
    rows.loc[4, "role"] = rows.loc[4, "role"].upper()
    rows.loc[[8, 9], "role"] = ""
    rows.to_csv(tmp_path / "long.csv", index=False)
    assert "STOP" not in describe(tmp_path).split("study:")[1]
