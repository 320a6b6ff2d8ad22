"""The rules of the house: layers, module size, and nothing that runs text as code."""

import ast
from pathlib import Path

import pytest

import alliance_helpers

FOLDER = Path(alliance_helpers.__file__).parent
MODULES = {p.stem: p for p in sorted(FOLDER.glob("*.py")) if p.stem != "__init__"}
LAYERS = {
    "ground": """paths errors wording dictionary yaml_text quick_imports codebook_rules codebook
        arguments""",
    "data": """notes cells links checks raw_files delimited labelled workbooks formats sources data
        scoring stays hospital dyads cleaning scenarios latent latent_links population draws
        episodes raw_tables truth simulate study wai_names guesses draft_tables describe privacy""",
    "models": """agreement concordance contrast_model judgment surface reliability moments stepwise
        design regression selection bootstrap cr2 sandwich mixed nesting counts count_model
        count_design count_families count_likelihood inference equivalence missing chained rubin
        power calibration cohorts permutation resamples
        importance bayes_blocks partial partial_counts joint_test leave_one_out count_effects""",
    "story": """verdicts claims analyses as_1995 associations findings unavailable halo informants
        views null_results printing participants disclosure tables then_and_now outputs records
        style plots claim_plots model_plots dyad_plots evidence_plots
        information claim_data specifications multiverse multiverse_plots stressed stress
        stress_fits stress_resamples stress_evidence interval_rows missing_plots matrix_plots""",
    "edge": """grid batch batch_folder batch_page batch_plan batch_run fingerprint preload demos
        demo_views demo_halo demo_nesting demo_noise demo_nulls explorers seminar
        exercises private_kernel forkserver station kernels workers runner parameters
        sequence report widgets cli""",
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


def own_imports(tree: ast.AST) -> set[str]:
    """Names of the kit's modules that a module imports."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            found |= {node.module.split(".")[0]} if node.module else {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module.startswith("alliance_helpers"):
            found |= set(node.module.split(".")[1:2]) or {a.name for a in node.names}
    return found & set(MODULES)


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
    assert name in PLACE, f"give {name} a layer in {Path(__file__).name}"


@pytest.mark.parametrize("name", MODULES)
def test_imports_from_its_own_layer_or_above(name):
    below = {m for m in own_imports(TREES[name]) if PLACE.get(m, 0) > PLACE.get(name, EDGE)}
    assert not below


def test_no_cycles():
    edges = {name: own_imports(tree) for name, tree in TREES.items()}
    while leaves := [name for name, needs in edges.items() if not needs & set(edges)]:
        for name in leaves:
            del edges[name]
    assert not edges


@pytest.mark.parametrize("name", MODULES)
def test_only_the_edge_runs_notebooks(name):
    if PLACE.get(name) != EDGE:
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


@pytest.mark.parametrize("name", [m for m in MODULES if PLACE.get(m) != EDGE])
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
