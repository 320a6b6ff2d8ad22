"""Small notebooks for tests: a parameters cell with annotated literals, then the given cells."""

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

STANDARD = """\
data: str = ""  # folder of raw tables
codebook: str = ""  # its data dictionary
out: str = ""  # where results go
scenario: str = "published"  # name of a simulated study
n_clients: int = 201  # clients to simulate
seed: int = 1995  # seed of the simulation"""
SUMMARY = """\
import os
import time
import numpy as np
import pandas as pd
from pathlib import Path
import matplotlib.pyplot as plt"""
# Stands in for the summary notebook: a table of findings that depends on every parameter.
FINDINGS = """\
rng = np.random.default_rng(seed)
r = np.corrcoef(rng.normal(size=(2, n_clients)))[0, 1]
table = pd.DataFrame({"finding": ["1", "2"], "claim": "c", "analysis": "as_published",
    "informant": "client", "term": ["a", "b"], "estimate": [r, r / 3], "conf_low": [r - .1, -1],
    "conf_high": [r + .1, 1], "p_value": .5, "n": n_clients, "criterion": "made for a test",
    "verdict": ["supported" if r > 0 else "inconclusive", "not_supported"]})
table.to_csv(Path(out) / "findings.csv", index=False)"""


def make_notebook(
    path: Path, *cells: str, parameters: str = STANDARD, tags: tuple[str, ...] = ("parameters",)
) -> Path:
    """Write a notebook with a parameters cell and the given code cells."""
    code = [new_code_cell(text) for text in cells]
    first = new_code_cell(parameters)
    first.metadata.tags = [*tags]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=[first, *code], metadata={"kernelspec": kernel}), path)
    return path
