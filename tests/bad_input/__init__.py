"""The corpus of bad inputs; importing it fills CASES."""

from . import codebooks, files, values
from .make import CASES, good, write

__all__ = ["CASES", "codebooks", "files", "good", "values", "write"]
