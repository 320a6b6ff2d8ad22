"""Writes every bad input into a folder: `python tests/bad_input FOLDER`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from bad_input import CASES, write

for name in CASES:
    write(Path(sys.argv[1]), name)
sys.stdout.write(f"{len(CASES)} cases in {sys.argv[1]}\n")
