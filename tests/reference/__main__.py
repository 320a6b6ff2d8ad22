"""How closely the kit agrees with R: `python tests/reference` prints it, statistic by statistic.

Runs the tests that use the numbers of this folder and notes every comparison with one of them.
Whole numbers (counts, plain degrees of freedom) are not counted. `digits` is the worst agreement
among the numbers of a row.
"""

import contextlib
import io
import math
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))  # some tests use `benchmarks`
SCRIPTS = {p.stem: p.read_text(encoding="utf-8") for p in sorted(HERE.glob("*.R"))}
PACKAGES = (
    "psych", "lme4", "nlme", "clubSandwich", "MASS", "pscl", "mice", "BayesFactor", "epiR", "pwr",
    "lmerTest", "pbkrtest", "lavaan",
)  # fmt: skip


def known() -> dict[float, tuple[str, str, str]]:
    """Topic, data set and statistic of every number that is not whole."""
    found = {}
    for path in sorted(HERE.glob("*.csv")):
        table = pd.read_csv(path, keep_default_na=False, dtype={"value": str})
        for row in table.to_dict("records"):
            value = float(row["value"])
            if math.isfinite(value) and value != round(value):
                found[value] = (path.stem, *named(row.get("dataset", ""), row["statistic"]))
    return found


def named(dataset: str, statistic: str) -> tuple[str, str]:
    """The data set without what was done with it, and the statistic without its variable."""
    dataset = re.sub(r"^(truth|surface|stacked)_", "", dataset).split("_")[0]
    return dataset, re.sub(r"^(first|second|difference):.*", "stacked_slope", statistic)


class Compared:
    """Stands in for pytest.approx and numpy's assert_allclose, and takes notes."""

    def __init__(self) -> None:
        self.known, self.rows = known(), {}
        self.approx, self.allclose = pytest.approx, np.testing.assert_allclose

    def note(self, actual, expected) -> None:
        pairs = zip(np.ravel(actual), np.ravel(expected), strict=False)
        for a, e in pairs:
            if isinstance(e, float) and float(e) in self.known and math.isfinite(float(a)):
                off = abs(float(a) - float(e)) / abs(float(e))
                self.rows[float(e)] = max(off, self.rows.get(float(e), 0.0))

    def close(self, actual, desired, *args, **kwargs) -> None:
        self.note(actual, desired)
        self.allclose(actual, desired, *args, **kwargs)

    def near(self, expected, *args, **kwargs):
        outer, inner = self, self.approx(expected, *args, **kwargs)

        class Near:
            __array_ufunc__ = None

            def __eq__(self, actual) -> bool:
                outer.note(actual, expected)
                return inner == actual

            def __repr__(self) -> str:
                return repr(inner)

        return Near()

    def table(self) -> pd.DataFrame:
        rows = [(*self.known[value], off) for value, off in self.rows.items()]
        made = pd.DataFrame(rows, columns=["topic", "dataset", "statistic", "off"])
        digits = -np.log10(made["off"].clip(lower=1e-16))
        groups = made.assign(digits=digits).groupby(["topic", "statistic"], sort=False)
        return groups.agg(
            numbers=("off", "size"), data_sets=("dataset", "nunique"), digits=("digits", "min")
        ).reset_index()


def main() -> int:
    tests = sorted(HERE.parent.rglob("test_*.py"))
    using = [
        str(p) for p in tests if re.search(r"numbers\(|reference|counts_data", p.read_text("utf-8"))
    ]
    compared = Compared()
    pytest.approx, np.testing.assert_allclose = compared.near, compared.close
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = pytest.main(["-q", "-x", "-p", "no:cacheprovider", *using])
    if code:
        sys.stdout.write(said.getvalue())
        return int(code)
    table = compared.table()
    for topic, part in table.groupby("topic", sort=False):
        used = [p for p in PACKAGES if re.search(rf"\b{p}\b", SCRIPTS[str(topic)])]
        sys.stdout.write(f"\n{topic}.R ({', '.join(used) or 'base R'})\n")
        sys.stdout.write(part.drop(columns="topic").to_string(index=False, float_format="%.1f"))
        sys.stdout.write("\n")
    sets = {compared.known[value][1] for value in compared.rows} - {""}
    six = sum(off < 5e-7 for off in compared.rows.values())
    sys.stdout.write(
        f"\n{len(compared.rows):,} numbers on {len(sets)} data sets; {six:,} agree to 6 "
        "significant digits or more.\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
