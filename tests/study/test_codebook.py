import json
from pathlib import Path

import pandas as pd
import pytest
from jsonschema import Draft202012Validator

from alliance_helpers.errors import CodebookError, DataError
from alliance_helpers.paths import CODEBOOK, DATA
from alliance_helpers.study.clean import clean
from alliance_helpers.study.codebook import dyad_variables, expand
from alliance_helpers.study.load import Study
from alliance_helpers.study.read_codebook import draft_codebook, parse_codebook, read_codebook
from alliance_helpers.study.yaml_text import load_yaml

SMALL = """
study: {title: Small, client: id}
tables:
  people:
    file: people.csv
    key: [id]
    variables:
      id: {type: id}
      rated: {type: number, range: [0, 10], label: Rating, unit: points}
      "q_{08..10}": {type: integer, range: [1, 5], column: "Question {8..10}"}
scales:
  score: {items: "q_{08..10}", keys: {a: [1, -2], b: [3]}, label: Score, unit: sum}
derived:
  rated_log: {from: rated, log: true}
informants:
  client: {label: Patient, alliance: score}
"""


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("age", ["age"]),
        ("q_{1..3}", ["q_1", "q_2", "q_3"]),
        ("q_{08..10}_x", ["q_08_x", "q_09_x", "q_10_x"]),
        ("q_{3..1}", []),
        ("q_{1..5000}", []),
    ],
)
def test_expand(pattern, names):
    assert expand(pattern) == names


def test_shipped_codebook_fits_its_published_schema():
    schema = json.loads((DATA / "codebook.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    raw = load_yaml(CODEBOOK.read_text(), "codebook.yml")
    assert not list(Draft202012Validator(schema).iter_errors(raw))
    assert CODEBOOK.read_text().startswith("# yaml-language-server: $schema=codebook.schema.json")


def test_small_codebook():
    book = parse_codebook(SMALL)
    variables = book.tables["people"].variables
    assert variables["q_08"].column == "Question 8"
    assert book.scales["score"].limits == (1, 5)
    assert book.scales["score"].keys == {"a": (1, -2), "b": (3,)}
    assert dyad_variables(book) >= {"score", "score_a", "score_b", "rated_log", "rated", "q_10"}
    assert book.describe("rated") == ("Rating", "points")
    assert book.describe("score_a") == ("Score: a", "sum")
    assert book.describe("never heard of") == ("never heard of", "")
    assert book.informant_label("client") == "Patient"


def test_labels_of_occasions():
    book = read_codebook()
    assert book.label("health_sickness_intake") == "Health-sickness (intake)"
    assert book.describe("symptoms") == ("Symptom severity", "BPRS total")


def test_values_may_map_codes():
    text = SMALL.replace(
        "rated: {type: number, range: [0, 10], label: Rating, unit: points}",
        "sex: {type: category, values: {1: female, 2: male}}\n      rated: {type: number}",
    )
    sex = parse_codebook(text).tables["people"].variables["sex"]
    assert sex.values == ("female", "male")
    assert sex.codes == {"1": "female", "2": "male"}


def test_several_problems_come_together():
    text = SMALL.replace("key: [id]", "key: [who]").replace("alliance: score", "alliance: skore")
    book, problems = draft_codebook(text)
    assert book is not None
    assert len(problems) == 3
    with pytest.raises(CodebookError, match="3 problems"):
        parse_codebook(text)


@pytest.mark.parametrize("form", ["WAI-36", "WAI-S", "WAI-SR"])
def test_forms_bring_their_keys_and_responses(form):
    n = {"WAI-36": 36}.get(form, 12)
    text = SMALL.replace("{08..10}", f"{{1..{n}}}").replace('column: "Question {8..10}"', "")
    text = text.replace("range: [1, 5], }", "}").replace(
        "keys: {a: [1, -2], b: [3]}", f"form: {form}"
    )
    scale = parse_codebook(text).scales["score"]
    assert sorted(abs(i) for part in scale.keys.values() for i in part) == list(range(1, n + 1))
    assert scale.limits == ((1, 5) if form == "WAI-SR" else (1, 7))


TWO = """
study: {{title: Two, client: id, case_manager: therapist, site: clinic}}
tables:
  people:
    file: people.csv
    key: [id]
    variables:
      id: {{type: id}}
      therapist: {{type: id}}
      clinic: {{type: {site}}}
      mood: {{type: {kind}}}
      "q_{{1..2}}": {{}}
  others:
    file: others.csv
{others}
      {again}
"""
OTHERS = {
    "clients": "    key: [id]\n    variables:\n      id: {type: id}",
    "case managers": "    row: case_manager\n    key: [therapist]\n    variables:\n"
    "      therapist: {type: id}\n      clinic: {type: category}",
    "sites": "    row: site\n    key: [clinic]\n    variables:\n      clinic: {type: id}",
    "occasions": "    key: [id, wave]\n    occasion: {column: wave, suffix: {a: _a, b: ''}}\n"
    "    variables:\n      id: {type: id}\n      wave: {type: category, values: [a, b]}",
    "stays": "    row: episode\n    key: [id]\n    duplicates: allow\n"
    "    variables:\n      id: {type: id}",
}


def two_tables(others, again, kind="number", site="category"):
    return draft_codebook(TWO.format(others=OTHERS[others], again=again, kind=kind, site=site))[1]


@pytest.mark.parametrize("kind", ["number", "integer", "category", "date", "id"])
@pytest.mark.parametrize("others", ["clients", "case managers", "sites", "occasions"])
def test_a_name_stands_for_one_column_only(others, kind):
    (problem,) = two_tables(others, f"mood: {{type: {kind}, column: Mood 2}}", kind)
    assert problem.file == "codebook.yml"
    for part in ("'mood'", "'Mood 2'", "'people'", "'others'"):
        assert part in problem.what
    assert '`others_mood: {column: "Mood 2"}`' in problem.remedy
    assert two_tables(others, f"others_mood: {{type: {kind}, column: Mood 2}}", kind) == []


@pytest.mark.parametrize(
    "again",
    ['"q_{1..2}": {}', '"q_{2..3}": {column: "item {2..3}"}', "q_1: {}", '"q_{1..2}_a": {}'],
)
def test_items_and_occasions_have_names_of_their_own(again):
    others = "occasions" if "_a" in again else "clients"
    if others == "occasions":  # q_1 at occasion a is q_1_a
        again = '"p_{1..2}": {}\n      ' + again.replace("q_", "p_")
    (problem,) = two_tables(others, again)
    assert "only one of them would be used" in problem.what


@pytest.mark.parametrize("others", OTHERS)
def test_tables_share_the_names_they_are_joined_by(others):
    assert two_tables(others, "x: {}") == []


def test_stays_are_not_in_a_row_of_a_client():
    assert two_tables("stays", "mood: {}") == []


@pytest.mark.parametrize(("site", "wrong"), [("number", True), ("date", True), ("id", False)])
def test_a_link_is_of_one_type(site, wrong):
    problems = two_tables("case managers", "x: {}", site=site)
    assert [f"of type {site} in table 'people'" in p.what for p in problems] == [True] * wrong


@pytest.mark.parametrize("kind", ["number", "category", "id"])
def test_two_tables_must_say_the_same_of_a_link(kind):
    book = parse_codebook(
        TWO.format(others=OTHERS["clients"], again=f"clinic: {{type: {kind}}}", kind="number",
                   site=kind)
    )  # fmt: skip
    people = pd.DataFrame({"id": ["a", "b"], "therapist": ["t", "t"], "clinic": ["1", "2"]})
    people = people.assign(mood="1", q_1="1", q_2="1")
    others = pd.DataFrame({"id": ["a", "b"], "clinic": ["1", "2"]})
    assert len(clean(Study({"people": people, "others": others}, book, "t")).dyads) == 2
    others["clinic"] = ["1", "3"]
    with pytest.raises(DataError, match=r"but people\.csv says"):
        clean(Study({"people": people, "others": others}, book, "t"))


def test_a_column_of_the_same_name_is_used_under_its_own():
    book = parse_codebook(
        TWO.format(
            others=OTHERS["clients"], kind="number", site="category",
            again='mood_2: {column: mood}\n      "r_{1..2}": {column: "q_{1..2}"}',
        )
        + 'scales: {mine: {items: "q_{1..2}"}, theirs: {items: "r_{1..2}"}}\n'
    )  # fmt: skip
    ids = {"id": ["a", "b"]}
    people = pd.DataFrame(ids | {"therapist": ["t", "t"], "clinic": "N", "mood": ["1", "2"]})
    people = people.assign(q_1="1", q_2="2")
    others = pd.DataFrame(ids | {"mood": ["8", "9"], "q_1": ["5", "5"], "q_2": ["6", "7"]})
    dyads = clean(Study({"people": people, "others": others}, book, "t")).dyads
    assert dyads[["mood", "mood_2"]].to_numpy().tolist() == [[1, 8], [2, 9]]
    assert dyads[["mine", "theirs"]].to_numpy().tolist() == [[3, 11], [3, 12]]


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ("derived: {rated: {from: rated, log: true}}", "rated"),
        ("derived: {score: {from: rated, log: true}}", "score"),
        ("derived: {score_a: {from: rated, log: true}}", "score_a"),
        ("scales: {rate: {items: [rated], keys: {d: [1]}}}", "rate_d"),
    ],
)
def test_what_is_made_has_a_name_of_its_own(more, name):
    text = SMALL.replace("rated: {", "rate_d: {}\n      rated: {")
    text = text.replace("derived:\n  rated_log: {from: rated, log: true}\n", "")
    if more.startswith("scales"):
        text, more = text.replace("scales:\n", "scales:\n  " + more[9:-1] + "\n"), ""
    problems = draft_codebook(text + more)[1]
    assert sum(f"{name!r} is " in p.what for p in problems) == 1


def test_every_sentence_of_the_words_is_said():
    from alliance_helpers.study import codebook

    rooms = Path(codebook.__file__).parents[1]
    files = [*rooms.glob("study/*.py"), *rooms.glob("drafting/*.py")]
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    assert not [key for key in codebook.WORDS["say"] if f'"{key}"' not in text]
