"""Two runs side by side: what differs, and which one difference each changed verdict comes from.

Each cause is found by rerunning: run A with one difference at a time taken over from run B.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from .. import paths
from ..errors import AllianceError, ParameterError
from ..pages.printing import rendered, word
from .parameters import absolute_places
from .plan import ROW, differences, findings_of, flips, with_one
from .sequence import input_files

JOINT = "several together"
UNEXPLAINED = "not found by rerunning here: versions of the kit or its libraries, or data not there"
MANY = 24  # differences within one part of the plan that are still told apart
ESTIMATES = ["estimate", "n"]


@dataclass(frozen=True)
class Comparison:
    """What differs between two runs, each difference of a verdict with its cause."""

    one: str
    other: str
    causes: list[dict]
    verdicts: list[dict]
    estimates: int
    tables: list[str]

    def record(self) -> dict:
        """All of it, for JSON."""
        return asdict(self)

    def text(self) -> str:
        """All of it, for a terminal."""
        lines = [f"{self.one} against {self.other}"]
        lines += (
            ["", "What differs in what was asked:"] if self.causes else ["Both asked the same."]
        )
        lines += [f"  {c['place']}: {c['one'] or 'nothing'} -> {c['other'] or 'nothing'}"
                  for c in self.causes]  # fmt: skip
        lines += ["", "Verdicts:"] if self.verdicts else ["No verdict differs."]
        lines += [f"  {v['finding']} {v['claim']} ({word(v['informant'])}), {word(v['analysis'])}: "
                  f"{word(v['one']) or 'none'} -> {word(v['other']) or 'none'}. Cause: {v['cause']}"
                  for v in self.verdicts]  # fmt: skip
        lines += ["", f"Estimates or n that differ: {self.estimates} rows of findings.csv.",
                  f"Tables that differ: {', '.join(self.tables) or 'none'}."]  # fmt: skip
        return "\n".join(lines)

    def html(self) -> str:
        """All of it, as a page complete in itself."""
        return rendered("compare.html.j2", it=self, word=word)


def compare(one: str | Path, other: str | Path) -> Comparison:
    """What differs between two runs, and why.

    Parameters
    ----------
    one, other : path
        What `alliance run` wrote, of the same study.

    Raises
    ------
    ParameterError
        One is no run, or has no findings; the runs are of unlike studies.
    """
    a, b = (_read(Path(run)) for run in (one, other))
    tables = (set(about["plan"]["codebook"].get("tables", {})) for about in (a, b))
    if not set.intersection(*tables):
        raise ParameterError(f"{one} and {other} are runs of unlike studies: no table is the same.")
    causes = _causes(a, b)
    changed = flips(a["findings"], b["findings"])
    blame = _blamed(a, b, causes, changed) if len(changed) else []
    rows = changed.assign(cause=blame).to_dict("records")
    told = [{k: str(v) for k, v in c.items() if k != "swap"} for c in causes]
    shared = _other_estimates(a["findings"], b["findings"])
    return Comparison(
        str(one), str(other), told, rows, shared, _other_tables(Path(one), Path(other))
    )


def _read(run: Path) -> dict:
    """A run's record with its findings."""
    try:
        about = json.loads((run / paths.RUN_FILE).read_text("utf-8"))
        about["plan"]["codebook"], about["inputs_sha256"]
        about["parameters"] = absolute_places(about["parameters"])
        findings = pd.read_csv(run / "findings.csv", dtype={"finding": str})
    except FileNotFoundError as error:
        lost = Path(error.filename).name
        raise ParameterError(f"{run} cannot be compared: it has no {lost}.") from None
    except (ValueError, KeyError, TypeError):
        raise ParameterError(
            f"{run} cannot be compared: its {paths.RUN_FILE} is damaged."
        ) from None
    return about | {"findings": findings}


def _causes(a: Mapping, b: Mapping) -> list[dict]:
    """Each difference in what the two runs were asked, and how to swap it into the first."""
    causes, parts = [], list(differences(a["plan"], b["plan"]))
    for part in dict.fromkeys(place[0] for place, _, _ in parts):
        inside = [found for found in parts if found[0][0] == part]
        if len(inside) > MANY:
            inside = [((part,), f"{len(inside)} differences", "")]
        causes += [
            {"place": " > ".join(place), "one": was, "other": now, "swap": place}
            for place, was, now in inside
        ]
    if _data(a) != _data(b):
        causes.append({"place": "data", "one": "these rows", "other": "other rows", "swap": "data"})
    if a["versions"] != b["versions"]:
        said = [set(map(" ".join, about["versions"].items())) for about in (a, b)]
        told = [", ".join(sorted(mine - its)) for mine, its in (said, said[::-1])]
        causes.append({"place": "versions", "one": told[0], "other": told[1], "swap": None})
    return causes


def _data(about: Mapping) -> dict:
    """Digests of what was read, without codebook and claims, which the plan holds."""
    return {
        name: value
        for name, value in about["inputs_sha256"].items()
        if not name.endswith((".yml", ".yaml", ".json", ".lock"))
    }


def _still_there(about: Mapping) -> bool:
    """Whether the data of a run are as they were."""
    files = {f.name: f for f in input_files(about["parameters"]) if f.is_file()}
    return all(n in files and paths.sha256(files[n]) == v for n, v in _data(about).items())


def _blamed(a: Mapping, b: Mapping, causes: list[dict], changed: pd.DataFrame) -> list[str]:
    """The cause of each changed verdict."""
    found: dict[str, pd.Series] = {}

    def rerun(plan, parameters) -> pd.Series | None:
        try:
            rows = findings_of(plan, parameters)
        except AllianceError:
            return None
        return rows.assign(finding=rows["finding"].astype(str)).set_index(ROW)["verdict"]

    there = {id(x): _still_there(x) for x in (a, b)}
    for cause in causes:
        how = cause["swap"]
        if how == "data":
            if there[id(b)]:
                found["data"] = rerun(a["plan"], b["parameters"])
        elif how and there[id(a)]:
            found[cause["place"]] = rerun(with_one(a["plan"], b["plan"], how), a["parameters"])
    all_of = rerun(b["plan"], b["parameters"]) if there[id(b)] else None
    said = []
    for row in changed.itertuples(index=False):
        key = tuple(getattr(row, name) for name in ROW)
        own = [n for n, v in found.items() if v is not None and v.get(key, "") == row.other]
        together = all_of is not None and all_of.get(key, "") == row.other
        said.append(" or ".join(own) if own else JOINT if together else UNEXPLAINED)
    return said


def _other_estimates(one: pd.DataFrame, other: pd.DataFrame) -> int:
    """Rows of findings whose estimate or n is not the same."""
    both = one.merge(other, on=ROW, how="outer", suffixes=("", "_other"))
    near = [
        (both[c] - both[f"{c}_other"]).abs().le(1e-9) | (both[c].isna() & both[f"{c}_other"].isna())
        for c in ESTIMATES
    ]
    return int((~(near[0] & near[1])).sum())


def _other_tables(one: Path, other: Path) -> list[str]:
    """Tables that are not the same in both runs."""
    files = [{p.stem: paths.sha256(p) for p in (run / "tables").glob("*.csv")}
             for run in (one, other)]  # fmt: skip
    return sorted(n for n in {*files[0], *files[1]} if files[0].get(n) != files[1].get(n))
