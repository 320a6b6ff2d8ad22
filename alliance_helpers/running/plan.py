"""What a run is to do, written down: the plan, its lock, and what deviates from it.

A plan is the codebook, the claims, the stress tests' settings, the seed and the parameters, as they
are after reading: line ends, comments, the order of keys and how a file is laid out do not matter.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from os.path import lexists
from pathlib import Path

import pandas as pd

from .. import paths
from ..claims.assess import assess
from ..claims.rules import ROW, chosen_values, claims_file, read_rules, read_stress
from ..cohorts.cohort import CHANGES, open_cohort
from ..cohorts.courses import courses
from ..errors import ParameterError
from ..pages.report import saved
from ..study.load import ENDINGS, EXCEL, codebook_beside, codebook_of
from ..study.read_codebook import read_codebook
from ..study.yaml_text import read_yaml
from .forkserver import helper_files
from .parameters import PLACES, all_parameters
from .runner import main_notebooks, notebook_cells, versions
from .station import COHORT

LOCK = "plan.lock"
SEAL = "sha256"  # of the rest of a file
REASONS = "deviations.yml"
VALUES = ["verdict", "estimate", "n"]
KEYS = (("claim", "informant", "finding"), ("name",), ("column",))
"""What names an entry of a list: the first of these that all its entries have."""
PLANNED = (".yml", ".yaml", ".json")
"""Endings of the files that a plan holds itself."""
OUTSIDE = ("data", "kit", "notebooks", "stress")
"""Parts that working out a plan's findings again does not bring back."""
Plan = dict[str, object]
Place = tuple[str, ...]


def plan_of(parameters: Mapping[str, object]) -> Plan:
    """What these parameters ask for, as data."""
    _, book, claims = _places(parameters)
    read_codebook(book)  # its problems are told before those of what stands in it
    read_rules(claims)
    said, shipped = (read_yaml(file)[0] for file in (claims, paths.FINDINGS))
    notebooks = main_notebooks()
    usual: dict[str, set] = {}
    for declared in all_parameters(notebooks).values():
        for name, parameter in declared.items():
            usual.setdefault(name, set()).add(repr(parameter.default))
    left = (*PLACES, "out", "show_rows", "seed")
    plan = {
        "codebook": _without_names(read_yaml(book)[0]),
        "claims": said | {"bounds": shipped["bounds"] | said.get("bounds", {})},
        "stress": read_stress(),
        "parameters": {
            k: v for k, v in parameters.items() if k not in left and usual.get(k) != {repr(v)}
        },
        "seed": parameters.get("seed", 1995),
        "notebooks": {p.stem: digest(notebook_cells(p.read_text("utf-8"))) for p in notebooks},
        "kit": {
            "version": versions().get("alliance-kit", ""),
            "code": digest({name: paths.sha256(file) for name, file in helper_files().items()}),
        },
    }
    return json.loads(json.dumps(_plain(plan)))


def _without_names(book: dict) -> dict:
    """A codebook in which spellings of people's names, or of ids, are a digest."""
    for table in book["tables"].values():
        for settings in filter(None, table["variables"].values()):
            if settings.get("type") == "id" and "values" in settings:
                settings["values"] = digest(_plain(settings["values"]))
    return book


def _places(parameters: Mapping[str, object]) -> tuple[Path, Path, Path]:
    """Where the data, the codebook and the claims are: those named, beside the data, or shipped."""
    data, codebook, claims = (str(parameters.get(name) or "") for name in PLACES)
    source = paths.at(data) if data else paths.RAW
    book = paths.at(codebook) if codebook else codebook_beside(source) or paths.CODEBOOK
    return source, book, claims_file(claims, data)


def _plain(value: object) -> object:
    """A value as it is after any way of saving it again."""
    match value:
        case bool() | None:
            return value
        case int() | float():
            return int(value) if float(value).is_integer() else float(value)
        case Mapping():
            return {str(k): _plain(v) for k, v in value.items()}
        case list() | tuple():
            return [_plain(v) for v in value]
    return " ".join(str(value).split())


def digest(plan: object) -> str:
    """SHA-256 of what a plan says."""
    text = json.dumps(plan, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def sealed(content: Mapping[str, object]) -> str:
    """JSON that says of itself whether it is as it was written."""
    told = json.loads(json.dumps(content))  # as it will be read
    return json.dumps(told | {SEAL: digest(told)}, indent=1, ensure_ascii=False) + "\n"


def unsealed(text: str) -> dict | None:
    """What such JSON says, unless it is none, or not as it was written."""
    try:
        found = json.loads(text)
        seal = found.pop(SEAL)
    except (ValueError, RecursionError, AttributeError, TypeError, LookupError):
        return None
    return found if seal == digest(found) else None


def named(entries: list) -> dict[str, object]:
    """The entries of a list by what names them, or by their number."""
    for key in KEYS:
        if entries and all(isinstance(e, Mapping) and key[0] in e for e in entries):
            names = [" ".join(str(e[k]) for k in key if k in e) for e in entries]
            if len(set(names)) == len(names):
                return dict(zip(names, entries, strict=True))
    return {str(n): entry for n, entry in enumerate(entries, 1)}


def differences(one: object, other: object, place: Place = ()) -> Iterator[tuple[Place, str, str]]:
    """Where two plans say different things: the place, and what each says ("" for nothing)."""
    if isinstance(one, list) and isinstance(other, list) and (
        any(isinstance(e, Mapping) for e in [*one, *other])
    ):  # fmt: skip
        one, other = named(one), named(other)
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for name in dict.fromkeys([*one, *other]):
            yield from differences(one.get(name), other.get(name), (*place, name))
    elif one != other:
        yield place, _said(one), _said(other)


def unlike(one: Plan, other: Plan) -> bool:
    """Whether two plans are of different studies: fewer than half of the columns are the same."""
    mine, theirs = (
        {c for t in plan["codebook"].get("tables", {}).values() for c in t.get("variables", ())}
        for plan in (one, other)
    )
    return len(mine & theirs) < min(len(mine), len(theirs)) / 2


def _said(value: object) -> str:
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


def with_one(plan: Plan, other: Plan, place: Place) -> Plan:
    """A plan with what another says at one place."""
    here, *inside = place
    made, theirs = (named(x) if isinstance(x, list) else x for x in (plan, other))
    if inside:
        made = made | {here: with_one(made[here], theirs[here], tuple(inside))}
    elif here in theirs:
        made = made | {here: theirs[here]}
    else:
        made = {name: said for name, said in made.items() if name != here}
    if not isinstance(plan, list):
        return made
    order = dict.fromkeys([n for n in theirs if n in made]) | made
    return [made[name] for name in order]


def findings_of(plan: Plan, parameters: Mapping[str, object]) -> pd.DataFrame:
    """The quick analyses' findings that a plan gives on the data that parameters name."""
    asked = dict(plan["parameters"]) | {"data": parameters.get("data", "")}
    if asked.get("scenario"):
        asked["seed"] = plan["seed"]
    rule = {name: asked[name] for name in ("p_enter", "p_remove") if name in asked}
    with saved(plan) as files:
        study = open_cohort(
            **{k: asked[k] for k in (*COHORT, *CHANGES) if k in asked}
            | ({"codebook": files["codebook"]} if asked["data"] else {})
        )
        return assess(study.dyads, rules=read_rules(files["claims"], book=study.codebook), **rule)


def by_row(findings: pd.DataFrame) -> pd.DataFrame:
    """Verdict, estimate and n of each row of findings."""
    rows = findings.assign(finding=findings["finding"].astype(str)).set_index(ROW)[VALUES]
    return rows[~rows.index.duplicated(keep="last")]


def side_by_side(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Both, by row; where there is none the verdict is ""."""
    rows = one.join(other, how="outer", suffixes=("", "_other"))
    return rows.assign(**{c: rows[c].fillna("") for c in ("verdict", "verdict_other")})


def input_hashes(parameters: Mapping[str, object]) -> dict[str, str]:
    """SHA-256 of every file that a run reads, by its path."""
    return {str(file): paths.sha256(file) for file in input_files(parameters)}


def by_name(digests: Mapping[str, str]) -> dict[str, str]:
    """The same by the files' names or, where two share one, their paths."""
    names = Counter(Path(path).name for path in digests)
    short = {path: Path(path).name for path in digests}
    return {short[p] if names[short[p]] == 1 else p: digest for p, digest in digests.items()}


def input_files(parameters: Mapping[str, object]) -> list[Path]:
    """Every file that a run reads: the tables or scenarios, codebook, claims; no other in a folder.

    A table is a file of the name that the codebook gives, whatever its ending, or in a workbook.
    """
    source, book, claims = _places(parameters)
    if parameters.get("scenario"):
        tables = [paths.SCENARIOS, paths.CALIBRATION]
        if parameters["scenario"] in courses():
            tables = [paths.COURSES / name for name in ("scenarios.yml", "codebook.yml")]
    else:
        folder = source if source.is_dir() else source.parent
        named = {Path(table.file).stem for table in read_codebook(book).tables.values()}
        named |= {source.stem} if source.is_file() else set()
        kinds = [p for p in sorted(folder.glob("*")) if p.suffix.lower() in ENDINGS and p.is_file()]
        books = EXCEL if named - {p.stem for p in kinds} else ()  # a table has no file of its own
        named.add(Path(paths.TRUTH).stem)
        tables = [p for p in kinds if p.stem in named or p.suffix in books]
    return list(dict.fromkeys([*tables, book, claims]))


def data_there(parameters: Mapping[str, object]) -> dict[str, str]:
    """The digests of the data that parameters name, by the files' names."""
    return data_of(by_name(input_hashes(parameters)))


def data_of(digests: Mapping[str, str]) -> dict[str, str]:
    """Of the digests of what a run reads, those of the data: the plan holds what the others say."""
    return {n: d for n, d in digests.items() if Path(n).suffix not in PLANNED}


def lock(parameters: Mapping[str, object], to: str | Path) -> Path:
    """Write a plan down before the data are looked at.

    Parameters
    ----------
    parameters : mapping
        As of a run; `data` may name a folder in which only the codebook is yet.
    to : path
        The file, which must be new.

    Raises
    ------
    ParameterError, CodebookError, OutputError
    """
    to, plan = paths.not_there(to), plan_of(parameters)
    if not to.absolute().parent.is_dir():
        raise ParameterError(
            f"There is no folder {to.parent}: make it, and put the study's codebook into it. The "
            "data need not be there yet."
        )
    there = data_there(parameters)
    book = codebook_of(parameters.get("data"), parameters.get("codebook"))
    chosen_values(parameters, book, rules=read_rules(_places(parameters)[2]))
    if there and any(parameters.get(name) for name in CHANGES):
        open_cohort(**{n: v for n, v in parameters.items() if n in (*COHORT, *CHANGES)})
    verdicts = []
    if book.synthetic and (there or parameters.get("scenario")):
        verdicts = findings_of(plan, parameters)[[*ROW, "verdict"]].to_dict("records")
    record = {
        "made": datetime.now().astimezone().isoformat(timespec="seconds"),
        "data": there,
        "synthetic": book.synthetic,
        "plan": plan,
        "digests": {part: digest(said) for part, said in plan.items()},
        "verdicts": verdicts,
    }
    paths.write_whole(to, sealed(record))
    return to


def locked(path: Path) -> str:
    """What a lock holds, in a sentence."""
    record = read_lock(path)
    plan, there = record["plan"], "there already" if record["data"] else "not there yet"
    title = plan["codebook"].get("study", {}).get("title", "")
    return (
        f"It holds the codebook of {title or 'the study'} and {len(plan['claims']['claims'])} "
        f"claims; the data were {there}. Commit it, or send it to somebody, to show when it was "
        "made."
    )


def read_lock(path: Path) -> dict:
    """A lock, whole and as it was written.

    Raises
    ------
    ParameterError
    """
    record = unsealed(path.read_text("utf-8", "replace")) if path.is_file() else None
    if record is None:
        raise ParameterError(
            f"{path} is no lock that alliance lock wrote, or was changed by hand since: its digest "
            "does not fit. Put back the file as it was, or lock a new plan in another file."
        )
    return record


def lock_beside(parameters: Mapping[str, object]) -> Path | None:
    """The lock in the study's folder."""
    source, _, _ = _places(parameters)
    lock = (source if source.is_dir() else source.parent) / LOCK
    return lock if parameters.get("data") and lexists(lock) else None


def deviations(parameters: Mapping[str, object]) -> dict | None:
    """What a run does otherwise than its lock says; None without a lock.

    Returns
    -------
    dict
        `lock made after_data deviations verdicts`: each deviation with its `place`, what was
        `planned` and `done`, and the `reason` given in `deviations.yml`; the verdicts that they
        change, by working out the plan too.

    Raises
    ------
    ParameterError
        A lock that was changed, or that is another study's.
    """
    path = lock_beside(parameters)
    if path is None:
        return None
    record, done = read_lock(path), plan_of(parameters)
    planned, data = record["plan"], data_there(parameters)
    if unlike(planned, done):
        raise ParameterError(
            f"{path} locks the plan of another study: most columns are others. Take it away, or "
            "put the lock of this study there."
        )
    given = path.with_name(REASONS)
    reasons = read_yaml(given)[0] if given.is_file() else {}
    found = [
        {"place": " > ".join(place), "planned": was, "done": now}
        for place, was, now in differences(planned, done)
    ]
    for name in sorted({*record["data"], *data} if record["data"] else ()):
        if record["data"].get(name) != data.get(name) and not record["synthetic"]:
            found.append({"place": f"data > {name}", "planned": "as locked", "done": "changed"})
    for one in found:
        one["reason"] = str(reasons.get(one["place"], ""))
    changed = []
    if any(not d["place"].startswith(OUTSIDE) for d in found):
        rows = side_by_side(*(by_row(findings_of(p, parameters)) for p in (planned, done)))
        both = rows[["verdict", "verdict_other"]].set_axis(["planned", "done"], axis=1)
        changed = both[both["planned"] != both["done"]].reset_index().to_dict("records")
    return {
        "lock": path.name,
        "made": record["made"],
        "after_data": bool(record["data"]) and not record["synthetic"],
        "deviations": found,
        "verdicts": changed,
    }
