"""Processes that the kit starts import what is installed, never what lies in the working folder.

That may be a study's data folder, and a file there called `socket.py` is data.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

from ..paths import ROOT

SAFE_PATH = {"PYTHONSAFEPATH": "1"}  # of the environment; IPython's kernels heed it too


@contextlib.contextmanager
def installed_modules_only() -> Iterator[None]:
    """Start Python processes inside that import nothing from the working folder.

    Those that copy this process's own path (joblib's do) find it without that folder as well.
    """
    before = {name: os.environ.get(name) for name in SAFE_PATH}
    here = os.path.realpath(os.curdir)
    kept = os.path.realpath(ROOT)  # where the kit itself may come from
    left_out = [
        (i, entry) for i, entry in enumerate(sys.path) if os.path.realpath(entry) == here != kept
    ]
    for _, entry in left_out:
        sys.path.remove(entry)
    os.environ.update(SAFE_PATH)
    try:
        yield
    finally:
        for i, entry in left_out:
            sys.path.insert(i, entry)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
