"""The rules of the house: layers, module size, and nothing that runs text as code."""

import ast
import re
from pathlib import Path

import pytest

import alliance_helpers
from alliance_helpers.paths import NOTEBOOKS

PACKAGE = Path(alliance_helpers.__file__).parent
MODULES = {
    ".".join(p.relative_to(PACKAGE).with_suffix("").parts): p
    for p in sorted(PACKAGE.rglob("*.py"))
    if p.stem != "__init__"
}
# What people and notebooks call stands at the top of the package; a folder holds what is behind it.
LAYERS = {
    "ground": "paths errors codebook codebooks writing",
    "data": "data cleaning scoring simulate study reading drafting synthetic",
    "models": """reliability agreement regression selection counts inference missing nesting power
        estimation""",
    "story": """claims findings as_1995 associations halo informants information null_results
        multiverse stress reselection two_informants views tables then_and_now outputs records plots
        judging robustness figures printed""",
    "edge": "batch kernels report widgets exercises cli running teaching",
}
PLACE = {m: i for i, names in enumerate(LAYERS.values()) for m in names.split()}
EDGE = len(LAYERS) - 1
EDGE_ONLY = {"papermill", "nbclient", "ipywidgets", "click", "dask", "distributed"}
FORBIDDEN = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "patsy", "formulaic"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "read_pickle", "from_formula", "system"}
MOST_LINES = 300
MOST_FUNCTION_LINES = 60


def trees():
    return {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


TREES = trees()


def own_imports(name: str) -> set[str]:
    """Names of the kit's modules that a module imports."""
    found = set()
    for node in ast.walk(TREES[name]):
        if not isinstance(node, ast.ImportFrom):
            continue
        above = ["alliance_helpers", *name.split(".")][: -node.level] if node.level else []
        source = ".".join([*above, *([node.module] if node.module else [])])
        if source.split(".")[0] == "alliance_helpers":
            inside = source.removeprefix("alliance_helpers").removeprefix(".")
            found |= {inside} | {f"{inside}.{a.name}".removeprefix(".") for a in node.names}
    return found & set(MODULES)


def layer(name: str) -> int:
    return PLACE[name.split(".")[0]]


def outside_imports(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").split(".")[0])
    return found


@pytest.mark.parametrize("name", MODULES)
def test_has_a_layer(name):
    assert name.split(".")[0] in PLACE, f"give {name} a layer in {Path(__file__).name}"


@pytest.mark.parametrize("name", MODULES)
def test_imports_from_its_own_layer_or_above(name):
    assert not {m for m in own_imports(name) if layer(m) > layer(name)}


def test_no_cycles():
    edges = {name: own_imports(name) for name in MODULES}
    while leaves := [name for name, needs in edges.items() if not needs & set(edges)]:
        for name in leaves:
            del edges[name]
    assert not edges


@pytest.mark.parametrize("notebook", sorted(NOTEBOOKS.rglob("*.ipynb")), ids=lambda p: p.stem)
def test_notebooks_call_what_stands_at_the_top(notebook):
    text = notebook.read_text(encoding="utf-8")
    assert not re.findall(r"alliance_helpers\.\w+\.\w+", text)


@pytest.mark.parametrize("name", MODULES)
def test_only_the_edge_runs_notebooks(name):
    if layer(name) != EDGE:
        assert not outside_imports(TREES[name]) & EDGE_ONLY


@pytest.mark.parametrize("name", MODULES)
def test_nothing_runs_text_as_code(name):
    assert not outside_imports(TREES[name]) & FORBIDDEN
    for node in ast.walk(TREES[name]):
        assert not isinstance(node, ast.Assert), f"{name}:{node.lineno} asserts"
        if isinstance(node, ast.Call):
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            plain_compile = called == "compile" and isinstance(node.func, ast.Attribute)
            assert called not in FORBIDDEN_CALLS or plain_compile, f"{name}:{node.lineno} {called}"
            shell = [k for k in node.keywords if k.arg == "shell"]
            assert not shell, f"{name}:{node.lineno} uses a shell"
        if isinstance(node, ast.ExceptHandler):
            silent = len(node.body) == 1 and isinstance(node.body[0], ast.Pass)
            assert not (silent and node.type is None), f"{name}:{node.lineno} hides errors"


@pytest.mark.parametrize("name", [m for m in MODULES if layer(m) != EDGE])
def test_helpers_do_not_print(name):
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.Call):
            assert getattr(node.func, "id", "") != "print", f"{name}:{node.lineno} prints"


@pytest.mark.parametrize("name", MODULES)
def test_is_short(name):
    assert len(MODULES[name].read_text(encoding="utf-8").splitlines()) <= MOST_LINES
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.FunctionDef):
            body = node.body
            documented = isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)
            first = body[1].lineno if documented and len(body) > 1 else body[0].lineno
            length = node.end_lineno - first + 1
            assert length <= MOST_FUNCTION_LINES, f"{name}.{node.name} has {length} lines"
