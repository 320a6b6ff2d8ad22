"""Batches: the same findings whatever happens on the way, and every failure with its reason."""

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import psutil
import pytest
from joblib.externals.loky import get_reusable_executor
from make_notebook import FINDINGS, SUMMARY, make_notebook

from alliance_helpers.errors import OutputError, ParameterError, RunError
from alliance_helpers.paths import RAW, UNSEEN_VARIABLE
from alliance_helpers.running import batch, station
from alliance_helpers.running.workers import connect_dask

HERE = Path(__file__).parent
# What a run may meet: the file named FAULTS holds the words that are in force.
TROUBLE = """
faults = Path(FAULTS).read_text().split() if Path(FAULTS).exists() else []
if seed == 2 and "kill" in faults:
    os.kill(os.getpid(), 9)
if seed == 3 and "hang" in faults:
    time.sleep(60)
if seed == 4 and "raise" in faults:
    raise ValueError("four is too much")
if "fill" in faults and seed > 2:
    with open(faults[-1], "ab") as file:
        while True:
            file.write(bytes(1000))
            file.flush()
if "slow" in faults:
    time.sleep(0.5)
"""


@pytest.fixture(scope="module", autouse=True)
def workers_gone():
    with pytest.MonkeyPatch.context() as patch:  # somebody may be editing a helper meanwhile
        patch.setattr("alliance_helpers.running.batch.helper_files", dict)
        yield
    get_reusable_executor().shutdown(wait=True, kill_workers=True)


@pytest.fixture
def place(tmp_path):
    """A folder with two notebooks, a grid of four runs, and a file that brings trouble."""
    trouble = TROUBLE.replace("FAULTS", repr(str(tmp_path / "faults")))
    make_notebook(tmp_path / "01_first.ipynb", "print(seed)")
    make_notebook(tmp_path / "02_summary.ipynb", SUMMARY, trouble, FINDINGS)
    (tmp_path / "grid.yml").write_text("parameters: {seed: {from: 1, to: 4}, n_clients: [50]}")
    return tmp_path


def run(place, out="out", **more):
    options = {"folder": place, "notebooks": ["02"], "jobs": 2} | more
    return batch.run_batch(place / "grid.yml", place / out, **options)


def contents(out: Path) -> dict[str, bytes]:
    return {n: (out / n).read_bytes() for n in ("findings.csv", "findings.parquet")}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The findings of a batch of one worker that met no trouble."""
    folder = tmp_path_factory.mktemp("undisturbed")
    make_notebook(
        folder / "02_summary.ipynb", SUMMARY, TROUBLE.replace("FAULTS", "'/nowhere'"), FINDINGS
    )
    (folder / "grid.yml").write_text("parameters: {seed: {from: 1, to: 4}, n_clients: [50]}")
    assert run(folder, jobs=1).exit_code == 0
    return contents(folder / "out")


def test_a_kernel_killed_a_hang_and_an_error_cost_their_own_runs_only(place, undisturbed):
    (place / "faults").write_text("kill hang raise")
    summary = run(place, notebooks=None, timeout=4)
    assert (summary.done, summary.failed, summary.exit_code) == (1, 3, 1)
    runs = pd.read_csv(place / "out" / "runs.csv", index_col="run")
    assert runs.loc[1, "status"] == "done"
    failed = runs.loc[[2, 3, 4]]
    assert failed["error_notebook"].tolist() == ["02_summary"] * 3
    assert failed["error_cell"].tolist() == [4] * 3  # parameters twice, imports, trouble
    assert failed["error_name"].tolist() == ["DeadKernelError", "TimeoutError", "ValueError"]
    assert failed["error_message"].iloc[2] == "four is too much"
    assert "4 s" in failed["error_message"].iloc[1]
    assert runs["seconds_01_first"].notna().all()
    kept = sorted(p.relative_to(place / "out") for p in (place / "out" / "notebooks").rglob("*.*"))
    assert kept == [Path(f"notebooks/00000{i}/02_summary.ipynb") for i in (2, 3, 4)]
    page = (place / "out" / "batch.html").read_text()
    assert "ValueError: four is too much" in page

    (place / "faults").unlink()
    again = run(place, notebooks=None, resume=True)
    assert (again.done, again.resumed, again.exit_code) == (4, 1, 0)
    assert contents(place / "out") == undisturbed
    assert not list((place / "out" / "notebooks").rglob("*.ipynb"))
    assert not (place / "out" / ".scratch").exists()


DRAWS = """
from alliance_helpers.pages.outputs import save_figure
picture = save_figure(plt.figure(label="Nothing."), "nothing", out)
picture"""


@pytest.mark.parametrize(("keep", "jobs"), [("failed", 1), ("none", 2), ("all", 2)])
def test_figures_are_drawn_only_where_every_notebook_is_kept(place, keep, jobs):
    (place / "faults").write_text("raise")
    trouble = TROUBLE.replace("FAULTS", repr(str(place / "faults")))
    make_notebook(place / "02_summary.ipynb", SUMMARY, DRAWS, trouble, FINDINGS)
    (place / "grid.yml").write_text("parameters: {seed: [3, 4]}")
    assert run(place, keep=keep, jobs=jobs).failed == 1
    kept = sorted((place / "out" / "notebooks").rglob("*.ipynb"))
    assert len(kept) == {"all": 2, "failed": 1, "none": 0}[keep]
    for notebook in kept:
        text = notebook.read_text()
        assert ("image/png" in text) == (keep == "all")
        assert ("[not drawn] Nothing." in text) == (keep != "all")
    assert UNSEEN_VARIABLE not in os.environ


def test_a_killed_worker_costs_nothing(place, undisturbed):
    (place / "faults").write_text("slow")

    def kill_one():
        children = psutil.Process().children()
        workers = [c for c in children if any("loky" in part for part in c.cmdline())]
        workers[-1].kill()

    killer = after_a_run(place, kill_one)
    summary = run(place)
    killer.join()
    assert summary.exit_code == 0
    assert contents(place / "out") == undisturbed


def test_a_cold_kernel_brings_the_same_bytes(place, monkeypatch):
    (place / "grid.yml").write_text("parameters: {seed: [7]}")
    run(place, "warm")
    monkeypatch.setenv(station.COLD_VARIABLE, "1")  # one job: in this process
    run(place, "cold", keep="all", jobs=1)
    assert contents(place / "warm") == contents(place / "cold")
    assert (place / "cold" / "notebooks" / "000001" / "02_summary.ipynb").exists()


WHOLE = """
import sys
sys.path.insert(0, {here!r})
from pathlib import Path
from alliance_helpers.running import batch
batch.helper_files = dict
place = Path({place!r})
s = batch.run_batch(place / "grid.yml", place / "out", folder=place, notebooks=["02"], resume=True)
sys.exit(s.exit_code)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_batch_leaves_no_process_and_is_resumed_to_the_same_bytes(
    place, undisturbed, how, monkeypatch
):
    monkeypatch.delenv(station.STATION_VARIABLE)
    (place / "faults").write_text("hang")  # so that it cannot end before it is stopped
    code = WHOLE.format(here=str(HERE), place=str(place))
    with subprocess.Popen(
        [sys.executable, "-c", code], start_new_session=True, stderr=subprocess.PIPE
    ) as process:
        deadline = time.monotonic() + 60
        while not list(place.glob("out/runs/*.json")) and time.monotonic() < deadline:
            time.sleep(0.02)
        family = psutil.Process(process.pid).children(recursive=True)
        os.kill(process.pid, how)
        said = process.stderr.read().decode()
        code = process.wait(20)
    assert len(family) >= 3  # two workers and the fork server, with their kernels
    assert psutil.wait_procs(family, timeout=10)[1] == []
    assert code == (-signal.SIGKILL if how == signal.SIGKILL else 1)
    assert "Traceback" not in said
    if how != signal.SIGKILL:
        runs = pd.read_csv(place / "out" / "runs.csv")
        assert set(runs["status"]) == {"done", "missing"}
    before = len(list(place.glob("out/runs/*.json")))
    assert 0 < before < 4
    (place / "faults").unlink()
    summary = run(place, resume=True)
    assert (summary.exit_code, summary.resumed) == (0, before)
    assert contents(place / "out") == undisturbed


def test_a_time_limit_of_a_cluster_sums_up_what_is_done(place):
    (place / "faults").write_text("slow")
    killer = after_a_run(place, lambda: os.kill(os.getpid(), signal.SIGTERM))
    stopped = run(place, jobs=1)
    killer.join()
    assert (stopped.exit_code, stopped.failed) == (1, 0)
    assert stopped.done and stopped.missing
    runs = pd.read_csv(place / "out" / "runs.csv")
    assert set(runs["status"]) == {"done", "missing"}


def test_a_full_disk_leaves_whole_files_and_is_resumed_to_the_same_bytes(place, undisturbed):
    disk = place / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")
    try:
        (place / "faults").write_text("fill " + str(disk / "filler"))
        try:
            assert run(place, "disk/out").exit_code == 1
        except RunError as error:
            assert "No space left" in str(error)
        for record in disk.glob("out/runs/*"):
            json.loads(record.read_text())  # whole, and nothing but records
        (disk / "filler").unlink()
        (place / "faults").unlink()
        assert run(place, "disk/out", resume=True).exit_code == 0
        assert contents(disk / "out") == undisturbed
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_folder_that_cannot_be_written_is_refused_before_anything_starts(place):
    (place / "file").touch()
    with pytest.raises(OutputError, match="file/out cannot be"):
        run(place, "file/out")


def test_a_folder_that_holds_something_else_is_refused(place):
    (place / "grid.yml").write_text("parameters: {seed: [1]}")
    run(place)
    with pytest.raises(ParameterError, match=r"holds another batch.*--resume"):
        run(place)
    (place / "mine").mkdir()
    (place / "mine" / "thesis.tex").touch()
    with pytest.raises(ParameterError, match="not empty"):
        run(place, "mine")


def test_resume_refuses_what_is_not_the_same_and_says_why(place, monkeypatch):
    (place / "grid.yml").write_text("parameters: {seed: [1]}")
    run(place)
    with pytest.raises(ParameterError, match="the notebook 01_first is new or gone"):
        run(place, resume=True, notebooks=None)
    helper = lambda: {"batch": Path(batch.__file__)}  # noqa: E731
    monkeypatch.setattr("alliance_helpers.running.batch.helper_files", helper)
    with pytest.raises(ParameterError, match="the helper batch is new or gone"):
        run(place, resume=True)
    monkeypatch.setattr("alliance_helpers.running.batch.helper_files", dict)
    monkeypatch.setattr("alliance_helpers.running.runner.version", lambda name: "0.0")
    with pytest.raises(ParameterError, match=r"the version of numpy was \S+ and is 0.0"):
        run(place, resume=True)
    monkeypatch.undo()
    monkeypatch.setattr("alliance_helpers.running.batch.helper_files", dict)
    (place / "grid.yml").write_text("parameters: {seed: [1, 2]}")
    with pytest.raises(ParameterError, match="the grid changed"):
        run(place, resume=True)
    (place / "grid.yml").write_text("parameters: {seed: [1]}")
    make_notebook(place / "02_summary.ipynb", SUMMARY, FINDINGS)
    with pytest.raises(ParameterError, match="the notebook 02_summary changed"):
        run(place, resume=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep": "some"}, "keep must be one of all, failed, none"),
        ({"jobs": 0}, "jobs at least 1"),
        ({"timeout": 0}, "timeout above 0"),
        ({"notebooks": ["07"]}, "no notebook 07; there are 01_first, 02_summary"),
        ({"dask": "tcp://127.0.0.1:9"}, "No Dask scheduler that can be used answers"),
    ],
)
def test_wrong_options_start_nothing(place, options, message, monkeypatch):
    monkeypatch.setattr("alliance_helpers.running.workers.ANSWER", 1)
    with pytest.raises(ParameterError, match=message):
        run(place, **options)
    assert not (place / "out").exists()


@pytest.mark.parametrize(
    "how",
    [{"tags": ()}, {"parameters": "seed: int = 1"}],
    ids=["no cell is tagged", "the tagged cell has no data"],
)
def test_a_notebook_that_would_show_another_study_starts_no_batch(place, how):
    make_notebook(place / "01_first.ipynb", "print(1)", **how)
    (place / "grid.yml").write_text(f"parameters: {{data: [{json.dumps(str(RAW))}]}}")
    with pytest.raises(ParameterError, match=r"(?s)01_first.*tagged `parameters`"):
        run(place, notebooks=["01", "02"])
    assert not (place / "out").exists()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ("data: [/no/such/folder]", "/no/such/folder"),
        ("scenario: [published, publisht]", "publisht"),
        ("scenario: ['', halo], data: [/tmp]", "Both data"),
    ],
)
def test_studies_that_cannot_be_had_are_refused(place, parameters, message):
    (place / "grid.yml").write_text(f"parameters: {{{parameters}}}")
    with pytest.raises(ParameterError, match=message):
        run(place)
    assert not (place / "out").exists()


@pytest.fixture(scope="module")
def cluster():
    """A real scheduler and two real worker processes on the loopback, for two tests.

    One kills a worker and the other the scheduler, in this order.
    """
    pytest.importorskip("distributed")
    env = {k: v for k, v in os.environ.items() if k != station.STATION_VARIABLE}
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--no-dashboard"]
    processes = [
        subprocess.Popen(
            [*dask, "--host", "127.0.0.1", "--port", "0"], env=env, stderr=subprocess.PIPE
        )
    ]
    address = ""
    while "tcp://" not in address:
        address = processes[0].stderr.readline().decode()
    address = address.split()[-1]
    threading.Thread(target=processes[0].stderr.read, daemon=True).start()
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1"]
    for _ in range(2):
        processes.append(
            subprocess.Popen(
                [*worker, "--no-nanny", "--no-dashboard"], env=env, stderr=subprocess.DEVNULL
            )
        )
    from distributed import Client

    with Client(address) as client:
        client.wait_for_workers(2, timeout=60)
    yield address, processes
    for process in reversed(processes):
        process.kill()
        process.wait()


def test_a_dask_cluster_brings_the_same_bytes_and_survives_a_killed_worker(
    place, undisturbed, cluster
):
    address, processes = cluster
    (place / "faults").write_text("slow")
    killer = after_a_run(place, processes[1].kill)
    summary = run(place, dask=address)
    killer.join()
    assert summary.exit_code == 0
    assert contents(place / "out") == undisturbed


def test_an_address_without_a_port_leaves_no_client_that_waits_at_its_end():
    client = pytest.importorskip("distributed").Client
    before = sum(type(x) is client for x in gc.get_objects())
    with pytest.raises(ParameterError, match="answers at nonsense within"):
        connect_dask("nonsense")
    assert sum(type(x) is client for x in gc.get_objects()) <= before


def test_a_scheduler_that_dies_stops_the_batch_which_is_resumed_without_it(
    place, undisturbed, cluster
):
    address, processes = cluster
    (place / "faults").write_text("slow")
    killer = after_a_run(place, processes[0].kill)
    with pytest.raises(RunError, match=r"stopped working.*--resume"):
        run(place, dask=address)
    killer.join()
    (place / "faults").unlink()
    again = run(place, resume=True)
    assert again.exit_code == 0 and again.resumed
    assert contents(place / "out") == undisturbed


def after_a_run(place: Path, kill: Callable[[], object]) -> threading.Thread:
    """Do something as soon as the batch has its first run."""

    def wait():
        while not list(place.glob("out/runs/*.json")):
            time.sleep(0.02)
        kill()

    killer = threading.Thread(target=wait)
    killer.start()
    return killer
