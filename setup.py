"""A wheel carries data and notebooks inside the package; an editable install reads them here."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

# By name, since what else lies in these folders may be somebody's records.
CARRIED = ("data/*.yml", "data/*.json", "data/verdict_rates.csv", "data/raw/*.csv",
           "data/over_time/*.yml", "notebooks/*_*.ipynb")  # fmt: skip


class Carrying(build_py):
    def run(self):
        super().run()
        if self.editable_mode:
            return
        for file in (f for pattern in CARRIED for f in sorted(Path().glob(pattern))):
            target = Path(self.build_lib, "alliance_helpers", "carried", file)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)


setup(cmdclass={"build_py": Carrying})
