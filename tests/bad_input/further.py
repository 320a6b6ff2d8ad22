"""Bad inputs that one row of `further.toml` tells: shapes, settings, cells."""

import tomllib
from pathlib import Path

from .make import CASES, swap

SHAPES = """\
study: {{title: Shapes, client: id, case_manager: th}}
tables:
  data:
    file: data.csv
    {settings}
    variables:
      id: {{type: id}}
      th: {{type: id}}
      {variables}
scales:
  client_alliance: {{items: [{items}], informant: client}}
informants:
  client: {{alliance: client_alliance}}
"""
TOLD = tomllib.loads(Path(__file__).with_name("further.toml").read_text("utf-8"))


def _shape(row: dict) -> None:
    def spoil(files: dict) -> None:
        files.clear()
        files |= {"codebook.yml": SHAPES.format(**row), "data.csv": row["data"]}

    CASES[row["name"]] = (spoil, row["message"], "")


for _row in TOLD["shape"]:
    _shape(_row)
for _row in TOLD["swap"]:
    swap(*(_row[part] for part in ("name", "file", "old", "new", "message")))
