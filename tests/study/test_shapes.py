"""Files in the shapes of survey tools: read as the codebook says, or warned of, or refused."""

import numpy as np
import openpyxl
import pandas as pd
import pyreadstat
import pytest

from alliance_helpers.errors import CodebookError, DataError
from alliance_helpers.paths import ROOT
from alliance_helpers.running.sequence import checked_study
from alliance_helpers.study.clean import clean
from alliance_helpers.study.codebook import Table
from alliance_helpers.study.load import check, load_study, read_file
from alliance_helpers.study.read_codebook import parse_codebook

CASES = ROOT.parent / "shared" / "cases"
SEVEN = "Never: 1, Rarely: 2, Occasionally: 3, Sometimes: 4, Often: 5, Very Often: 6, Always: 7"
FIVE = "Seldom: 1, Sometimes: 2, Fairly Often: 3, Very Often: 4, Always: 5"
SIEBEN = "nie: 1, selten: 2, gelegentlich: 3, manchmal: 4, oft: 5, sehr oft: 6, immer: 7"
FÜNF = "selten: 1, manchmal: 2, öfter: 3, sehr oft: 4, immer: 5"
CODES = ", ".join(f"A{i}: {i}" for i in range(1, 8))
TRUTH = (42.6186, 7.5106, 56.7155, 11.1369, 0.24849, -0.29016)


def book(tables, client, case_manager, client_items, their_items, outcome="", their="form: WAI-S"):
    """A codebook of two ratings; `tables` are YAML, the client form a WAI-SR."""
    return f"""
study: {{title: A case, client: {client}, case_manager: {case_manager}}}
missing: [N/A]
tables:
{tables}
scales:
  by_client: {{form: WAI-SR, items: "{client_items}"}}
  by_therapist: {{{their}, items: "{their_items}"}}
informants: {{client: {{alliance: by_client}}, case_manager: {{alliance: by_therapist}}}}
{f"blocks: {{outcome: [{outcome}]}}" if outcome else ""}
"""


def survey(file, variables):
    """One of two exports with a header of three rows."""
    return f"""
  {file}:
    file: {file}.csv
    header: [1, 3]
    where: {{Status: IP Address, Finished: true}}
    key: [dyad]
    ignore: ["*"]
    variables: {{dyad: {{type: id}}, {variables}}}"""


def plain(file, variables, more=""):
    """One table, whose columns that are not named are ignored."""
    return f"  t:\n    file: {file}\n    ignore: ['*']\n{more}    variables: {{{variables}}}"


EVENTS = """    where: {redcap_repeat_instrument: ""}
    key: [record_id, redcap_event_name]
    occasion: {column: redcap_event_name, suffix: {intake_arm_1: _intake, followup_arm_1: ""}}
"""
ROLES = """    row: rating
    informant: {column: role, client: client, case_manager: therapist}
    key: [dyad]
"""
BOOKS = {
    "a_qualtrics_csv": book(
        survey("client", f'"Q5_{{1..12}}": {{type: integer, values: {{{FIVE}}}}}')
        + survey(
            "therapist",
            f'code: {{type: id, column: therapist_code}}, "Q7_{{1..12}}": {{values: {{{SEVEN}}}}}',
        ),
        "dyad", "code", "Q5_{1..12}", "Q7_{1..12}",
    ),
    "c_redcap": book(
        plain(
            "Alliance_DATA_2024-05-02_1104.csv",
            "record_id: {type: id}, therapist_id: {type: id, optional: true}, phq_total: {}, "
            "redcap_event_name: {type: category, values: [intake_arm_1, followup_arm_1]}, "
            '"waisr_c_{1..12}": {}, "wais_t_{1..12}": {}', EVENTS,
        ),
        "record_id", "therapist_id", "waisr_c_{1..12}", "wais_t_{1..12}", "phq_total",
    ),
    "d_limesurvey": book(
        plain(
            "results-survey417263.csv",
            "code: {type: id, column: CODE}, ther: {type: id, column: THER}, phq: {column: PHQ}, "
            f'"p{{01..12}}": {{column: "WAIP[SQ0{{01..12}}]", values: {{{CODES}}}}}, '
            f'"t{{01..12}}": {{column: "WAIT[SQ0{{01..12}}]", values: {{{CODES}}}}}',
            "    key: [code]\n",
        ),
        "code", "ther", "p{01..12}", "t{01..12}", "phq",
    ),
    "l_german": book(
        plain(
            "daten.csv",
            "id: {type: id}, therapeut_id: {type: id}, phq_post: {}, "
            f'"wai_k_{{01..12}}": {{values: {{{FÜNF}}}}}, '
            f'"wai_t_{{01..12}}": {{values: {{{SIEBEN}}}}}',
            "    key: [id]\n",
        ),
        "id", "therapeut_id", "wai_k_{01..12}", "wai_t_{01..12}", "phq_post",
    ),
    "k1_one_reversed": book(
        plain(
            "data.csv",
            "id: {type: id}, therapist_id: {type: id}, phq_post: {}, "
            '"wai_c{1..12}": {}, "wai_t{1..12}": {}', "    key: [id]\n",
        ),
        "id", "therapist_id", "wai_c{1..12}", "wai_t{1..12}", "phq_post",
        "form: WAI-S, reversed: [wai_t4]",
    ),
    "e_long_roles": book(
        plain(
            "dyads_long.csv",
            'dyad: {type: id}, therapist_id: {type: id}, outcome: {}, "wai{1..12}": {}', ROLES,
        ),
        "dyad", "therapist_id", "wai{1..12}_client", "wai{1..12}_case_manager", "outcome_client",
        "form: WAI-SR",
    ),
}  # fmt: skip


@pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not here")
@pytest.mark.parametrize("name", BOOKS)
def test_the_planted_numbers(name):
    made = clean(load_study(CASES / name, parse_codebook(BOOKS[name])))
    assert made.warnings == ()
    client, therapist = made.dyads["by_client"], made.dyads["by_therapist"]
    outcome = made.codebook.blocks.get("outcome")
    found = [client.mean(), client.std(), therapist.mean(), therapist.std(), client.corr(therapist)]
    found += [client.corr(made.dyads[outcome[0]])] if outcome else []
    truth = TRUTH
    if name == "e_long_roles":  # by plain pandas from the rows of each role
        truth = (42.47009, 7.36675, 41.74783, 7.31118, 0.22066, -0.28803)
        assert made.log["rule"].eq("a row for each informant").sum() == 238
    assert found == pytest.approx(truth[: len(found)], abs=5e-5)
    assert len(made.dyads) == 120


def test_headers_and_separators_of_text(tmp_path):
    path = tmp_path / "t.csv"
    for text, header in [
        ("sep=;\nid;x\n1;2\n", (1, 1)),
        ("id,x\n1,2,\n3,4,\n", (1, 1)),
        ("id,x,\n1,2,\n", (1, 1)),
        ("A title\n\nid;x\n1;2\n", (3, 3)),
        ('id,x\nWho?,"What,\nthen?"\n{""},{""}\n1,2\n', (1, 3)),
    ]:
        path.write_text(text)
        raw = read_file(path, Table("t", "t.csv", (), {}, header=header))
        assert [*raw.frame.columns] == ["id", "x"], text
        assert raw.frame.iloc[0].to_list() == ["1", "2"], text
    assert raw.labels == {"id": "Who?", "x": "What,\nthen?"}
    assert raw.frame.index[0] == 4


SMALL = """
study: {{title: Small, client: id}}
tables:
  t: {{file: t.csv, key: [id], variables: {{id: {{type: id}}, {}}}}}
{}
"""


RATED = "informants: {client: {alliance: x}}"
MANAGED = SMALL.replace("client: id}}", "client: id, case_manager: th}}")


def problems(tmp_path, data, variables, more="", table=""):
    (tmp_path / "t.csv").write_text(data)
    text = SMALL.format(variables, more).replace("key: [id]", table or "key: [id]")
    (tmp_path / "codebook.yml").write_text(text)
    found, notes = check(tmp_path)
    return "\n".join(map(str, [*found, *notes]))


WORDS = "id,x\n1,Seldom\n2,Never\n3,never \n4,\n"


@pytest.mark.parametrize(
    ("data", "variables", "table", "told"),
    [
        (WORDS, "x: {values: {Seldom: 1}}", "", "rows 3, 4, column x: found 'Never', 'never'; `"),
        ("id,x\n1,4\n2,3\n", "x: {values: {1: 1, 4: 3}}", "", "row 3, column x: found '3'; `va"),
        ("id,x\n" + "1,often\n" * 9, "x: {}", "", 'values: {"often": 1, ...}'),
        ("id,x\n1,2\n", "x: {}", "key: [id], where: {x: 3}", "'3', which no row holds"),
        ("id,x\n1,2\n", "x: {}", "key: [id], where: {y: 3}", "column y: the column by which"),
        ("id,n\n1,2\n", "n: {}", "key: [id], row: session, time: n, event: 4", "event '4'"),
        ("id,x\n1,2\n", "x: {}", "key: [id], row: session, time: x", "'event' must be given"),
        ("id,x\n1,2\n", "x: {}", "key: [id], header: 9", "no header in row 9"),
        ("id,x\n1,2\n", "x: {values: [1, 2]}", "", "say no number for"),
        ("id,role,x\n1,a,2\n1,b,3\n2,c,3\n", "x: {}",
         "key: [id], row: rating, informant: {column: role, client: a, case_manager: b}",
         "row 4, column role: found 'c'"),
        ("id,role,x\n1,a,2\n1,b,3\n2,,3\n", "x: {}",
         "key: [id], row: rating, informant: {column: role, client: a, case_manager: b}",
         "row 4, column role: is blank, so its row has no place"),
        ("id,role,x\n1,a,2\n1,a,3\n1,b,3\n", "x: {}",
         "key: [id], row: rating, informant: {column: role, client: a, case_manager: b}",
         "row 3, column id and role: found '1, a'"),
        ("id,x\nWho,What,Why\n1,2\n", "x: {}", "key: [id], header: [1, 2]", "2 names in row 1"),
        ('id,x\nWho,What\n"{""ImportId"":1}",5\n1,2\n', "x: {}", "key: [id], header: [1, 3]",
         "row 3, column x: found '5' where Qualtrics writes this column's ImportId"),
        ("id,x,RecordedDate\na,b,c\n1,2,3\n4,5,6\n", "x: {}", "key: [id], header: [1, 3]",
         "row 3, column id: found '1' where Qualtrics"),
    ],
)  # fmt: skip
def test_what_a_shape_is_refused_for(data, variables, table, told, tmp_path):
    assert told in problems(tmp_path, data, variables, table=table)


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_headers_of_other_columns_are_named_at_once(ending, tmp_path):
    ids = ("record", "status", "QID1", "finished", "Item 2")
    third = [f'{{"ImportId":"{i}"}}' if i[:4] != "Item" else i for i in ids]
    rows = [["id", "Finished", "Status", "x", "y"], [*"abcde"], third, [1, 0, 1, 2, 3], [2] * 5]
    frame = pd.DataFrame(rows)
    write = frame.to_csv if ending == "csv" else frame.to_excel
    write(tmp_path / f"t.{ending}", header=False, index=False)
    table = Table("t", "t", ("id",), {}, header=(1, 3))
    with pytest.raises(DataError) as refused:
        read_file(tmp_path / f"t.{ending}", table)
    assert [(p.row, p.column) for p in refused.value.problems] == [
        (3, c) for c in ("Finished", "x", "y")
    ]
    rows[2] = [third[0], third[3], third[1], third[2], '{"ImportId":"QID2"}']
    pd.DataFrame(rows).to_csv(tmp_path / "t.csv", header=False, index=False)
    assert len(read_file(tmp_path / "t.csv", table).frame) == 2


def test_an_answer_that_the_form_does_not_have(tmp_path):
    names = [f"x{i}" for i in range(1, 13)]
    data = "id," + ",".join(names) + "\n" + "".join(f"{i}" + ",0,3" * 6 + "\n" for i in range(9))
    scale = 'scales: {s: {form: WAI-SR, items: "x{1..12}"}}\ninformants: {client: {alliance: s}}'
    told = problems(tmp_path, data, '"x{1..12}": {range: [0, 4]}', scale)
    assert "rows 2, 3, 4 and 6 more, column x1: found '0'; WAI-SR goes from 1 to 5." in told
    assert "`values: {0: 1, 1: 2, 2: 3, 3: 4, 4: 5}`" in told
    told = problems(tmp_path, data, '"x{1..12}": {type: integer, range: [1, 5]}', scale)
    assert "expected 1 to 5. Where 0 means no answer, say `missing: [0]`; if answers count" in told
    assert "from 0, `values: {0: 1, 1: 2," in told
    recoded = '"x{1..12}": {values: {0: 1, 1: 2, 2: 3, 3: 4, 4: 5}}'
    assert "column" not in problems(tmp_path, data, recoded, scale)


@pytest.mark.parametrize(
    ("scale", "score"),
    [
        ("{form: WAI-SR, scored: true, items: x1}", 15),
        ("{form: WAI-SR, scored: true, items: [x1, x2, x3]}", 48),
        ("{scored: true, range: [12, 60], items: x1}", 15),
    ],
)
def test_scores_are_taken_as_they_are(scale, score, tmp_path):
    assert not problems(
        tmp_path, "id,x1,x2,x3\n1,15,16,17\n2,20,19,18\n", "x1: {}, x2: {}, x3: {}",
        f"scales: {{s: {scale}}}\ninformants: {{client: {{alliance: s}}}}",
    ).startswith("t.csv,")  # fmt: skip
    assert clean(load_study(tmp_path)).dyads["s"][0] == score


def test_a_score_beyond_its_form_is_refused(tmp_path):
    more = "scales: {s: {form: WAI-SR, scored: true, items: x}}"
    assert "WAI-SR goes from 12 to 60" in problems(tmp_path, "id,x\n1,61\n2,12\n", "x: {}", more)


@pytest.mark.parametrize(
    ("data", "more", "told"),
    [
        ("id,x,rater\n1,2,a\n2,3,b\n", RATED, "column rater: holds 'a', 'b'"),
        ("id,x,rater\n1,2,a\n2,3,a\n", RATED, ""),
        ("id,x,rater\n1,2,a\n2,3,b\n", "", "names no alliance rating"),
        ("id,x,rater\n1,,a\n2,,a\n", RATED, "column x: has no answer"),
        ("id,x,rater\n1,2,a\n2,3,a\n",
         "informants: {client: {alliance: x}, case_manager: {alliance: rater}}", ""),
        ("id,x,rater," + ",".join(f"q_{i}" for i in range(9)) + "\n1,2,a" + ",1" * 9 + "\n",
         RATED, "in no scale: q_0 to q_8 (9)"),
    ],
)  # fmt: skip
def test_what_is_warned_of(data, more, told, tmp_path):
    variables = "x: {type: number}, rater: {type: category}"
    table = 'key: [id], ignore: ["q_*"]'
    if "alliance: rater" in more:
        variables, data = "x: {}, rater: {}", data.replace("a", "5").replace("r5ter", "rater")
        told = "column x: has no range"
    found = problems(tmp_path, data, variables, more, table)
    assert told in found
    assert ("Warning" in found) == bool(told)


@pytest.mark.parametrize(
    ("ids", "groups"),
    [
        (["Dr. Anna Müller", "müller, anna dr", "Dr. Anna Mueller", "T 1", "T2", "T12", "Weber"],
         [[0, 1, 2]]),
        (["T01", "T1", "t1", "T 1", "T-01", "T10", "T11"], [[0, 1, 2, 3, 4]]),
        (["Bär", "BAER", "Ba\u0308r", "1-11", "11-1", "José", "Jose"], [[0, 1, 2], [5, 6]]),
        ([f"Therapist {x}" for x in "ABCDEFGHIJKLMNOPQRSTUVW"], []),
        ([f"Therapist{x}" for x in "ABC"] + ["A. Schmidt", "B. Schmidt"], []),
        ([f"Kollege{x}" for x in "abcdefghijklmnopqrstuvw"], [[*range(23)]]),
    ],
)  # fmt: skip
def test_names_spelled_differently_are_listed(ids, groups, tmp_path):
    data = "id,th,x\n" + "".join(f'{i},"{t}",{i}\n' for i, t in enumerate(ids))
    (tmp_path / "t.csv").write_text(data)
    (tmp_path / "codebook.yml").write_text(MANAGED.format("th: {type: id}, x: {}", RATED))
    told = [note for note in check(tmp_path)[1] if "one person's" in note]
    same = "; ".join(" = ".join(repr(ids[i]) for i in group) for group in groups)
    assert [f"one person's: {same}. If so" in note for note in told] == [True] * bool(groups)


CLINICS = "id,site,th,x\n" + "".join(f"{i},{'AB'[i % 2]},{i % 6 // 2},{i}\n" for i in range(24))


@pytest.mark.parametrize(
    ("data", "th", "told"),
    [
        (CLINICS, "", "column th: 3 of 3 ids stand in several of 'site' (0, 1, 2)"),
        (CLINICS, ", within: site", ""),
        (CLINICS, ", within: x", "name ids or categories"),
        (CLINICS, ", within: th", "name ids or categories"),
        (CLINICS, ", within: there", "name ids or categories"),
        (CLINICS.replace("3,B,", "3,,"), ", within: site",
         "rows 5, 15, 25, column th: found '1', '0', '2'; counts within site, which is blank"),
        (CLINICS.replace(",2,", ",02,", 1), ", within: site", "'A / 02' = 'A / 2'."),
        (CLINICS.replace(",2,", ",02,", 1), ", within: site, values: {\"02\": 2}", ""),
        (CLINICS.replace(",2,", ",02,", 1), ", within: site, values: {A / 02: A / 2}", ""),
    ],
)  # fmt: skip
def test_an_id_counts_within_each_site(data, th, told, tmp_path):
    (tmp_path / "t.csv").write_text(data)
    text = MANAGED.replace("case_manager: th", "case_manager: th, site: site")
    variables = f"site: {{type: category}}, th: {{type: id{th}}}, x: {{}}"
    (tmp_path / "codebook.yml").write_text(text.format(variables, RATED))
    found, notes = check(tmp_path)
    if told:
        assert told in "\n".join(map(str, [*found, *notes]))
    else:
        assert not [note for note in [*found, *notes] if "column th" in str(note)]
        made = clean(load_study(tmp_path))
        assert {*made.dyads["th"]} == {f"{s} / {t}" for s in "AB" for t in "012"}
        assert made.log["rule"].eq("counts within site").sum() == 24


def test_an_id_counts_alike_in_every_table(tmp_path):
    text = SMALL.format("site: {type: category}, th: {type: id, within: site}, x: {}", RATED)
    other = "  u: {file: u.csv, key: [id], variables: {id: {type: id}, th: {type: id}}}\n"
    text = text.replace("client: id}", "client: id, case_manager: th}")
    with pytest.raises(CodebookError, match="'th' counts within other variables here than in"):
        parse_codebook(text.replace("informants", other + "informants"))


def test_clients_that_each_therapist_numbers(tmp_path):
    """The remedy that is told settles it."""
    (tmp_path / "t.csv").write_text(
        "id,th,x\n" + "".join(f"{i // 6},T{i % 6},{i}\n" for i in range(24))
    )
    text = MANAGED.format("th: {type: id}, x: {}", RATED)
    (tmp_path / "codebook.yml").write_text(text)
    told = str(check(tmp_path)[0][0])
    assert "if each 'th' counts its own, `within: th` of 'id'" in told
    text = text.replace("id: {type: id}", "id: {type: id, within: th}", 1)
    (tmp_path / "codebook.yml").write_text(text)
    assert len(clean(load_study(tmp_path)).dyads) == 24


@pytest.mark.parametrize(
    ("codes", "told", "settled"),
    [
        ([1, 2, 3, 4, 5, 0, 0], "`missing: [0]`; if they are answers", "missing: [0]"),
        ([1, 2, 3, 4, 5, 6, 8, 8], "`missing: [6, 8]`; if they are answers", "missing: [6, 8]"),
        ([0, 0, 1, 2, 3, 4], "`missing: [0]`; if answers count from 0, `values: {0: 1, 1: 2, 2:",
         "values: {0: 1, 1: 2, 2: 3, 3: 4, 4: 5}"),
        ([1, 2, 3, 4, 5, 6], "Correct the value, or list it as a missing code", "missing: [6]"),
    ],
)  # fmt: skip
def test_codes_beside_the_answers_have_one_remedy(codes, told, settled, tmp_path):
    data = "id,x\n" + "".join(f"{i},{code}\n" for i, code in enumerate(codes))
    assert told in problems(tmp_path, data, "x: {type: integer, range: [1, 5]}", RATED)
    assert "x" not in problems(tmp_path, data, f"x: {{range: [1, 5], {settled}}}", RATED).split()


def test_a_form_that_is_its_twin_by_its_items(tmp_path):
    """Nobody answers above 5; the remedy that is told settles it, both ways."""
    x = np.random.default_rng(4).integers(0, 3, (60, 1)) + np.arange(60)[:, None] % 2 + 1
    x = np.clip(x + np.random.default_rng(5).integers(0, 2, (60, 12)), 1, 5)
    x[:, [3, 9]] = 6 - x[:, [3, 9]]
    names = [f"x{i}" for i in range(1, 13)]
    frame = pd.DataFrame(x, columns=names).rename_axis("id")
    variables = '"x{1..12}": {type: integer, range: [1, 5]}'
    for right, wrong in (("WAI-S", "WAI-SR"), ("WAI-SR", "WAI-S")):
        forms = [f'scales: {{s: {{form: {f}, items: "x{{1..12}}"}}}}\n' for f in (wrong, right)]
        more = [form + RATED.replace("x}", "s}") for form in forms]
        told, settled = (problems(tmp_path, frame.to_csv(), variables, text) for text in more)
        assert "against the others: x4, x10" in told
        assert f"`form: {right}`" in told
        assert "against" not in settled
        frame[["x4", "x10"]] = 6 - frame[["x4", "x10"]]


@pytest.mark.parametrize(
    ("ids", "told"),
    [
        (["TEST", "test2", "Test Patient", "K001", "K002", "K003", "Testa"],
         ["TEST", "test2", "Test Patient"]),
        (["test 1", "test 2", "test 3"], []),
    ],
)  # fmt: skip
def test_trials_of_the_form_are_told_where_most_ids_are_none(ids, told, tmp_path):
    data = "id,x\n" + "".join(f"{i},{n}\n" for n, i in enumerate(ids))
    found = problems(tmp_path, data, "x: {}", RATED)
    assert [i for i in ids if repr(i) in found] == told
    assert ("trials of the form" in found) == bool(told)


def test_an_item_that_its_name_calls_reversed_is_told_until_settled(tmp_path):
    names = [f"x{i}" for i in range(1, 13)]
    names[3] = "x4_r"
    data = (
        "id,"
        + ",".join(names)
        + "\n"
        + "".join(f"{i}" + f",{i % 7 + 1}" * 12 + "\n" for i in range(30))
    )
    scale = "scales: {{s: {{form: WAI-S, items: [{}]{}}}}}\ninformants: {{client: {{alliance: s}}}}"
    variables = ", ".join(f"{n}: {{range: [1, 7]}}" for n in names)
    told = {
        line: problems(tmp_path, data, variables, scale.format(", ".join(names), line))
        for line in ("", ", reversed: raw", ", reversed: [x4_r]", ", reversed: done")
    }
    assert "by their names they are so already: x4_r" in told[""]
    assert "since against the others: x4_r, x10" in told[", reversed: raw"]
    assert "since against the others: x10." in told[", reversed: [x4_r]"]
    assert "Warning" not in told[", reversed: done"]
    assert clean(load_study(tmp_path)).codebook.scales["s"].keys["goal"] == (4, 6, 10, 11)
    with pytest.raises(CodebookError, match="none of its items"):
        parse_codebook(SMALL.format("x1: {}", "scales: {s: {items: [x1], reversed: [y]}}"))


TWO = """
study: {title: T, client: id}
tables:
  t:
    file: t.xlsx
    key: [id]
    variables: {id: {type: id}, day: {type: date, format: "%d.%m.%Y"}}
  s: {file: s.sav, key: [id], variables: {id: {type: id}, x: {}}}
"""


def test_dates_of_a_workbook_beside_text_and_codes_of_spss_that_are_text(tmp_path):
    workbook = openpyxl.Workbook()
    for row in (["id", "day"], [1, pd.Timestamp("2024-03-02")], [2, "04.03.2024"]):
        workbook.active.append(row)
    workbook.active.row_dimensions[3].hidden = True
    workbook.save(tmp_path / "t.xlsx")
    pyreadstat.write_sav(
        pd.DataFrame({"id": ["1", "2"], "x": ["99", "3"]}), tmp_path / "s.sav",
        missing_ranges={"x": ["99"]},
    )  # fmt: skip
    (tmp_path / "codebook.yml").write_text(TWO)
    dyads = clean(load_study(tmp_path)).dyads
    assert [d.day for d in dyads["day"]] == [2, 4]
    assert "read though the sheet hides it: row 3" in " ".join(check(tmp_path)[1])
    assert dyads["x"].isna().to_list() == [True, False]


def test_a_case_manager_that_a_dyad_tells_twice_is_refused(tmp_path):
    text = SMALL.format("th: {type: id}, x: {}", "").replace(
        "client: id}", "client: id, case_manager: th}"
    )
    rated = "row: rating, informant: {column: who, client: c, case_manager: t}, key"
    (tmp_path / "codebook.yml").write_text(text.replace("key", rated, 1))
    (tmp_path / "t.csv").write_text("id,who,th,x\n1,c,A,1\n1,t,B,2\n2,c,,3\n2,t,B,4\n")
    with pytest.raises(
        DataError, match="row 3, column th: found 'B'; other rows of the same client"
    ):
        load_study(tmp_path)


def test_a_study_without_a_rating_is_not_run(tmp_path):
    problems(tmp_path, "id,x\n1,\n2,\n", "x: {}", RATED)
    for text, told in (("x: {}", "has no answer"), ("x: {type: category}", "no alliance rating")):
        (tmp_path / "codebook.yml").write_text(SMALL.format(text, RATED if "{}" in text else ""))
        with pytest.raises(DataError, match=told):
            checked_study({"data": str(tmp_path)})
