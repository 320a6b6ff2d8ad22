"""The final project: each student gets an own cohort, and is marked against its hidden truth.

What a cohort was drawn from follows from `key.txt` and the student's name alone: keep that file,
and keep it from students. So many of its clients come from one of four worlds, the others from one
in which nothing is related. Scores have the same means and SDs in all worlds, so the cohort's true
correlations are those of its world times that share: everybody's own, and written down nowhere.
"""

from __future__ import annotations

import argparse
import csv
import re
import secrets
import shutil
import sys
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from hashlib import sha256
from itertools import cycle, product
from pathlib import Path

import numpy as np
import pandas as pd

from alliance_helpers.cohorts.simulate import simulate_study
from alliance_helpers.errors import OutputError, ParameterError
from alliance_helpers.paths import CODEBOOK, write_whole
from alliance_helpers.study.load import Study

from . import command

WORLDS = ("published", NOTHING := "no_association", "halo", "hospital_effect")
ASKED = {  # the two variables, and their row of the truth: informant, term
    "client_alliance, case_manager_alliance": ("", "client_alliance:case_manager_alliance"),
    "case_manager_alliance, case_manager_outcome": ("case_manager", "case_manager_outcome"),
    "case_manager_alliance, symptoms": ("case_manager", "symptoms"),
    "case_manager_alliance, living_skills": ("case_manager", "living_skills"),
    "client_alliance, client_outcome": ("client", "client_outcome"),
    "client_alliance, case_manager_outcome": ("client", "case_manager_outcome"),
}
LONG = 1.5  # times the interval of independent dyads: half the points beyond
INTERVAL, WORLD = 2, 4  # points
NUMBERED = {"client_id", "case_manager_id"}
MOST = 1000  # of each in a part
NAME = re.compile(r"[\w.-]+", re.ASCII)


def drawn_from(key: str, student: str) -> tuple[str, float, int, int]:
    """The world, its share of the clients, their number and the seed of a student's cohort."""
    number = int.from_bytes(sha256(f"{key}/{student}".encode()).digest()[:8], "big")
    share = 0.6 + 0.05 * (number // 64 % 8)
    return WORLDS[number % 4], share, 350 + 10 * (number // 4 % 16), number // 512 % 2**32


def cohort(world: str, share: float, n: int, seed: int) -> Study:
    """The raw tables of a cohort, its clients and case managers numbered at random."""
    inside = round(share * n)
    parts = [simulate_study(world, inside, seed), simulate_study(NOTHING, n - inside, seed + 1)]
    order = {column: np.random.default_rng(seed).permutation(2 * MOST) for column in NUMBERED}
    places, others = (_sites(part) for part in parts)
    at = {b: a for kind in others for a, b in zip(cycle(places[kind]), others[kind], strict=False)}
    tables = {}
    for name in parts[0].tables:
        found = [part.tables[name].copy() for part in parts]
        for (i, table), column in product(enumerate(found), NUMBERED & set(found[0])):
            said = table[column].str.extract(r"(\D+)(\d+)")
            number = pd.Series(order[column][said[1].astype(int) + i * MOST], table.index)
            table[column] = said[0] + number.astype(str).str.zfill(4)
        if "site" in found[1]:
            said = found[1]["site"].str.extract(r"(\D+)(\d+)")
            found[1]["site"] = said[0] + said[1].astype(int).map(at).astype(str).str.zfill(2)
        tables[name] = pd.concat(found).sort_values(found[0].columns[0], kind="stable")
    return replace(parts[0], tables=tables)


def _sites(study: Study) -> dict[str, list[int]]:
    """The numbers of the sites of each type."""
    seen = study.tables["client_interviews"]
    number = seen["site"].str.extract(r"(\d+)")[0].astype(int)
    return {kind: sorted(set(part)) for kind, part in number.groupby(seen["site_type"])}


@cache
def truths(world: str) -> dict[str, float]:
    """The true correlations that are asked for, of the world alone."""
    table = simulate_study(world, 20, 1).truth
    table = table[table["quantity"] == "r"].set_index(["informant", "term"])["target"]
    return {pair: float(table[row]) for pair, row in ASKED.items()}


def hand_out(out: Path, students: Iterable[str]) -> None:
    """Write a folder for each student: raw tables, codebook and the sheet for answers."""
    names = [name.strip() for name in students if name.strip()]
    if odd := [name for name in names if not NAME.fullmatch(name) or name.startswith(".")]:
        raise ParameterError(f"Names are letters, digits, '.', '-' and '_'; not {', '.join(odd)}.")
    out.mkdir(parents=True, exist_ok=True)
    if not (out / "key.txt").exists():
        write_whole(out / "key.txt", secrets.token_hex(16) + "\n")
        (out / "key.txt").chmod(0o600)
    for name in names:
        folder = out / "students" / name
        if folder.exists():
            raise OutputError(f"{folder} is handed out already.")
        study = cohort(*drawn_from(key_of(out), name))
        folder.mkdir(parents=True)
        for table, rows in study.tables.items():
            rows.to_csv(folder / study.codebook.tables[table].file, index=False)
        shutil.copy(CODEBOOK, folder)
        sheet = pd.DataFrame({"question": [*ASKED, f"world ({', '.join(WORLDS)})"]})
        sheet.assign(low="", high="", answer="").to_csv(folder / f"{name}.csv", index=False)


def key_of(out: Path) -> str:
    try:
        return (out / "key.txt").read_text(encoding="utf-8").strip()
    except OSError:
        raise ParameterError(f"{out} has no key.txt: no project was handed out there.") from None


def mark(key: str, student: str, sheet: Path) -> dict[str, object]:
    """A sheet's points by question, and what could not be read of it."""
    world, share, n, _ = drawn_from(key, student)
    row: dict[str, object] = {"student": student}
    try:
        with sheet.open(newline="", encoding="utf-8-sig") as file:
            given = {str(r["question"]).strip(): r for r in csv.DictReader(file)}
    except (OSError, UnicodeDecodeError, csv.Error, KeyError) as error:
        given, row["remark"] = {}, f"cannot be read ({type(error).__name__})"
    for pair, truth in truths(world).items():
        row[pair] = points(given.get(pair, {}), share * truth, n)
    said = next((r for q, r in given.items() if q.startswith("world")), {})
    row["world"] = WORLD * (str(said.get("answer")).strip().lower() == world)
    row["total"] = sum(row[q] for q in (*ASKED, "world"))
    return row | {"truth": world, "share": share}


def points(given: dict, truth: float, n: int) -> int:
    """Two for an interval that holds the truth, one where it is too wide to say much."""
    try:
        low, high = (float(str(given.get(end)).replace(",", ".")) for end in ("low", "high"))
    except ValueError:
        return 0
    if not -1 < low <= truth <= high < 1:
        return 0
    widest = LONG * 2 * 1.96 / np.sqrt(n - 3)  # on Fisher's scale
    return INTERVAL if np.arctanh(high) - np.arctanh(low) <= widest else 1


def marks(out: Path, inbox: Path) -> Path:
    """Mark every `STUDENT.csv` of a folder; those of students without one get no points."""
    if not inbox.is_dir():
        raise ParameterError(f"{inbox} is no folder; name the one that holds the sheets.")
    names = {p.name for p in (out / "students").iterdir()} | {p.stem for p in inbox.glob("*.csv")}
    key, known = key_of(out), out / "students"
    rows = [mark(key, name, inbox / f"{name}.csv") for name in sorted(names)]
    for row in rows:
        if not (known / str(row["student"])).is_dir():
            row["remark"] = "no student of this project"
    pd.DataFrame(rows).to_csv(out / "marks.csv", index=False)
    return out / "marks.csv"


@command
def main() -> None:
    parser = argparse.ArgumentParser("python -m tools.seminar.project", description=__doc__)
    parser.add_argument("out", type=Path, help="the project's folder")
    todo = parser.add_mutually_exclusive_group(required=True)
    todo.add_argument("--students", type=Path, help="a text file, one name a line: hand out")
    todo.add_argument("--sheets", type=Path, help="folder with STUDENT.csv of each: mark")
    given = parser.parse_args()
    if given.sheets:
        print(f"Marks: {marks(given.out, given.sheets)}")
        return
    hand_out(given.out, given.students.read_text(encoding="utf-8").splitlines())
    print(f"To hand out: {given.out / 'students'}")


if __name__ == "__main__":
    sys.exit(main())
