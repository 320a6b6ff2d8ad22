import numpy as np
import pandas as pd
import pytest
from nested_data import FIVE, nested, numbers

from alliance_helpers.errors import NotEstimableError, ParameterError
from alliance_helpers.models.robust import cluster_block_test, cluster_robust

REFERENCE = numbers("nesting")
COLUMN = {
    "ols_estimate": "estimate",
    "cr2_std_error": "std_error",
    "cr2_df": "df",
    "cr2_p_value": "p_value",
}


@pytest.mark.parametrize("name", FIVE)
def test_agrees_with_clubsandwich(name):
    y, X, groups, block = nested(name)
    table = cluster_robust(y, X, groups).set_index("term")
    test = cluster_block_test(y, X, groups, block).iloc[0]
    expected = REFERENCE[REFERENCE["dataset"] == name]
    checked = 0
    for _, row in expected.iterrows():
        if row["statistic"] in COLUMN:
            ours = table.loc[row["term"], COLUMN[row["statistic"]]]
        elif row["statistic"].startswith("htz_"):
            ours = test[row["statistic"].removeprefix("htz_")]
        else:
            continue
        # Both are closed forms: they differ by rounding, which a p value of 1e-17 magnifies.
        assert ours == pytest.approx(row["value"], rel=1e-8, abs=1e-15), tuple(row)
        checked += 1
    assert checked >= 8


def test_one_term_block_is_its_t_test():
    y, X, groups, _ = nested("TeachingRatings")
    single = cluster_robust(y, X, groups).set_index("term").loc["beauty"]
    block = cluster_block_test(y, X, groups, ["beauty"]).iloc[0]
    assert block["f"] == pytest.approx(single["statistic"] ** 2, rel=1e-10)
    assert block["df2"] == pytest.approx(single["df"], rel=1e-10)
    assert block["p_value"] == pytest.approx(single["p_value"], rel=1e-8)


def test_rows_with_holes_are_dropped_and_order_does_not_matter():
    y, X, groups, _ = nested("Orthodont")
    rng = np.random.default_rng(1)
    shuffled = rng.permutation(len(y))
    plain = cluster_robust(y, X, groups)
    mixed_up = cluster_robust(y.iloc[shuffled], X.iloc[shuffled], groups.iloc[shuffled])
    # Shuffling changes the order of sums alone.
    pd.testing.assert_frame_equal(plain, mixed_up, rtol=1e-10)
    holed = y.astype(float).copy()
    holed.iloc[[3, 50]] = np.nan
    kept = holed.notna().to_numpy()
    pd.testing.assert_frame_equal(
        cluster_robust(holed, X, groups), cluster_robust(y[kept], X[kept], groups[kept])
    )
    assert cluster_robust(holed, X, groups)["n"].eq(106).all()


def _study(seed=1, n=60, J=12):
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 3)), columns=["age", "bond", "days"])
    return rng.normal(size=n), X, np.arange(n) % J


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y, X, g: (y, X.assign(age=7.1), g), "'age' has the same value in all 60"),
        (
            lambda y, X, g: (y, X.assign(days=X["age"] + 2 * X["bond"]), g),
            "'days' is a linear comb",
        ),
        (lambda y, X, g: (y, X, g * 0), "belong to one group"),
        (lambda y, X, g: (y[:4], X[:4], g[:4]), "4 complete rows for the intercept and 3 terms"),
        (lambda y, X, g: (y, X.assign(bond=np.nan), g), r"0 complete rows \(60 rows with missing"),
        (lambda y, X, g: (y * 0 + 3, X, g), "does not vary"),
        (lambda y, X, g: (X["age"] + X["bond"], X, g), "fit it perfectly"),
        (lambda y, X, g: (y, X.assign(age=(g == 3) * 1.0), g), "'age' rests on too few groups"),
    ],
)
def test_what_cannot_be_estimated_says_why(change, message):
    with pytest.raises(NotEstimableError, match=message):
        cluster_robust(*change(*_study()))


def test_wrong_arguments():
    y, X, groups = _study()
    with pytest.raises(ParameterError, match="same number of rows: 59, 60 and 60"):
        cluster_robust(y[1:], X, groups)
    with pytest.raises(ParameterError, match="not a number"):
        cluster_robust(y, X.assign(age="old"), groups)
    with pytest.raises(ParameterError, match="infinite"):
        cluster_robust(y, X.assign(age=np.inf), groups)
    with pytest.raises(ParameterError, match=r"\['rapport'\] are not in the model"):
        cluster_block_test(y, X, groups, ["rapport"])


def test_groups_of_one_row_reduce_to_hc2():
    y, X, _ = _study()
    table = cluster_robust(y, X, np.arange(60))
    D = np.column_stack([np.ones(60), X])
    bread = np.linalg.inv(D.T @ D)
    leverage = np.einsum("ij,jk,ik->i", D, bread, D)
    residual = y - D @ bread @ D.T @ y
    hc2 = bread @ (D.T * (residual**2 / (1 - leverage))) @ D @ bread
    np.testing.assert_allclose(table["std_error"], np.sqrt(np.diag(hc2)), rtol=1e-10)
