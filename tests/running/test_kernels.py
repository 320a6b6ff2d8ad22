"""Warm kernels: as clean as cold ones, off the network, and gone when their owner is."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from make_notebook import make_notebook

from alliance_helpers.paths import ROOT
from alliance_helpers.running import station
from alliance_helpers.running.forkserver import rehearse
from alliance_helpers.running.runner import run_notebook

pytestmark = pytest.mark.skipif(
    station.fork_problem() is not None, reason=f"no forking: {station.fork_problem()}"
)
PROBE = """
import json, locale, os, signal, socket, sys, threading, warnings
import matplotlib, numpy as np, pandas as pd, matplotlib.pyplot as plt, psutil
me = psutil.Process()
listening = [c for c in me.net_connections("inet") if c.status == psutil.CONN_LISTEN]
own = ("JPY_", "ALLIANCE_", "KMP_")  # the last is set by an import of joblib
environment = {k: v for k, v in os.environ.items() if not k.startswith(own)}
state = {
    "rc": {k: repr(v) for k, v in matplotlib.rcParams.items()},
    "pandas": {k: repr(pd.get_option(k)) for k in ("display.max_rows", "display.precision")},
    "path": sys.path, "cwd": os.getcwd(), "env": environment, "umask": os.umask(0o22),
    "numpy": np.geterr(), "locale": locale.getlocale(), "figures": plt.get_fignums(),
    "main": __name__, "signals": repr([signal.getsignal(s) for s in (2, 15, 17)]),
    "names": sorted(n for n in globals() if not n.startswith("_")),
    "argv": sys.argv[1:2], "stdin": sys.stdin is None, "leader": os.getsid(0) == os.getpid(),
}
own = {"pid": os.getpid(), "random": np.random.random(), "listening": len(listening),
    "python_random": __import__("random").random(), "forked": "seaborn" in sys.modules}
json.dump([state, own], open(PLACE, "w"))
"""
PICTURE = """
import seaborn as sns
fig, ax = plt.subplots()
sns.histplot(np.random.default_rng(1).normal(size=50), ax=ax);
"""


def probe(folder: Path, name: str) -> tuple[dict, dict, bytes]:
    place = folder / f"{name}.json"
    notebook = make_notebook(folder / "probe.ipynb", PROBE.replace("PLACE", "place"), PICTURE)
    notebook.write_text(notebook.read_text().replace("data: str = ", "place: str = "))
    record = run_notebook(notebook, folder / f"{name}.ipynb", {"place": str(place)}, cwd=folder)
    assert record.status == "done", record
    cells = json.loads((folder / f"{name}.ipynb").read_text())["cells"]
    outputs = [output["data"]["image/png"] for output in cells[-1]["outputs"]]
    return *json.loads(place.read_text()), outputs


def test_a_warm_kernel_is_in_the_state_of_a_cold_one(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("ONLY_HERE", "1")
    warm, first, picture = probe(tmp_path, "warm")
    again, second, _ = probe(tmp_path, "again")
    monkeypatch.setenv(station.COLD_VARIABLE, "1")
    cold, third, cold_picture = probe(tmp_path, "cold")
    assert station.COLD_VARIABLE in caplog.text  # it says why it is slower
    assert (first["forked"], second["forked"], third["forked"]) == (True, True, False)
    for state in (warm, again, cold):
        state["names"] = [n for n in state["names"] if n not in ("exit", "quit", "open")]
    assert warm == cold
    assert again == cold
    assert picture == cold_picture
    for mine in (first, second, third):
        assert mine["listening"] == 0
    assert len({mine["random"] for mine in (first, second, third)}) == 3
    assert len({mine["python_random"] for mine in (first, second, third)}) == 3


def test_the_rehearsal_comes_to_its_end(capfd):
    rehearse()
    assert capfd.readouterr() == ("", "")


def test_the_fork_server_runs_one_thread_and_its_folder_is_private(tmp_path):
    notebook, place = make_notebook(tmp_path / "n.ipynb", "1"), station.open_station()
    before = {entry.name for entry in place.folder.iterdir()}
    assert run_notebook(notebook, None, {}).status == "done"
    assert len(list(Path(f"/proc/{place.server.pid}/task").iterdir())) == 1
    assert stat.S_IMODE(place.folder.stat().st_mode) & 0o777 == 0o700
    left = {entry.name for entry in place.folder.iterdir()}
    assert left == before >= {station.LOCK, station.SOCKET}  # the kernel's channels are gone


def test_what_a_forked_child_prints_reaches_the_notebook(tmp_path):
    child = "import os\npid = os.fork()\nif pid == 0:\n    print('from a child', flush=True)\n"
    child += "    os._exit(0)\nos.waitpid(pid, 0)\nimport time; time.sleep(0.3)"
    notebook = make_notebook(tmp_path / "n.ipynb", child)
    out = tmp_path / "out.ipynb"
    assert run_notebook(notebook, out, {}).status == "done"
    assert "from a child" in out.read_text()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # gone while it was read
        return False


def gone(pids: list[int], seconds: float = 5) -> bool:
    deadline = time.monotonic() + seconds
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(map(alive, pids))


OWNER = """
import json, os, sys, time
from alliance_helpers.running import station
place = station.open_station()
folder = str(place.folder)
info = {f"{name}_port": i for i, name in enumerate("shell iopub stdin control hb".split(), 1)}
info |= {"key": "k", "transport": "ipc", "signature_scheme": "hmac-sha256"}
forked = []
for name in ("a", "b"):
    json.dump(info | {"ip": f"{folder}/{name}"}, open(f"{folder}/{name}.json", "w"))
    request = {"argv": ["-f", f"{folder}/{name}.json"], "cwd": "/", "env": dict(os.environ)}
    forked.append(station.ask(request, [1, 2]))
print(json.dumps([folder, place.server.pid, *[kernel.pid for kernel in forked]]), flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("victim", ["owner", "server"])
def test_a_killed_process_takes_its_kernels_along_and_nothing_else(victim):
    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE) as owner:
        folder, server, first, second = json.loads(owner.stdout.readline())
        try:
            assert all(map(alive, (server, first, second)))
            os.kill(first, signal.SIGKILL)
            assert gone([first])
            assert alive(server) and alive(second)
            os.kill(owner.pid if victim == "owner" else server, signal.SIGKILL)
            assert gone([second, server])
        finally:
            owner.kill()
            assert gone([server])
            for left in Path(folder).iterdir():
                left.unlink()
            Path(folder).rmdir()


def test_a_new_server_is_started_when_the_old_one_was_killed(tmp_path):
    notebook = make_notebook(tmp_path / "n.ipynb", "1")
    first = station.open_station().server
    first.kill()
    first.wait()
    record = run_notebook(notebook, None, {})
    assert record.status == "done", record
    assert station.open_station().server.pid != first.pid


def test_a_helper_edited_after_the_libraries_were_loaded_is_imported_anew(tmp_path):
    package = tmp_path / "alliance_helpers"
    shutil.copytree(ROOT / "alliance_helpers", package)
    added = package / "study" / "added.py"
    code = "from alliance_helpers.study import added\n"
    code += "from alliance_helpers.running import forkserver\nstamps = forkserver.helper_stamps()"
    added.write_text("A = 1\n")
    code += f"\nopen({str(added)!r}, 'w').write('A = 22\\n')"
    code += "\nassert forkserver.helper_stamps() != stamps\nforkserver.forget_helpers()"
    code += "\nfrom alliance_helpers.study.added import A\nprint(A)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout == "22\n", done.stderr


def test_folders_of_dead_owners_are_swept(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(Path("/tmp")))
    dead, living = Path("/tmp/alliance-dead"), station.private_folder()
    dead.mkdir()
    (dead / station.LOCK).touch()
    for folder in (dead, living):
        os.utime(folder / station.LOCK, (0, 0))
    another = station.private_folder()
    try:
        assert not dead.exists()
        assert living.exists()
    finally:
        living.joinpath(station.LOCK).unlink()
        another.joinpath(station.LOCK).unlink()
        living.rmdir()
        another.rmdir()


def test_a_kernel_may_be_given_so_much_memory_and_no_more(tmp_path, monkeypatch):
    monkeypatch.setenv(station.MEMORY_VARIABLE, "400")
    notebook = make_notebook(
        tmp_path / "n.ipynb", "small = b'0' * (3 * 10**8)", "large = b'0' * 10**10"
    )
    record = run_notebook(notebook, None, {})
    assert (record.error_cell, record.error_name) == (3, "MemoryError")
