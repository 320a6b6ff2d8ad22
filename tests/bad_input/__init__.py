"""The corpus of bad inputs; importing it fills CASES."""

from . import codebooks, files, further, values
from .make import CASES, good, write

__all__ = ["CASES", "codebooks", "files", "further", "good", "values", "write"]
