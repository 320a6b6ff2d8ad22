"""A notebook's page survives what cannot be estimated: its place says why it is not there.

From `open_cohort` on, each statement of a cell that fails with a `NotEstimableError` is told where
its table or figure would stand, and the rest goes on. What the statement would have named is a
`Lacking`, and whatever is worked out from that is told in the same way. Any other error ends the
notebook as ever.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from html import escape

from ..errors import NotEstimableError

NAME = "_surviving"  # of the function in a notebook
ODD = (ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr)  # would mean something else in a lambda


class Lacking:
    """Stands for what could not be estimated; nothing can be worked out from it either."""

    def __init__(self, why: str, name: str = "", parts: int = 1) -> None:
        self._why, self._name, self._parts = why, name, parts

    def __getattr__(self, name: str) -> object:
        if name.startswith("_"):  # what Jupyter and Python ask of everything
            raise AttributeError(name)
        raise NotEstimableError(self._why)

    def __iter__(self) -> Iterator[Lacking]:
        if self._parts == 1:
            raise NotEstimableError(self._why)
        return iter([Lacking(self._why)] * self._parts)

    def _refuse(self, *_: object, **__: object) -> object:
        raise NotEstimableError(self._why)

    __bool__ = __call__ = __getitem__ = __len__ = _refuse

    def __repr__(self) -> str:
        what = self._name.replace("_", " ").capitalize()
        told = f"{what}: not estimable" if what else "Not estimable"
        return f"{told}, since {self._why.rstrip('.')}."

    def _repr_html_(self) -> str:
        return f'<p class="lacking">{escape(repr(self))}</p>'


def surviving(call: Callable[[], object], name: str, parts: int) -> object:
    """What a statement gives; a :class:`Lacking` for its `parts` names, or shown if it has none."""
    try:
        return call()
    except NotEstimableError as error:
        why = str(error).removeprefix("not estimable: ").removeprefix("Not estimable: ")
    if parts:
        return Lacking(why, name, parts)
    from IPython.display import display

    return display(Lacking(why, name))


class Survivor(ast.NodeTransformer):
    """Rewrites a cell so that each of its statements goes through :func:`surviving`."""

    def visit_Module(self, module: ast.Module) -> ast.Module:
        for statement in module.body:
            named = isinstance(statement, ast.Assign) and len(statement.targets) == 1
            if named or isinstance(statement, ast.Expr):
                target = statement.targets[0] if named else None
                parts = len(target.elts) if isinstance(target, ast.Tuple) else int(named)
                statement.value = self._wrapped(statement.value, parts)
        return ast.fix_missing_locations(module)

    def _wrapped(self, value: ast.expr, parts: int) -> ast.expr:
        inside = list(ast.walk(value))
        if any(isinstance(n, ODD) or getattr(n, "id", "") == "get_ipython" for n in inside):
            return value
        saved = isinstance(value, ast.Call) and getattr(value.func, "id", "").startswith("save_")
        name = [a.value for a in value.args if isinstance(a, ast.Constant)] if saved else []
        how = [ast.Constant(str((*name, "")[0])), ast.Constant(parts)]
        none = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
        call = ast.Call(ast.Name(NAME, ast.Load()), [ast.Lambda(none, value), *how], [])
        return ast.copy_location(call, value)


def survive() -> None:
    """Have this notebook, if it is one, survive what cannot be estimated."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None and NAME not in shell.user_ns:
        shell.user_ns[NAME] = surviving
        shell.ast_transformers.append(Survivor())
