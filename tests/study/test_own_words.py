"""The report speaks of a study's own informants, not of this study's."""

import pytest

from alliance_helpers.claims.rules import read_rules
from alliance_helpers.paths import RAW
from alliance_helpers.study.codebook import own_words
from alliance_helpers.study.read_codebook import parse_codebook, read_codebook

BOOK = """
study: {{title: Ward, client: id, case_manager: by}}
tables:
  t:
    file: t.csv
    key: [id]
    variables: {{id: {{type: id}}, by: {{type: id, label: {id_label}}}, x: {{label: Client Check}}, y: {{}}}}
informants: {{client: {{label: {client}, alliance: x}}, case_manager: {{alliance: y{manager}}}}}
"""  # noqa: E501


def book(client="Inpatient", manager=", label: Counsellor", id_label="Key"):
    return parse_codebook(BOOK.format(client=client, manager=manager, id_label=id_label))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Older case managers rate lower", "Older counsellors rate lower"),
        ("Case manager: r, a client's view", "Counsellor: r, an inpatient's view"),
        ("clients and case managers'", "inpatients and counsellors'"),
        ("Client Check by the client", "Client Check by the inpatient"),
        ("clientele", "clientele"),
        ("45 case managers of Neale (1995)", "45 case managers of Neale (1995)"),
    ],
)
def test_words(text, told):
    assert own_words(text, book()) == told


def test_an_id_names_those_who_did_not_rate():
    made = book(manager="", id_label="GP number")
    assert own_words("a case manager of clients", made) == "a GP of inpatients"


def test_words_are_made_safe_and_are_no_patterns():
    made = book(client="'<b>\\1'")
    assert own_words("the client", made, lambda w: w.replace("<", "&lt;")) == "the &lt;b>\\1"


def test_claims_speak_of_the_study(tmp_path):
    own = [c.text for c in read_rules(book=book()).claims]
    assert not [text for text in own if "case manager" in text.lower() or "client" in text.lower()]
    assert "Older counsellors rate the alliance lower" in own
    shipped = [c.text for c in read_rules().claims]
    assert [c.text for c in read_rules(data=RAW, book=read_codebook()).claims] == shipped


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("Wife", "the wives' views"),
        ("Deputy", "the deputies' views"),
        ("Boss", "the bosses' views"),
    ],
)
def test_several_of_them(word, told):
    assert own_words("the clients' views", book(client=word)) == told
