"""The study's claims, their bounds and words: data that a user can change."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from .codebook import Codebook, load_yaml
from .errors import CodebookError, Problem
from .paths import FINDINGS

KINDS = ("association", "modest", "block_absence", "block_difference", "rate_absence", "all_of")


@dataclass(frozen=True)
class Claim:
    """One statement that data can support or not; see `data/findings.yml`."""

    finding: str
    claim: str
    kind: str
    informant: str
    text: str = ""
    term: str | None = None
    block: str | None = None
    terms: tuple[str, ...] = ()
    composite: dict[str, float] = field(default_factory=dict)
    name: str = ""
    sign: str = "positive"
    outcome: bool = False
    bound: str = "correlation"
    of: tuple[str, ...] = ()

    @property
    def informants(self) -> list[str]:
        """Whose ratings the claim is about."""
        return ["client", "case_manager"] if self.informant == "both" else [self.informant]

    def variables(self, book: Codebook) -> list[str]:
        """The variables it relates to the alliance."""
        if self.block:
            return list(book.blocks.get(self.block, ()))
        return [*self.terms, *self.composite, *([self.term] if self.term else [])]


@dataclass(frozen=True)
class Rules:
    """Claims, bounds and words, read by :func:`read_rules`."""

    claims: tuple[Claim, ...]
    bounds: dict[str, float]
    words: dict[str, float]
    days_adjusted_for: tuple[str, ...]
    raw: dict


def read_rules(path: str | Path | None = None, data: str | Path | None = None) -> Rules:
    """Read the claims and bounds.

    Parameters
    ----------
    path : path, optional
        A file like `data/findings.yml`.
    data : path, optional
        Without `path`: the study's folder, whose own `findings.yml` is used if it has one; else the
        shipped one.

    Raises
    ------
    CodebookError
        Naming every claim that cannot be understood.
    """
    own = Path(data or "") / "findings.yml"
    path = Path(path) if path else own if data and own.is_file() else FINDINGS
    if not path.is_file():
        what = "does not exist."
        raise CodebookError([Problem(str(path), what, "Name an existing file of claims.")])
    raw = load_yaml(path.read_text(encoding="utf-8"), path.name)
    problems, claims = [], []
    for i, entry in enumerate(raw.get("claims", []), start=1):
        entry = dict(entry)
        for name in ("terms", "of"):
            entry[name] = tuple(entry.get(name, ()))
        try:
            claim = Claim(**entry)
        except TypeError as error:
            what = f"claim {i}: {str(error).removeprefix('Claim.__init__() ')}."
            problems.append(Problem(path.name, what, "Compare it with data/findings.yml."))
            continue
        if claim.kind not in KINDS:
            what = f"claim {i}: {claim.kind!r} is not a kind of claim."
            problems.append(Problem(path.name, what, f"Use one of {', '.join(KINDS)}."))
        claims.append(claim)
    if problems:
        raise CodebookError(problems)
    bounds = {name: float(entry["value"]) for name, entry in raw["bounds"].items()}
    return Rules(
        tuple(claims), bounds, raw["words"]["correlation"], tuple(raw["days_adjusted_for"]), raw
    )
