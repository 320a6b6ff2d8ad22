"""Every example in a docstring runs and gives what it says."""

import doctest
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
from test_architecture import MODULES

import alliance_helpers

GIVEN = {"np": np, "pd": pd, **{n: getattr(alliance_helpers, n) for n in alliance_helpers.__all__}}
"""What examples of public names begin with; the door's own text says so."""


@pytest.mark.parametrize("module", MODULES)
def test_examples(module):
    found = doctest.DocTestFinder(exclude_empty=True).find(
        import_module(f"alliance_helpers.{module}")
    )
    runner, said = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS), []
    for test in found:
        name = test.name.split(".")[-1]
        if getattr(GIVEN.get(name), "__module__", None) == f"alliance_helpers.{module}":
            test.globs = dict(GIVEN)  # a reader has not the module's own names
        runner.run(test, out=said.append)
    assert not runner.failures, "".join(said)
