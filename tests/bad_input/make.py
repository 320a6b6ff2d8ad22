"""Bad inputs, each with the message it must give.

`python tests/bad_input FOLDER` writes them all: one folder a case, with its data and its codebook,
and beside it the message it must give. Every case starts from one small study that has no problem,
and spoils one thing.
"""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

CODEBOOK = """\
study: {title: A small study, client: client_id, case_manager: therapist_id, site: site}
missing: [-9]
tables:
  clients:
    file: clients.csv
    row: client
    key: [client_id]
    variables:
      client_id: {type: id, label: Client}
      therapist_id: {type: id, label: Therapist}
      site: {type: category, values: [North, South]}
      intake: {type: date}
      age: {type: number, range: [18, 99]}
      sex: {type: category, values: [female, male]}
      "wai_{1..12}": {type: integer, range: [1, 7]}
  therapists:
    file: therapists.csv
    row: case_manager
    key: [therapist_id]
    variables:
      therapist_id: {type: id, label: Therapist}
      site: {type: category, values: [North, South]}
      experience: {type: number, range: [0, 60]}
  stays:
    file: stays.csv
    row: episode
    key: [client_id, admission]
    duplicates: allow
    variables:
      client_id: {type: id, label: Client}
      admission: {type: date}
      discharge: {type: date}
scales:
  client_alliance: {form: WAI-S, items: "wai_{1..12}", informant: client}
days:
  days_in_hospital:
    {episodes: stays, admission: admission, discharge: discharge, anchor: intake,
     from_years: 0, to_years: 1}
derived:
  woman: {from: sex, is: female}
informants:
  client: {alliance: client_alliance}
blocks:
  pretreatment: [age, woman]
"""


def _clients() -> str:
    names = ["client_id", "therapist_id", "site", "intake", "age", "sex"]
    lines = [",".join(names + [f"wai_{i}" for i in range(1, 13)])]
    for i in range(1, 7):
        site, sex = ("North", "female") if i <= 3 else ("South", "male")
        therapist = 1 if i <= 3 else 2
        items = [str(1 + (i * k) % 7) for k in range(1, 13)]
        lines.append(
            ",".join([f"C{i}", f"T{therapist}", site, f"1990-0{i}-15", str(30 + i), sex, *items])
        )
    return "\n".join(lines) + "\n"


THERAPISTS = "therapist_id,site,experience\nT1,North,4\nT2,South,12\n"
STAYS = "client_id,admission,discharge\nC1,1990-02-01,1990-02-10\nC2,1990-05-01,1990-05-03\n"
Files = dict[str, "str | bytes | Path"]
"""Contents by name; a path is a symbolic link there."""


def good() -> Files:
    """The study without a problem."""
    return {
        "codebook.yml": CODEBOOK,
        "clients.csv": _clients(),
        "therapists.csv": THERAPISTS,
        "stays.csv": STAYS,
    }


CASES: dict[str, tuple[Callable[[Files], None], str, str]] = {}


def case(name: str, message: str, data: str = ""):
    """Add a case: what spoils the study, the message it must give, what is given as data."""

    def add(spoil: Callable[[Files], None]):
        CASES[name] = (spoil, message, data)
        return spoil

    return add


def swap(name: str, file: str, old: str, new: str, message: str, count: int = 1) -> None:
    """Add a case that replaces one text in one file."""

    def spoil(files: Files) -> None:
        if old not in files[file]:
            raise ValueError(f"case {name}: {old!r} is not in {file}")
        files[file] = files[file].replace(old, new, count)

    CASES[name] = (spoil, message, "")


def book(name: str, old: str, new: str, message: str) -> None:
    """Add a case that replaces one text in the codebook."""
    swap(name, "codebook.yml", old, new, message)


def write(folder: Path, name: str) -> Path:
    """Write one case; returns what is to be given as data."""
    spoil, message, data = CASES[name]
    files = good()
    spoil(files)
    here = folder / name
    here.mkdir(parents=True)
    for file, content in files.items():
        if isinstance(content, Path):
            (here / file).symlink_to(content)
            continue
        raw = content if isinstance(content, bytes) else content.encode()
        (here / file).write_bytes(raw)
    (folder / f"{name}.message.txt").write_text(message + "\n", encoding="utf-8")
    return here / data if data else here


def workbook(sheets: dict[str, list[list]]) -> bytes:
    """An Excel file of these sheets."""
    import openpyxl

    made = openpyxl.Workbook()
    made.remove(made.active)
    for title, rows in sheets.items():
        page = made.create_sheet(title)
        for row in rows:
            page.append(row)
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


def bomb(megabytes: int) -> bytes:
    """A small zip file, called a workbook, that unpacks to many megabytes of zeros."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for part in ("[Content_Types].xml", "xl/workbook.xml"):
            packed.writestr(part, "<x/>")
        with packed.open("xl/sharedStrings.xml", "w", force_zip64=True) as part:
            for _ in range(megabytes):
                part.write(b"0" * 1_000_000)
    return out.getvalue()


def swollen(book: bytes, name: str, row: bytes, times: int) -> bytes:
    """A workbook with one row of one sheet repeated."""
    out = io.BytesIO()
    old = zipfile.ZipFile(io.BytesIO(book))
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.namelist():
            text = old.read(part)
            if part == name:
                head, tail = text.split(b"</sheetData>")
                text = head + row * times + b"</sheetData>" + tail
            new.writestr(part, text)
    return out.getvalue()


def parquet(columns: dict[str, list]) -> bytes:
    """A Parquet file of these columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def spss(columns: dict[str, list], levels: dict) -> bytes:
    """An SPSS file of these columns, with value labels."""
    import pandas as pd
    import pyreadstat

    with tempfile.NamedTemporaryFile(suffix=".sav") as made:
        pyreadstat.write_sav(pd.DataFrame(columns), made.name, variable_value_labels=levels)
        return Path(made.name).read_bytes()
