"""Files in a data folder are data: no command and no kernel runs them, whatever their names."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from make_notebook import make_notebook

from alliance_helpers.paths import RAW
from alliance_helpers.running import kernels, station

BIN = Path(sys.executable).parent
FIRST = "01_data_cleaning"
MODULES = """
alliance_helpers _ctypes asyncio codecs collections ctypes fnmatch importlib ipykernel
ipython_config ipython_kernel_config jinja2 joblib json jupyter_config jupyter_core
jupyter_lab_config jupyter_server_config logging matplotlib multiprocessing numpy os pandas
papermill pathlib pickle pkgutil random re runpy selectors signal site sitecustomize socket
startup subprocess tempfile threading traitlets typing usercustomize yaml zmq
"""
FOLDERS = ("alliance_helpers", "joblib", "papermill")
ODD = "77.25"  # as wide as no line is
PROBE = """
from alliance_helpers.pages.outputs import save_figure
import matplotlib, sys
print("LINES", matplotlib.rcParams["lines.linewidth"], matplotlib.rcParamsOrig["lines.linewidth"])
print("PATH", [p for p in sys.path if p in ("", ".")])
print("FORKED", "alliance_helpers.running.forkserver" in sys.modules)
"""
OPENS = """
from alliance_helpers import open_cohort
open_cohort(data)
"""
LIBRARY = """
import sys
from pathlib import Path
import alliance_helpers.running.runner as runner
if __name__ == "__main__":
    sys.path.insert(0, "")  # as in an interactive session, or with python -c
    notebook, out = map(Path, sys.argv[1:])
    for record in runner.run_notebooks([notebook], out, {}, jobs=1):
        print(record)
    print("PATH", sys.path[0] == "")
"""
needs_safe_kernels = pytest.mark.skipif(
    "PYTHONSAFEPATH" not in (BIN.parent / "share/jupyter/kernels/python3/kernel.json").read_text(),
    reason="the environment was not made by make: its plain kernels import from where they are",
)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The shipped tables among files that leave a mark when they are run, and the marks' folder."""
    folder, marks = tmp_path_factory.mktemp("study"), tmp_path_factory.mktemp("marks")
    for table in RAW.glob("*.csv"):
        shutil.copy(table, folder)
    for name in MODULES.split():
        place = folder / name / "__init__.py" if name in FOLDERS else folder / f"{name}.py"
        place.parent.mkdir(exist_ok=True)
        place.write_text(f"open({str(marks / name)!r}, 'w').close()\n")
    (folder / "matplotlibrc").write_text(f"lines.linewidth: {ODD}\n")
    (folder / ".env").write_text("PYTHONPATH=.\n")
    return folder, marks


def run(study, *command, code=0, **env) -> str:
    """Run a command in the folder of traps and see that none was sprung."""
    folder, marks = study
    inherited = {k: v for k, v in os.environ.items() if k not in (
        "PYTHONSAFEPATH", station.STATION_VARIABLE, kernels.PROVISIONER_VARIABLE)}  # fmt: skip
    done = subprocess.run([str(c) for c in command], cwd=folder, env=inherited | env,
                          capture_output=True, text=True)  # fmt: skip
    sprung = sorted(mark.name for mark in marks.iterdir())
    for name in sprung:
        (marks / name).unlink()
    assert not sprung, f"run by {command[0].name}: {', '.join(sprung)}"
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def lines_are_as_ever(executed: Path, forked: bool) -> None:
    cells = json.loads(executed.read_text())["cells"]
    said = ["LINES 1.5 1.5\n", "PATH []\n", f"FORKED {forked}\n"]
    assert cells[-1]["outputs"][0]["text"] == said


def test_the_traps_work(study):
    """A plain Python walks into them, so the other tests can fail."""
    with pytest.raises(AssertionError, match="joblib"):
        run(study, BIN / "python", "-c", "import joblib")


def test_reading_commands(study, tmp_path):
    run(study, BIN / "alliance", "check", "--data", ".")
    run(study, BIN / "alliance", "describe", ".", "--out", tmp_path / "draft.yml")
    run(study, BIN / "alliance", "simulate", "--n-clients", "40", "--out", tmp_path / "simulated")


def test_a_batch(study, tmp_path):
    grid = tmp_path / "grid.yml"
    grid.write_text(f"parameters: {{data: [{study[0]}]}}\n")
    said = run(study, BIN / "alliance", "batch", grid, "--out", tmp_path / "batch",
               "--jobs", "2", "--notebooks", FIRST)  # fmt: skip
    assert "1 of 1 runs done" in said


@pytest.mark.parametrize("cold", ["", "1"], ids=["warm", "cold"])
def test_runs_from_a_script(study, tmp_path, cold):
    """Kernels run where the script is called; the children of a careless process are safe too."""
    script, notebook = tmp_path / "script.py", make_notebook(tmp_path / "probe.ipynb", PROBE)
    script.write_text(LIBRARY)
    out = tmp_path / "out"
    said = run(study, BIN / "python", script, notebook, out, **{station.COLD_VARIABLE: cold})
    assert "PATH True" in said  # the caller's own path is as it was
    lines_are_as_ever(out / notebook.name, not cold)


@pytest.mark.parametrize(
    "provisioner",
    [kernels.PROVISIONER, pytest.param("local-provisioner", marks=needs_safe_kernels)],
)
def test_papermill_itself(study, tmp_path, provisioner):
    """The command, with notebooks and kernelspecs untouched: a variable chooses the kernels."""
    source, out = make_notebook(tmp_path / "source.ipynb", OPENS, PROBE), tmp_path / "out.ipynb"
    chosen = {kernels.PROVISIONER_VARIABLE: provisioner}
    if provisioner == kernels.PROVISIONER:  # a name that the kernel would look for where it is
        chosen["PYTHONSTARTUP"] = "startup.py"
        chosen[station.STATION_VARIABLE] = str(station.open_station().folder)
    said = run(study, BIN / "papermill", source, out, "-p", "data", ".", **chosen)
    warm = provisioner == kernels.PROVISIONER
    lines_are_as_ever(out, warm)
    assert ("TCP" in said) != warm  # papermill warns of channels that others could read
