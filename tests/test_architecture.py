"""The rules of the house: eight rooms and one door, short files, nothing that runs text as code."""

import ast
import json
import re
import subprocess
import sys
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
# In the order in which data pass through them: a room imports from itself and from rooms above.
ROOMS = (
    "errors",
    "paths",
    "study",
    "cohorts",
    "models",
    "claims",
    "pages",
    "drafting",
    "teaching",
    "running",
)
LAST = ("teaching", "running")
LAST_ONLY = {"papermill", "nbclient", "ipywidgets", "click", "dask", "distributed"}
FORBIDDEN = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "patsy", "formulaic"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "read_pickle", "from_formula", "system"}
MOST_NAMES = 60
MOST_LINES = 500
MOST_FUNCTION_LINES = 60
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


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
            named = {f"{inside}.{a.name}".removeprefix(".") for a in node.names}
            through = f"{name}:{node.lineno} goes through the door; import from the room"
            assert inside or named <= set(MODULES), through
            found |= {inside} | named
    return found & set(MODULES)


def room(name: str) -> str:
    return name.split(".")[0]


def outside_imports(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").split(".")[0])
    return found


def test_nothing_but_the_rooms():
    assert {room(name) for name in MODULES} == set(ROOMS)
    stems = [name.split(".")[-1] for name in MODULES]
    assert len(stems) == len(set(stems)), "two files of one name"


@pytest.mark.parametrize("name", MODULES)
def test_imports_only_from_rooms_above(name):
    place = ROOMS.index(room(name))
    assert not {m for m in own_imports(name) if ROOMS.index(room(m)) > place}


def test_no_cycles():
    edges = {name: own_imports(name) for name in MODULES}
    while leaves := [name for name, needs in edges.items() if not needs & set(edges)]:
        for name in leaves:
            del edges[name]
    assert not edges


@pytest.mark.parametrize("notebook", sorted(NOTEBOOKS.rglob("*.ipynb")), ids=lambda p: p.stem)
def test_a_notebook_comes_through_the_door(notebook):
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
    named = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.ImportFrom)]
    kit = [n for n in named if n.module.split(".")[0] == "alliance_helpers"]
    assert len(kit) <= 1
    assert all(n.module == "alliance_helpers" for n in kit)
    assert not re.findall(r"import alliance_helpers", text)
    for node in kit:
        assert {a.name for a in node.names} <= set(alliance_helpers.__all__)


def test_the_door_opens_on_every_name_and_costs_nothing():
    for name in alliance_helpers.__all__:
        assert getattr(alliance_helpers, name) is not None
    shown = [name for name in dir(alliance_helpers) if not name.startswith("__")]
    assert shown == alliance_helpers.__all__, "tab completion"
    assert len(shown) <= MOST_NAMES
    with pytest.raises(AttributeError, match="nothing_of_that_name"):
        _ = alliance_helpers.nothing_of_that_name
    lines = alliance_helpers.__doc__.splitlines()
    for name in alliance_helpers.__all__:
        (line,) = [x for x in lines if re.match(rf" +{name} +\w", x)]
        assert len(line.split(maxsplit=1)[1]) > 10, f"{name} answers nothing"
    assert (PACKAGE / "py.typed").is_file()
    code = "import alliance_helpers, sys; print('numpy' in sys.modules, 'pandas' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "False False\n"


@pytest.mark.parametrize("name", MODULES)
def test_only_the_last_rooms_run_notebooks(name):
    if room(name) not in LAST:
        assert not outside_imports(TREES[name]) & LAST_ONLY


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


@pytest.mark.parametrize("name", [m for m in MODULES if room(m) not in LAST])
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
