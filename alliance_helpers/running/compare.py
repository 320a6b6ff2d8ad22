"""Two runs, or two batches, side by side: what differs, and which difference each of it comes from.

Causes are found by rerunning: run A with one difference at a time taken over from run B. Runs of
batches are too many for that; those of the same parameters are set side by side instead.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from .. import paths
from ..claims.rules import ROW
from ..errors import AllianceError, ParameterError, listed
from ..pages.printing import counted, rendered, word
from ..pages.report import Run, read_run
from . import plan as plans
from .batch import PLAN, changes
from .parameters import PLACES, absolute_places

JOINT = "several together"
UNEXPLAINED = "not found by rerunning here: versions of the kit or its libraries, or data not there"
NOT_RERUN = "one or several of the differences (only the quick analyses are rerun)"
MANY = 24  # differences within one part of the plan that are still told apart
SMALL = 1e-9


@dataclass(frozen=True)
class Comparison:
    """What differs between two runs or batches, each difference with its cause.

    `causes` are the differences in what was asked, each with what it changes by itself; `estimates`
    is in how many rows of findings.csv an estimate or n differs.
    """

    one: str
    other: str
    causes: list[dict]
    verdicts: list[dict]
    estimates: int
    tables: list[str] = field(default_factory=list)

    def text(self) -> str:
        """All of it, for a terminal."""
        return rendered("compare.txt.j2", it=self, word=word)

    def html(self) -> str:
        """All of it, as a page complete in itself."""
        return rendered("compare.html.j2", it=self, word=word)


def compare(one: str | Path, other: str | Path) -> Comparison:
    """What differs between two runs or two batches, and why.

    Parameters
    ----------
    one, other : path
        What `alliance run` wrote, or `alliance batch`, of the same study.

    Raises
    ------
    ParameterError
        One is neither, or failed, or has no findings; the runs are of unlike studies.
    """
    batches = [(Path(folder) / PLAN).is_file() for folder in (one, other)]
    if all(batches):
        return _of_batches(Path(one), Path(other))
    if any(batches):
        raise ParameterError(f"Of {one} and {other} one is a batch, the other is not.")
    a, b = read_run(one), read_run(other)
    if plans.unlike(a.plan, b.plan):
        raise ParameterError(
            f"{one} and {other} are runs of unlike studies: most columns are others."
        )
    causes = causes_of(a, b)
    found, other_found = (plans.by_row(run.findings) for run in (a, b))
    rerun = _reruns(a, b, causes) if causes else {}
    everything = rerun.pop("", None)
    for cause in causes:
        alone = rerun.get(cause["place"])
        cause["alone"] = "" if alone is None else _changed(found.loc[alone.index], alone)
    rows = plans.side_by_side(found, other_found)
    flipped = rows[rows["verdict"] != rows["verdict_other"]]
    verdicts = [
        dict(zip(ROW, key, strict=True))
        | {"one": row["verdict"], "other": row["verdict_other"]}
        | {"cause": _blamed(key, row["verdict_other"], causes, rerun, everything)}
        for key, row in flipped.iterrows()
    ]
    digests = [{n: paths.sha256(p) for n, p in run.tables.items()} for run in (a, b)]
    tables = sorted({n for n, _ in digests[0].items() ^ digests[1].items()})
    return Comparison(str(one), str(other), causes, verdicts, int(_moved(rows).sum()), tables)


def causes_of(a: Run, b: Run) -> list[dict]:
    """Each difference in what two runs were asked: `place one other`, "" for nothing."""
    causes, parts = [], list(plans.differences(a.plan, b.plan))
    for part in dict.fromkeys(place[0] for place, _, _ in parts):
        inside = [found for found in parts if found[0][0] == part]
        if len(inside) > MANY:
            inside = [((part,), f"{len(inside)} differences", "")]
        causes += [{"place": " > ".join(p), "one": x, "other": y, "at": p} for p, x, y in inside]
    if plans.data_of(a.about["inputs_sha256"]) != plans.data_of(b.about["inputs_sha256"]):
        causes.append({"place": "data", "one": "its rows", "other": "other rows", "at": ("data",)})
    mine, theirs = (run.about["versions"] for run in (a, b))
    causes += [
        {"place": f"versions > {name}", "one": x, "other": y, "at": ("kit",)}
        for name in {**mine, **theirs}
        if (x := mine.get(name, "")) != (y := theirs.get(name, ""))
    ]
    return causes


def _moved(rows: pd.DataFrame) -> pd.Series:
    """Where an estimate or n is not the same on both sides."""
    mine, theirs = (rows[[f"{c}{end}" for c in plans.VALUES[1:]]].astype(float).to_numpy()
                    for end in ("", "_other"))  # fmt: skip
    same = np.isclose(mine, theirs, rtol=0, atol=SMALL, equal_nan=True)
    return pd.Series(~same.all(axis=1), rows.index)


def _changed(one: pd.DataFrame, other: pd.DataFrame) -> str:
    """How much differs between two tables of findings, in words."""
    rows = plans.side_by_side(one, other)
    verdicts = int((rows["verdict"] != rows["verdict_other"]).sum())
    return f"{verdicts} verdicts, {int(_moved(rows).sum())} estimates or n"


def _reruns(a: Run, b: Run, causes: list[dict]) -> dict[str, pd.DataFrame]:
    """Findings of run A with each difference taken over by itself, and with all of them ("")."""
    asked = [absolute_places(run.about["parameters"]) for run in (a, b)]
    there = [_still_there(run, parameters) for run, parameters in zip((a, b), asked, strict=True)]
    asking = {
        cause["place"]: (plans.with_one(a.plan, b.plan, cause["at"]), 0)
        for cause in causes
        if cause["at"][0] not in plans.OUTSIDE
    }
    asking |= {"data": (a.plan, 1)} if any(c["place"] == "data" for c in causes) else {}
    asking |= {"": (b.plan, 1)} | {c["place"]: (a.plan, 0) for c in causes if c["at"] == ("kit",)}
    found = {}
    for place, (plan, whose) in asking.items():
        if there[whose]:
            try:
                found[place] = plans.by_row(plans.findings_of(plan, asked[whose]))
            except AllianceError:  # the one without the other makes no study
                continue
    return found


def _still_there(run: Run, parameters: Mapping[str, object]) -> bool:
    """Whether the data of a run are as they were."""
    try:
        return plans.data_there(parameters) == plans.data_of(run.about["inputs_sha256"])
    except (AllianceError, OSError):
        return False


def _blamed(key: tuple, verdict: str, causes: list, rerun: dict, everything) -> str:
    """The cause of one verdict that differs."""
    if len(causes) == 1:
        return causes[0]["place"]
    known = [rows for rows in (everything, *rerun.values()) if rows is not None]
    if known and not any(key in rows.index for rows in known):
        return NOT_RERUN
    said = {place: rows["verdict"].get(key, "") for place, rows in rerun.items()}
    own = [place for place, found in said.items() if found == verdict]
    together = everything is not None and everything["verdict"].get(key, "") == verdict
    return " or ".join(own) if own else JOINT if together else UNEXPLAINED


def _batch(folder: Path) -> tuple[dict[str, str], pd.DataFrame, pd.DataFrame]:
    """A batch's fingerprint, what each of its runs was asked, and their findings."""
    try:
        plan = plans.unsealed((folder / PLAN).read_text("utf-8", "replace"))
        runs = pd.read_csv(folder / "runs.csv", dtype=str, keep_default_na=False)
        found = pd.read_parquet(folder / "findings.parquet")
    except (OSError, ValueError):
        plan = None
    if plan is None:
        raise ParameterError(f"The batch in {folder} is damaged, or has no findings.")
    asked = runs.set_index("run").loc[:, :"status"].drop(columns="status")
    one = [c for c in asked if c in PLACES and asked[c].nunique() == 1]  # the plan says what
    told = asked.drop(columns=one).apply(
        lambda run: json.dumps(run[run != ""].to_dict(), sort_keys=True), axis=1
    )
    found = found.assign(asked=found["run"].astype(str).map(told))
    return plan, asked, found.set_index(["asked", *ROW])[plans.VALUES]


def _of_batches(one: Path, other: Path) -> Comparison:
    """Verdicts claim by claim; runs of the same parameters differ by what they depend on alone."""
    (plan, asked, rows), (other_plan, other_asked, other_rows) = map(_batch, (one, other))
    if not set(rows.droplevel(0).index) & set(other_rows.droplevel(0).index):
        raise ParameterError(f"{one} and {other} are of unlike studies: they share no claim.")
    grid = []
    for name in dict.fromkeys([*asked, *other_asked]):
        values = [sorted(set(side.get(name, ()))) for side in (asked, other_asked)]
        if values[0] != values[1]:
            x, y = (listed(v, most=5) for v in values)
            grid.append({"place": f"the grid > {name}", "one": x, "other": y})
    causes = [{"place": c, "one": "", "other": ""} for c in changes(plan, other_plan)]
    causes = [c for c in causes if not c["place"].startswith("the grid")]
    rows = plans.side_by_side(rows, other_rows)
    alone = (rows["verdict"] == "") | (rows["verdict_other"] == "")  # a run of one batch only
    flipped = ~alone & (rows["verdict"] != rows["verdict_other"])
    verdicts = []
    for key, mine in rows.groupby(ROW, sort=False):
        turned = int(flipped[mine.index].sum())
        sides = [mine[c][mine[c] != ""] for c in ("verdict", "verdict_other")]
        x, y = (side.value_counts(normalize=True).sort_index() for side in sides)
        if not x.equals(y) or turned:
            why = [f"runs of the same parameters, {turned}: {_any(causes)}"] * bool(turned)
            why += [f"other runs: {_any(grid)}"] * bool(alone[mine.index].any())
            told = [f"{counted(side) or 'none'} of {len(side)}" for side in sides]
            about = {"one": told[0], "other": told[1], "cause": "; ".join(why)}
            verdicts.append(dict(zip(ROW, key, strict=True)) | about)
    moved = int(_moved(rows[~alone]).sum())
    return Comparison(str(one), str(other), grid + causes, verdicts, moved)


def _any(causes: list[dict]) -> str:
    return " or ".join(c["place"] for c in causes) or UNEXPLAINED
