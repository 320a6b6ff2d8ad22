"""What a batch's results depend on, so that it is never resumed with something else."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..paths import DATA
from .preload import helper_files

PACKAGES = (
    "alliance-kit",
    "ipykernel",
    "matplotlib",
    "numpy",
    "pandas",
    "papermill",
    "pingouin",
    "pyarrow",
    "scipy",
    "seaborn",
    "statsmodels",
)
Fingerprint = dict[str, dict[str, str]]
# How a changed part is called when a resume is refused.
SPOKEN = {
    "grid": "the {}",
    "notebooks": "the notebook {}",
    "helpers": "the helper {}",
    "data": "the file {}",
    "versions": "the version of {}",
}


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def versions() -> dict[str, str]:
    """The versions of what computes; an absent package is `absent`."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def notebook_digest(text: str) -> str:
    """Digest of a notebook's cells; outputs and editors' metadata do not count."""
    cells = json.loads(text)["cells"]
    kept = [[c["cell_type"], "".join(c["source"]), c["metadata"].get("tags", [])] for c in cells]
    return _digest(json.dumps(kept).encode())


def _files(place: Path) -> list[Path]:
    return sorted(p for p in place.rglob("*") if p.is_file()) if place.is_dir() else [place]


def fingerprint(
    grid: object, notebooks: Mapping[str, str], data: Iterable[Path] = ()
) -> Fingerprint:
    """Digests of everything that a batch's findings depend on.

    Parameters
    ----------
    grid : object
        The runs asked for; anything with a faithful `repr`.
    notebooks : mapping
        Name to text of the notebooks.
    data : iterable of pathlib.Path
        Files and folders that the grid names, besides the project's own `data/`.

    Returns
    -------
    dict
        `grid`, `notebooks`, `helpers`, `data` and `versions`, each a mapping of names to digests.
    """
    places = [DATA, *data]
    return {
        "grid": {"grid": _digest(repr(grid).encode())},
        "notebooks": {name: notebook_digest(text) for name, text in notebooks.items()},
        "helpers": {n: _digest(p.read_bytes()) for n, p in helper_files().items()},
        "data": {str(p): _digest(p.read_bytes()) for place in places for p in _files(place)},
        "versions": versions(),
    }


def changes(before: Fingerprint, now: Fingerprint) -> list[str]:
    """What differs between two fingerprints, in words."""
    found = []
    for part, spoken in SPOKEN.items():
        old, new = before.get(part, {}), now.get(part, {})
        for name in sorted(old.keys() | new.keys()):
            if old.get(name) != new.get(name):
                how = "changed" if name in old and name in new else "is new or gone"
                if part == "versions":
                    how = f"was {old.get(name)} and is {new.get(name)}"
                found.append(f"{spoken.format(name)} {how}")
    return found
