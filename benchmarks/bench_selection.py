"""Bootstrap selection against the same stepwise procedure as a loop of statsmodels and R fits.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 .venv/bin/python -m benchmarks.bench_selection

201 rows, 25 candidates in three blocks. The peers run the same resamples, fewer of them, and
their time is scaled to 10,000; their selected terms must be the same on every shared resample.
Processor time is compared, so that other work on the machine does not count.
"""

import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import statsmodels.api as sm

from alliance_helpers.models.selection import Resampler, bootstrap_paths
from alliance_helpers.models.stepwise import Rule

ROWS, CANDIDATES, RESAMPLES, SHARED, SHARED_R = 201, 25, 10_000, 500, 40
BLOCKS = {"pretreatment": range(8), "treatment": range(8, 15), "outcome": range(15, 25)}

R_LOOP = """
args <- commandArgs(TRUE)
data <- read.csv(args[1]); drawn <- as.matrix(read.csv(args[2], header = FALSE)) + 1
blocks <- list(paste0("x", 0:7), paste0("x", 8:14), paste0("x", 15:24))
one <- function(rows) {
  d <<- data[rows, ]; held <- character()
  for (block in blocks) {
    inside <- character()
    repeat {
      terms <- c(held, inside)
      fit <- lm(reformulate(if (length(terms)) terms else "1", "y"), d)
      if (length(inside)) {
        p <- drop1(fit, reformulate(inside), test = "F")$"Pr(>F)"[-1]
        if (max(p) > .10) { inside <- inside[-which.max(p)]; next }
      }
      outside <- setdiff(block, inside)
      if (!length(outside)) break
      p <- add1(fit, reformulate(c(terms, outside)), test = "F")$"Pr(>F)"[-1]
      if (min(p) >= .05) break
      inside <- c(inside, outside[which.min(p)])
    }
    held <- c(held, inside)
  }
  paste(sort(as.integer(sub("x", "", held))), collapse = " ")
}
started <- proc.time()
found <- apply(drawn, 1, one)
cat(sum((proc.time() - started)[1:2]), found, sep = "\\n")
"""


def study() -> tuple[pd.DataFrame, dict[str, list[str]]]:
    rng = np.random.default_rng(1995)
    X = 0.6 * rng.normal(size=(ROWS, 1)) + rng.normal(size=(ROWS, CANDIDATES))
    data = pd.DataFrame(X, columns=[f"x{i}" for i in range(CANDIDATES)])
    data["y"] = 0.3 * X[:, 0] - 0.2 * X[:, 9] + 0.25 * X[:, 20] + rng.normal(size=ROWS)
    return data, {name: [f"x{i}" for i in block] for name, block in BLOCKS.items()}


def statsmodels_stepwise(X: np.ndarray, y: np.ndarray) -> list[int]:
    held: list[int] = []
    for block in BLOCKS.values():
        inside: list[int] = []
        while True:
            if inside:
                p = _p_values(X, y, held + inside)[len(held) :]
                if p.max() > 0.10:
                    inside.pop(int(p.argmax()))
                    continue
            outside = [column for column in block if column not in inside]
            p = [_p_values(X, y, [*held, *inside, column])[-1] for column in outside]
            if not p or min(p) >= 0.05:
                break
            inside.append(outside[int(np.argmin(p))])
        held += inside
    return sorted(held)


def _p_values(X, y, columns) -> np.ndarray:
    design = np.column_stack([np.ones(len(y)), X[:, columns]])
    return sm.OLS(y, design).fit().pvalues[1:]


def main() -> None:
    data, blocks = study()
    source = Resampler(data, "y", blocks)
    bootstrap_paths(source, Rule(), 512, seed=1995)
    times = []
    for _ in range(3):
        started = time.process_time()
        bootstrap_paths(Resampler(data, "y", blocks), Rule(), RESAMPLES, seed=1995)
        times.append(time.process_time() - started)
    ours = float(np.median(times))
    print(f"alliance-kit: {RESAMPLES:,} resamples in {ours:.2f} s")

    selected = bootstrap_paths(source, Rule(), SHARED, seed=1995).selected[-1]
    drawn = source.draw(np.random.default_rng(1995), SHARED)
    X, y = data.drop(columns="y").to_numpy(), data["y"].to_numpy()
    started = time.process_time()
    theirs = [statsmodels_stepwise(X[rows], y[rows]) for rows in drawn]
    peer = (time.process_time() - started) / SHARED * RESAMPLES
    same = sum(np.flatnonzero(selected[:, k]).tolist() == theirs[k] for k in range(SHARED))
    print(
        f"statsmodels loop: {peer:.0f} s for as many ({SHARED} measured): {peer / ours:.0f} times"
    )
    print(f"the same terms on {same} of {SHARED} shared resamples")
    if shutil.which("Rscript"):
        seconds, found = r_stepwise(data, drawn[:SHARED_R])
        peer = seconds / SHARED_R * RESAMPLES
        same = sum(found[k] == theirs[k] for k in range(SHARED_R))
        print(f"R add1/drop1 loop: {peer:.0f} s ({SHARED_R} measured): {peer / ours:.0f} times")
        print(f"the same terms on {same} of {SHARED_R} shared resamples")


def r_stepwise(data: pd.DataFrame, drawn: np.ndarray) -> tuple[float, list[list[int]]]:
    with tempfile.TemporaryDirectory() as folder:
        script, table, rows = (Path(folder) / name for name in ("loop.R", "data.csv", "rows.csv"))
        script.write_text(R_LOOP)
        data.to_csv(table, index=False, float_format="%.17g")
        np.savetxt(rows, drawn, fmt="%d", delimiter=",")
        command = ["Rscript", str(script), str(table), str(rows)]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    seconds, *found = lines.rstrip("\n").split("\n")
    return float(seconds), [[int(term) for term in line.split()] for line in found]


if __name__ == "__main__":
    main()
