"""Imported by the process that commands are forked from: the kit, used once on the good study."""

import tempfile
from pathlib import Path

from alliance_helpers.running.parameters import all_parameters
from alliance_helpers.running.runner import main_notebooks
from alliance_helpers.study.load import check

from .make import good

with tempfile.TemporaryDirectory() as folder:
    for name, text in good().items():
        (Path(folder) / name).write_text(text)
    check(folder)
all_parameters(main_notebooks())
