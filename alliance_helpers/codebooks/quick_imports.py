"""Leave out an import that costs more than a second and does nothing here."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

IRI_GRAMMAR = "rfc3987_syntax"


@contextlib.contextmanager
def without_iri_grammar() -> Iterator[None]:
    """Import jsonschema (or nbformat, papermill) inside this to skip its check of `iri` formats.

    jsonschema builds a grammar of internationalised addresses when it is imported, which takes
    about 1.2 s on the machine this was written on. No schema used here has such a format.

    Examples
    --------
    >>> with without_iri_grammar():
    ...     import jsonschema
    """
    absent = IRI_GRAMMAR not in sys.modules
    if absent:
        sys.modules[IRI_GRAMMAR] = None  # an import of it fails, as if it were not installed
    try:
        yield
    finally:
        if absent:
            del sys.modules[IRI_GRAMMAR]
