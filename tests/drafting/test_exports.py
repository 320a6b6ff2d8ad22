"""Files as people have them: the draft gives the right numbers, or asks."""

import pandas as pd
import pytest
from exports_made import ASKED, EXACT, totals, truth

from alliance_helpers.drafting.describe import describe
from alliance_helpers.study.clean import clean
from alliance_helpers.study.load import check, load_study
from alliance_helpers.study.read_codebook import parse_codebook

RATINGS = {"c": "client_alliance", "t": "case_manager_alliance"}


def drafted(folder):
    """The draft of a folder as it stands, and the totals and dyads that it gives."""
    text = describe(folder)
    book = parse_codebook(text)
    problems = check(folder, book)[0]
    assert not problems, "\n".join(map(str, [*problems, text]))
    dyads = clean(load_study(folder, book)).dyads
    who = {"c": "client", "t": "case_manager"}
    ratings = {k: book.informants[r]["alliance"] for k, r in who.items() if r in book.informants}
    found = dyads[[*ratings.values()]].set_axis([*ratings], axis=1)
    return text, book, found.set_axis(dyads[book.client].astype(str), axis=0), dyads


@pytest.mark.parametrize("made", [*EXACT, *ASKED], ids=lambda made: made.__name__)
def test_the_draft_gives_the_right_totals_or_asks(made, tmp_path):
    data = truth()
    made(tmp_path, data)
    text, book, found, _ = drafted(tmp_path)
    assert text.startswith("# Shape: ")
    asked = "QUESTION: " in text
    assert asked or made in EXACT, text
    wanted = totals(data)
    pd.testing.assert_frame_equal(
        found.loc[wanted.index, ["c", "t"]], wanted, check_names=False, check_index_type=False
    )
    assert book.case_manager is not None, text
    predictors = {name for names in book.blocks.values() for name in names}
    assert not predictors & {book.case_manager, book.client, "seed", "Progress"}
