"""Results to tables, figures and the report; nothing here fits a model."""

import contextlib
import os

# matplotlib takes its settings from a file where it is imported, and that may be a study's folder.
_AWAY = contextlib.chdir(os.path.dirname(os.path.abspath(__file__)))
with _AWAY if os.path.exists("matplotlibrc") else contextlib.nullcontext():
    import matplotlib  # noqa: F401
