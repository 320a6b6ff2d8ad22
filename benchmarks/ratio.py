"""One line of a benchmark: what was measured, beside its peer, measured in the same run."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

# For a process whose own time is measured, or of which there are several.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Ratio:
    """What was asked, both measurements in words, their ratio, and what it should reach.

    Attributes
    ----------
    question, ours, peer : str
    value : float
        The ratio (or the number that was asked for).
    goal : str
        For example ``>= 5``; empty where nothing was promised.
    """

    question: str
    ours: str
    peer: str
    value: float
    goal: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None without one."""
        if not self.goal:
            return None
        sign, bound = self.goal.split()
        return self.value >= float(bound) if sign == ">=" else self.value <= float(bound)

    def row(self) -> str:
        """As a row of a Markdown table."""
        verdict = {True: "yes", False: "**no**", None: ""}[self.reached]
        cells = (self.question, self.ours, self.peer, f"{self.value:.2f}", self.goal, verdict)
        return "| " + " | ".join(cells) + " |"


HEAD = "| question | ours | peer | ratio | goal | reached |\n|---|---|---|---|---|---|"


def table(rows: list[Ratio]) -> str:
    """A Markdown table."""
    return "\n".join([HEAD, *(row.row() for row in rows)])


def run_parts(
    parts: Mapping[str, tuple[Callable[[int], list[Ratio]], int, int]], words: Sequence[str]
) -> list[Ratio]:
    """Run the parts that are named, all by default, and show each row as it comes.

    Parameters
    ----------
    parts : mapping
        Name to function, its full size and its short one.
    words : sequence of str
        ``short``, ``name`` or ``name=size``.
    """
    chosen = [word for word in words if word != "short"] or list(parts)
    rows = []
    for word in chosen:
        name, _, size = word.partition("=")
        part, full, short = parts[name]
        found = part(int(size or (short if "short" in words else full)))
        print(*(row.row() for row in found), sep="\n", file=sys.stderr, flush=True)
        rows += found
    return rows
