import json

import pytest
from jsonschema import Draft202012Validator

from alliance_helpers.codebook import (
    draft_codebook,
    dyad_variables,
    expand,
    parse_codebook,
    read_codebook,
)
from alliance_helpers.codebooks.yaml_text import load_yaml
from alliance_helpers.errors import CodebookError
from alliance_helpers.paths import CODEBOOK, DATA

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
