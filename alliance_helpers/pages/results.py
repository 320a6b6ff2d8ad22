"""A run's folder, read again: what was asked, by which rules, and what was found."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import yaml

from .. import paths
from ..claims.rules import Rules, read_rules
from ..errors import ParameterError
from ..study.codebook import Codebook
from ..study.load import codebook_of
from ..study.yaml_text import read_yaml


@dataclass(frozen=True)
class Run:
    """What a run left: its record `about`, its findings, its tables by name."""

    folder: Path
    about: dict
    findings: pd.DataFrame
    tables: dict[str, Path]

    @property
    def plan(self) -> dict:
        """What the run was to do."""
        return self.about["plan"]

    def words(self) -> tuple[Codebook, Rules]:
        """Codebook and rules; the rules are those of the run, whatever the file says now."""
        about = self.about["parameters"]
        book = codebook_of(about.get("data"), about.get("codebook"))
        with saved(self.plan) as files:
            rules = read_rules(files["claims"], book=book)
        shipped = read_yaml(paths.FINDINGS)[0]["claims"]
        return book, replace(rules, own=self.plan["claims"]["claims"] != shipped)


@contextmanager
def saved(plan: Mapping[str, object]) -> Iterator[dict[str, str]]:
    """The codebook and the claims of a plan as files, for as long as they are needed."""
    with TemporaryDirectory() as folder:
        files = {name: Path(folder) / f"{name}.yml" for name in ("codebook", "claims")}
        for name, file in files.items():
            text = yaml.safe_dump(plan[name], allow_unicode=True, sort_keys=False)
            file.write_text(text, "utf-8")
        yield {name: str(file) for name, file in files.items()}


def read_run(folder: str | Path) -> Run:
    """A run, if all of it is there.

    Raises
    ------
    ParameterError
        It is no run, or is damaged, or failed, or has no findings.
    """
    folder = Path(folder)
    record, found = folder / paths.RUN_FILE, folder / "findings.csv"
    if not record.is_file():
        raise ParameterError(f"{folder} is no run: it has no {record.name}. Name what a run wrote.")
    try:
        about = json.loads(record.read_text("utf-8"))
        about["plan"]["codebook"], about["plan"]["claims"]["bounds"], about["parameters"]
        about["inputs_sha256"], about["versions"]
        failed = [r["notebook"] for r in about["notebooks"] if r["status"] != "done"]
    except (ValueError, KeyError, TypeError):
        raise ParameterError(
            f"{record} is damaged, or of an earlier version of the kit. Run it again."
        ) from None
    if failed:
        raise ParameterError(f"The run in {folder} failed in {', '.join(failed)}. Run it again.")
    if not found.is_file():
        raise ParameterError(f"The run in {folder} has no {found.name}: there is nothing to tell.")
    try:
        findings = pd.read_csv(found, dtype={"finding": str})
    except ValueError:
        raise ParameterError(f"{found} is damaged. Run it again.") from None
    if findings.empty:
        raise ParameterError(f"The run in {folder} has no finding: no claim could be put to it.")
    tables = {p.stem: p for p in sorted((folder / "tables").glob("*.csv"))}
    return Run(folder, about, findings, tables)
