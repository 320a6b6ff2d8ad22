"""Two ratings by unlike forms are put on one scale before one is taken from the other."""

import numpy as np
import pandas as pd
import pytest

from alliance_helpers.claims.views import agreement_by_subscale, overview, ratings
from alliance_helpers.cohorts.simulate import simulate_study
from alliance_helpers.models.agreement import agreement
from alliance_helpers.study.clean import clean
from alliance_helpers.study.load import Study
from alliance_helpers.study.read_codebook import parse_codebook

pytestmark = pytest.mark.filterwarnings("ignore:Item")
BOOK = """
study: {{title: Two forms, client: id}}
tables:
  t:
    file: t.csv
    key: [id]
    variables:
      id: {{type: id}}
      sex: {{type: category, values: [female, male]}}
      rare: {{type: number}}
      "c{{1..12}}": {{type: integer, range: [1, 7]}}
      "m{{1..12}}": {{type: integer, range: [1, 7]}}
scales:
  c: {{form: {client}, items: "c{{1..12}}", informant: client}}
  m: {{form: WAI-S, items: "m{{1..12}}", informant: case_manager}}
derived: {{male: {{from: sex, is: male}}}}
informants: {{client: {{alliance: c}}, case_manager: {{alliance: m}}}}
"""


def cleaned(client, book=BOOK):
    rng = np.random.default_rng(3)
    high = 5 if client == "WAI-SR" else 7
    items = {f"c{i}": rng.integers(1, high + 1, 40) for i in range(1, 13)}
    items |= {f"m{i}": rng.integers(1, 8, 40) for i in range(1, 13)}
    frame = pd.DataFrame({"id": [f"p{i}" for i in range(40)], **items})
    frame["sex"] = ["male"] * 3 + ["female"] * 37
    frame["rare"] = [1.5, 2.5, 3.5] + [None] * 37
    return clean(Study({"t": frame}, parse_codebook(book.format(client=client)), "a test"))


def test_unlike_forms_become_percentages():
    made = cleaned("WAI-SR")
    client, manager, _ = ratings(made.dyads, made.codebook)
    assert client.to_numpy() == pytest.approx((made.dyads["c"] - 12) / 48 * 100)
    assert manager.to_numpy() == pytest.approx((made.dyads["m"] - 12) / 72 * 100)
    assert "%" in made.codebook.rating_unit
    bond, _, _ = ratings(made.dyads, made.codebook, "bond")
    assert bond.to_numpy() == pytest.approx((made.dyads["c_bond"] - 4) / 16 * 100)
    table = agreement_by_subscale(made.dyads, made.codebook).set_index(["subscale", "statistic"])
    bias = table.loc[("total", "bias"), "estimate"]
    assert bias == pytest.approx(client.mean() - manager.mean())


def test_like_forms_stay_sums():
    made = cleaned("WAI-S")
    client, _, _ = ratings(made.dyads, made.codebook)
    assert client.equals(made.dyads["c"])
    assert made.codebook.rating_unit == "alliance rating (sum of items)"


def test_the_shipped_ratings_stay_sums():
    made = clean(simulate_study(n_clients=60, seed=2))
    client, manager, groups = ratings(made.dyads, made.codebook)
    assert client.equals(made.dyads["client_alliance"])
    assert agreement(client, manager, groups).loc["bias", "estimate"] == pytest.approx(
        (client - manager).mean()
    )


def test_an_item_of_a_scale_can_be_a_rating():
    book = BOOK.replace("case_manager: {{alliance: m}}", "case_manager: {{alliance: m3}}")
    made = cleaned("WAI-SR", book)
    assert "m4" not in made.dyads
    assert ratings(made.dyads, made.codebook)[1].notna().all()


def test_the_summary_of_dyads_tells_no_small_count():
    terms = set(overview(cleaned("WAI-SR")).dyads["term"])
    assert {"c", "m", "c_bond"} <= terms
    assert not {"male", "rare"} & terms
