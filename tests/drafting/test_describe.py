"""A draft codebook from unknown files: what is recognised, and that it can be tried at once."""

import numpy as np
import pandas as pd
import pyreadstat
import pytest

from alliance_helpers.drafting.draft import describe, quoted
from alliance_helpers.drafting.guesses import plain_name
from alliance_helpers.drafting.items import informant_of, item_blocks
from alliance_helpers.paths import RAW
from alliance_helpers.study.clean import clean
from alliance_helpers.study.load import check, load_study
from alliance_helpers.study.read_codebook import parse_codebook


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        ("wai_c_{:02d}", "wai_c_{01..36}"),
        ("WAIC{}", "WAIC{1..36}"),
        ("c_wai{}", "c_wai{1..36}"),
        ("WAI{}_client", "WAI{1..36}_client"),
        ("wai36_c{}", "wai36_c{1..36}"),
    ],
)
def test_blocks_of_items(names, pattern):
    columns = ["id", *(names.format(i) for i in range(1, 37)), "age"]
    (block,) = item_blocks(columns)
    assert block.pattern() == pattern
    assert block.columns == tuple(columns[1:-1])


@pytest.mark.parametrize(
    ("name", "informant"),
    [
        ("wai_c_", "client"), ("WAIC", "client"), ("c_wai", "client"), ("WAI_client", "client"),
        ("waisr_pat_", "client"), ("wai_cm_", "case_manager"), ("WAIT", "case_manager"),
        ("waiTherapist", "case_manager"), ("th_wai", "case_manager"), ("wai", None),
        ("wai_c_t_", None),
    ],
)  # fmt: skip
def test_whose_rating(name, informant):
    assert informant_of(name) == informant


@pytest.mark.parametrize(
    ("n", "high", "form"), [(36, 7, "WAI-36"), (12, 7, "WAI-S"), (12, 5, "WAI-SR")]
)
def test_which_form(n, high, form, tmp_path):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        rng.integers(1, high + 1, (40, n)), columns=[f"WAIT{i + 1}" for i in range(n)]
    )
    frame.insert(0, "Patient ID", [f"P{i}" for i in range(40)])
    frame.to_csv(tmp_path / "one.csv", index=False)
    text = describe(tmp_path / "one.csv")
    book = parse_codebook(text)
    assert book.client == "patient_id"
    assert book.scales["case_manager_alliance"].form == form
    assert book.informants["case_manager"]["alliance"] == "case_manager_alliance"
    assert check(tmp_path / "one.csv", book)[0] == []


def test_the_shipped_tables(tmp_path):
    text = describe(RAW)
    book = parse_codebook(text)
    assert (book.client, book.case_manager, book.site) == ("client_id", "case_manager_id", "site")
    assert {t.name: t.row for t in book.tables.values()} == {
        "client_interviews": "client",
        "case_manager_forms": "client",
        "clinical_ratings": "client",
        "case_managers": "case_manager",
        "hospital_episodes": "episode",
    }
    assert book.scales["client_alliance"].form == "WAI-36"
    assert book.scales["case_manager_alliance"].form == "WAI-36"
    assert book.days["hospital_days"].episodes == "hospital_episodes"
    assert book.tables["case_manager_forms"].latest == "form_date"
    assert len(book.tables["client_interviews"].variables["site"].values) == 10
    assert text.count("# GUESS") > 20
    (tmp_path / "codebook.yml").write_text(text)
    dyads = clean(load_study(RAW, tmp_path / "codebook.yml")).dyads
    shipped = clean(load_study()).dyads
    assert dyads["client_alliance"].equals(shipped["client_alliance"])
    assert dyads["case_manager_alliance"].equals(shipped["case_manager_alliance"])


def test_spss_labels_are_taken_over(tmp_path):
    frame = pd.DataFrame({"pid": [f"{i}" for i in range(30)], "sex": [1.0, 2.0, 1.0] * 10})
    frame["mood"] = [1.0, 2.0, 9.0] * 10
    pyreadstat.write_sav(
        frame,
        tmp_path / "s.sav",
        column_labels={"pid": "", "sex": "", "mood": "Mood: today"},
        variable_value_labels={"sex": {1: "female", 2: "male"}},
        missing_ranges={"mood": [9]},
    )
    book = parse_codebook(describe(tmp_path / "s.sav"))
    variables = book.tables["s"].variables
    assert variables["sex"].values == ("female", "male")
    assert variables["mood"].label == "Mood: today"
    assert (variables["mood"].low, variables["mood"].high) == (1, 2)
    assert check(tmp_path / "s.sav", book)[0] == []


def test_a_file_without_an_id_counts_its_rows(tmp_path):
    pd.DataFrame({"x": [0.5, 1.5], "y": [2, 3]}).to_csv(tmp_path / "t.csv", index=False)
    book = parse_codebook(describe(tmp_path / "t.csv"))
    assert clean(load_study(tmp_path / "t.csv", book)).dyads["client_id"].to_list() == ["2", "3"]


def test_single_persons_are_not_told(tmp_path):
    frame = pd.DataFrame({"patient": range(1, 31), "remark": [f"Mr Secret {i}" for i in range(30)]})
    frame["town"] = ["Smallville"] + ["Metropolis"] * 29
    frame.to_csv(tmp_path / "t.csv", index=False)
    assert "Secret" not in describe(tmp_path / "t.csv")


@pytest.mark.parametrize(
    "name",
    ["=cmd|'/C calc'!A0", "a: b # c", "{{x}}", "x[0]*", "é, ü", "'\"\\", "- a", "!!python/name:os",
     "yes", "1", "null", "a\u2028b", "<script>", "*", "&a", "#row", "{1..9}"],
)  # fmt: skip
def test_hostile_names_stay_text(name, tmp_path):
    frame = pd.DataFrame({"id": [f"p{i}" for i in range(20)], name: range(20), "z": [name] * 20})
    frame.to_csv(tmp_path / "t.csv", index=False)
    text = describe(tmp_path / "t.csv")
    parse_codebook(text)
    assert parse_codebook(f"study: {{title: {quoted(name)}, client: a}}\n" + BASE).title.strip()


BASE = "tables: {t: {file: t.csv, key: [a], variables: {a: {type: id}}}}\n"


def test_names_in_another_script_are_told_apart(tmp_path):
    people = [f"p{i:02}" for i in range(30)]
    frame = pd.DataFrame({"возраст": [20 + i % 9 for i in range(30)], "пациент": people})
    frame.to_csv(tmp_path / "t.csv", index=False)
    book = parse_codebook(describe(tmp_path / "t.csv"))
    table = book.tables["t"]
    assert table.key == (book.client,)
    assert {v.column: v.type for v in table.variables.values()} == {
        "возраст": "integer",
        "пациент": "id",
    }


def test_plain_names():
    assert plain_name("  1. Größe (cm)") == "groesse_cm"
    assert plain_name("???") == "column"
    assert plain_name("Age", {"age"}) == "age_2"


def test_a_labelled_file_and_its_lookup_table(tmp_path):
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(
        {"CASEID": np.arange(101.0, 141), "COUNSEL": np.repeat([1.0, 2, 3, 4], 10)}
    )
    for i in range(1, 13):
        frame[f"V{i:02d}C"] = rng.integers(1, 8, 40).astype(float)
    labels = {c: "" for c in frame} | {"COUNSEL": "Counsellor number"}
    labels |= {f"V{i:02d}C": f"WAI-S client item {i}" for i in range(1, 13)}
    pyreadstat.write_sav(frame, tmp_path / "study.sav", column_labels=labels)
    pd.DataFrame({"COUNSEL": [1, 2, 3, 4], "YEARS": [1.5, 3, 9, 20]}).to_csv(
        tmp_path / "counsellors.csv", index=False
    )
    book = parse_codebook(describe(tmp_path))
    assert (book.client, book.case_manager) == ("caseid", "counsel")
    assert book.tables["counsellors"].row == "case_manager"
    assert book.scales["client_alliance"].form == "WAI-S"
    assert book.blocks["treatment"] == ("years",)
    assert check(tmp_path, book)[0] == []


def german_clinic(folder):
    """A wide table with words for no answer, and a table beside it with a row per ward."""
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"Code": [f"A{i}" for i in range(60)], "Gruppe": ["Süd", "Nord"] * 30})
    for i in range(1, 13):
        frame[f"WAI.{i}"] = rng.integers(1, 6, 60).astype(object)
        frame.loc[rng.integers(0, 60, 2), f"WAI.{i}"] = "k.A."
    frame["BDI prä"], frame["BDI post"] = rng.integers(0, 40, (2, 60))
    frame["Tage im Krankenhaus"] = rng.integers(0, 90, 60)
    frame["Bemerkung"] = [f"ruft an {i}" for i in range(60)]
    frame.to_csv(folder / "a.csv", sep=";", index=False, encoding="cp1252")
    beds = pd.DataFrame({"Gruppe": ["Süd", "Nord"], "Betten": [12, 20]})
    beds.to_csv(folder / "b.csv", sep=";", index=False, encoding="cp1252")


def test_a_clinic_that_does_not_speak_english(tmp_path):
    german_clinic(tmp_path)
    text = describe(tmp_path)
    book = parse_codebook(text)
    assert 'missing: ["k.A."]' in text
    assert book.scales["client_alliance"].form == "WAI-SR"
    assert (book.site, book.tables["b"].row) == ("gruppe", "site")
    assert book.blocks["pretreatment"] == ("bdi_prae",)
    assert book.blocks["outcome"] == ("bdi_post", "hospital_days")
    assert "ruft an" not in text
    assert book.tables["a"].ignore == ("Bemerkung",)
    assert check(tmp_path, book)[0] == []
    assert clean(load_study(tmp_path, book)).dyads["betten"].isin([12, 20]).all()


def test_a_word_that_few_cells_hold_is_not_told(tmp_path):
    ages = ["about 40, says Ms Roe", *map(str, range(20, 59))]
    pd.DataFrame({"id": [f"p{i}" for i in range(40)], "age": ages}).to_csv(
        tmp_path / "t.csv", index=False
    )
    assert "Roe" not in describe(tmp_path)


def test_pairs_in_two_rows_are_put_side_by_side(tmp_path):
    pairs = pd.DataFrame({"CoupleID": np.repeat(np.arange(101, 131), 2)})
    pairs["Gender"] = ["Wife", "Husband"] * 30
    pairs["Satisfaction"] = np.random.default_rng(1).normal(size=60).round(2)
    pairs.to_csv(tmp_path / "pairs.csv", index=False)
    book = parse_codebook(describe(tmp_path))
    assert book.client == "coupleid"
    dyads = clean(load_study(tmp_path, book)).dyads
    wives = pairs[pairs["Gender"] == "Wife"]["Satisfaction"]
    assert dyads["satisfaction_wife"].to_list() == wives.to_list()
    assert len(dyads) == 30


def test_labels_of_missing_codes_are_no_categories(tmp_path):
    frame = pd.DataFrame({"pid": [f"{i}" for i in range(30)], "sex": [1.0, 2.0, 9.0] * 10})
    pyreadstat.write_sav(
        frame,
        tmp_path / "s.sav",
        variable_value_labels={"sex": {1: "female", 2: "male", 9: "not said"}},
        missing_ranges={"sex": [9]},
    )
    book = parse_codebook(describe(tmp_path / "s.sav"))
    assert book.tables["s"].variables["sex"].values == ("female", "male")
    assert check(tmp_path / "s.sav", book)[0] == []
    assert clean(load_study(tmp_path / "s.sav", book)).dyads["sex"].isna().sum() == 10


@pytest.mark.parametrize(("labels", "asked"), [("12", True), ("13", False), ("123", False)])
def test_a_number_that_no_label_names_is_asked_about(labels, asked, tmp_path):
    """1 female, 2 male, and a 3; labels of the ends alone say nothing of what is between."""
    frame = pd.DataFrame({"pid": [f"{i}" for i in range(30)], "sex": [1.0, 2.0, 3.0] * 10})
    told = {"sex": {int(code): f"label {code}" for code in labels}}
    pyreadstat.write_sav(frame, tmp_path / "s.sav", variable_value_labels=told)
    draft = describe(tmp_path / "s.sav")
    assert ("QUESTION: 'sex': found 3, of which its value labels (of 1, 2)" in draft) == asked


def test_a_name_with_two_meanings_is_two_names(tmp_path):
    ids = [f"p{i}" for i in range(30)]
    numbers = {"id": ids, "score": range(30), "x": np.arange(30) % 7}
    pd.DataFrame(numbers).to_csv(tmp_path / "a.csv", index=False)
    letters = {"id": ids, "score": ["F", "M"] * 15, "when": ["1990-01-02"] * 30}
    pd.DataFrame(letters).to_csv(tmp_path / "b.csv", index=False)
    book = parse_codebook(describe(tmp_path))
    assert {name for block in book.blocks.values() for name in block} == {
        "a_score", "b_score_m", "x"
    }  # fmt: skip
    dyads = clean(load_study(tmp_path, book)).dyads
    assert dyads["a_score"].to_list() == [*range(30)]
    assert dyads["b_score"].to_list() == letters["score"]


def two_files(kind):
    """A table of clients, and one beside it that has columns of the same names."""
    rng = np.random.default_rng(5)
    n = {"a row per client": 60, "a row per therapist": 6, "occasions": 120, "twice": 61}[kind]
    client = pd.DataFrame({"client_id": [f"c{i}" for i in range(60)]})
    client["therapist_id"] = [f"t{i % 6}" for i in range(60)]
    other = pd.DataFrame({"client_id": [f"c{i % 60}" for i in range(n)]})
    if kind == "a row per therapist":
        other = pd.DataFrame({"therapist_id": [f"t{i}" for i in range(6)]})
    if kind == "occasions":
        other["wave"] = ["pre"] * 60 + ["post"] * 60
    if kind == "twice":
        other["filled"] = ["1990-01-02"] * 60 + ["1990-02-02"]
    for frame, shift in ((client, 0), (other, 40)):
        frame["age"] = rng.integers(18, 40, len(frame)) + shift
        frame["sex"] = rng.choice(["female", "male"], len(frame))
        for i in range(1, 5):
            frame[f"po_{i}"] = rng.integers(1, 4, len(frame)) + (3 if shift else 0)
        frame["mood_pre"] = rng.normal(shift, 1, len(frame)).round(3)
        frame["mood"] = rng.normal(shift, 1, len(frame)).round(3)
    return client, other.drop(columns=["mood_pre"]) if kind == "occasions" else other


@pytest.mark.parametrize("kind", ["a row per client", "a row per therapist", "occasions", "twice"])
@pytest.mark.parametrize("files", [("a_client", "b_other"), ("b_client", "a_other")])
def test_columns_of_the_same_name_are_told_apart(kind, files, tmp_path):
    client, other = two_files(kind)
    client.to_csv(tmp_path / f"{files[0]}.csv", index=False)
    other.to_csv(tmp_path / f"{files[1]}.csv", index=False)
    (tmp_path / "codebook.yml").write_text(describe(tmp_path))
    assert check(tmp_path)[0] == []
    book = parse_codebook((tmp_path / "codebook.yml").read_text())
    found = {t.name: {v.column: v.name for v in t.variables.values()} for t in book.tables.values()}
    one, two = (found[f] for f in files)
    joined = {"client_id", "therapist_id"}
    assert {n for n in one.values() if n in two.values()} <= joined
    dyads = clean(load_study(tmp_path)).dyads
    ending = "_post" if kind == "occasions" else ""
    mine = other[other["wave"] == "post"] if ending else other
    if kind == "twice":
        mine = mine.drop_duplicates("client_id", keep="last").sort_index()
        mine = client[["client_id"]].merge(mine)
    key = "therapist_id" if kind == "a row per therapist" else "client_id"
    wanted = client[["client_id", "therapist_id"]].merge(mine.drop(columns="x", errors="ignore"),
                                                         on=key, how="left")  # fmt: skip
    for column in ("age", "sex", "mood"):
        assert dyads[one[column]].to_list() == client[column].to_list()
        assert dyads[two[column] + ending].to_list() == wanted[column].to_list()
    if kind != "a row per therapist":
        scores = {s.items[0]: n for n, s in book.scales.items()}
        means = wanted[[f"po_{i}" for i in range(1, 5)]].mean(axis=1)
        assert dyads[scores[two["po_1"] + ending]].to_list() == means.to_list()
        assert len(scores) == (3 if ending else 2)


@pytest.mark.parametrize("beside", ["a row per client", "a row per therapist"])
def test_what_two_tables_say_alike_is_drafted_once(beside, tmp_path):
    client, other = two_files(beside)
    key = other.columns[0]
    firsts = client.drop_duplicates(key).set_index(key)
    client["team"] = client["sex"] if key == "client_id" else client[key].map(firsts["sex"])
    client["code"] = client[key].str[1:].astype(int) + 1_234_567
    named = client.drop_duplicates(key)[[key, "team", "code"]]
    other = other[[key, "age"]].merge(named)
    client.to_csv(tmp_path / "a.csv", index=False)
    other.astype({"code": float}).iloc[::-1].to_csv(tmp_path / "b.csv", index=False)
    book = parse_codebook(describe(tmp_path))
    assert set(book.tables["b"].ignore) == {"team", "code"}
    assert {"team", "code", "a_age"} <= set(book.tables["a"].variables)
    assert check(tmp_path, book)[0] == []
    other["code"] = other["code"].to_numpy()[[1, 0, *range(2, len(other))]]
    other.to_csv(tmp_path / "b.csv", index=False)
    assert parse_codebook(describe(tmp_path)).tables["b"].ignore == ("team",)


def test_a_wai_in_two_files_is_each_rater_s_own(tmp_path):
    rng = np.random.default_rng(6)
    ids = {"id": [f"c{i}" for i in range(40)]}
    names = [f"wai_{i}" for i in range(1, 13)]
    for file, high in (("counselor", 7), ("patient", 5)):
        frame = pd.DataFrame(rng.integers(1, high + 1, (40, 12)), columns=names)
        frame.assign(**ids).to_csv(tmp_path / f"{file}.csv", index=False)
    book = parse_codebook(describe(tmp_path))
    assert {n: (s.form, s.items[0]) for n, s in book.scales.items()} == {
        "client_alliance": ("WAI-SR", "patient_wai_1"),
        "case_manager_alliance": ("WAI-S", "counselor_wai_1"),
    }
    assert check(tmp_path, book)[0] == []


@pytest.mark.parametrize(("rows", "named"), [(4, False), (5, True)])
def test_a_value_held_by_fewer_than_five_is_not_named(rows, named, tmp_path):
    site = ["North"] * 150 + ["South"] * 150 + ["Zqville"] * rows
    table = pd.DataFrame({"client_id": [f"P{i:03d}" for i in range(len(site))], "site": site})
    table.to_csv(tmp_path / "clients.csv", index=False)
    draft = describe(tmp_path)
    assert "North" in draft
    assert ("Zqville" in draft) == named
