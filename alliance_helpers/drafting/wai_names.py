"""Recognising blocks of numbered items by their names: which are a WAI, whose, and which form.

Everything here is a guess for a person to confirm; nothing depends on it once a codebook is there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

CLIENT = {"c", "cl", "cli", "client", "p", "pat", "patient", "pt", "self", "participant", "user"}
CASE_MANAGER = {
    "t", "th", "ther", "therapist", "cm", "casemanager", "manager", "mgr", "counselor",
    "counsellor", "worker", "staff", "clin", "clinician", "provider", "keyworker", "kw", "nurse",
    "coach", "w", "md", "doctor",
}  # fmt: skip
WAI = re.compile(r"wai|alliance", re.IGNORECASE)
SHORTEST = 3


@dataclass(frozen=True)
class Block:
    """Columns that differ in one number only, which counts without a gap."""

    before: str
    after: str
    first: int
    last: int
    width: int
    columns: tuple[str, ...]

    @property
    def stem(self) -> str:
        """The name without its number."""
        return f"{self.before}{self.after}"

    def pattern(self) -> str:
        """As the codebook writes it: ``wai_c_{01..36}``."""
        first, last = f"{self.first:0{self.width}d}", f"{self.last:0{self.width}d}"
        return f"{self.before}{{{first}..{last}}}{self.after}"


def item_blocks(columns: list[str]) -> list[Block]:
    """Blocks of at least three numbered columns, the longest first; each column in one at most.

    >>> [b.pattern() for b in item_blocks(["WAIC1", "WAIC2", "WAIC3", "age"])]
    ['WAIC{1..3}']
    """
    groups: dict[tuple[str, str, int], dict[int, str]] = {}
    for column in columns:
        for run in re.finditer(r"[0-9]{1,3}", column):
            digits = run.group()
            width = len(digits) if digits.startswith("0") else 0
            key = (column[: run.start()], column[run.end() :], width)
            groups.setdefault(key, {})[int(digits)] = column
    _merge_widths(groups)
    blocks, taken = [], set()
    for (before, after, width), members in sorted(groups.items(), key=lambda g: -len(g[1])):
        for run in _runs({i: c for i, c in members.items() if c not in taken}):
            if len(run) >= SHORTEST and "{" not in before + after:
                names = tuple(members[i] for i in run)
                blocks.append(Block(before, after, run[0], run[-1], max(width, 1), names))
                taken |= set(names)
    return sorted(blocks, key=lambda b: columns.index(b.columns[0]))


def _merge_widths(groups: dict) -> None:
    """01..09 and 10..36 are one block."""
    for before, after, width in [k for k in groups if k[2]]:
        plain = groups.get((before, after, 0), {})
        for number in [i for i in plain if len(str(i)) == width]:
            groups[(before, after, width)][number] = plain.pop(number)


def _runs(numbers: dict[int, str]) -> list[list[int]]:
    """Stretches without a gap."""
    runs: list[list[int]] = []
    for i in sorted(numbers):
        if runs and i == runs[-1][-1] + 1:
            runs[-1].append(i)
        else:
            runs.append([i])
    return runs


def is_wai(block: Block, label: str = "") -> bool:
    """Whether a block's name or label speaks of the Working Alliance Inventory."""
    return bool(WAI.search(block.stem) or WAI.search(label))


def form_of(block: Block, highest: float) -> str | None:
    """Which form a WAI block is: by its number of items, and for 12 by the highest response.

    >>> form_of(item_blocks([f"wai{i}" for i in range(1, 13)])[0], highest=5)
    'WAI-SR'
    """
    n = len(block.columns)
    if n == 36 and block.first == 1:
        return "WAI-36"
    if n == 12 and block.first == 1:
        return "WAI-SR" if highest <= 5 else "WAI-S"
    return None


def informant_of(name: str, label: str = "") -> str | None:
    """Whose rating a name speaks of: client, case_manager, or not said.

    >>> informant_of("WAIC"), informant_of("wai_sr_t_"), informant_of("wai")
    ('client', 'case_manager', None)
    """
    split = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    words = set(re.split(r"[^a-z]+", split.lower()))
    words |= {re.sub(r"^wai(sr|s)?|wai(sr|s)?$", "", word) for word in words}
    words |= {word for word in re.split(r"[^a-z]+", label.lower()) if len(word) > 3}
    client, manager = words & CLIENT, words & CASE_MANAGER
    if bool(client) == bool(manager):
        return None
    return "client" if client else "case_manager"
