"""Output folders: one writer at a time; nothing of the user's own is removed or written over."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from alliance_helpers.cohorts.simulate import simulate_study, write_study
from alliance_helpers.errors import OutputError, ParameterError
from alliance_helpers.paths import LIST, held, listed, write_whole
from alliance_helpers.running import sequence
from alliance_helpers.running.batch import BatchFolder
from alliance_helpers.running.runner import NotebookRun, RunResult

PLAN = {"the notebook 02_summary": "digest"}


def contents(folder: Path) -> dict[str, bytes]:
    files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.is_symlink())
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


@pytest.fixture
def out(tmp_path, monkeypatch):
    """Where `sequence.run_sequence` writes; what the notebooks write is three files."""

    def notebooks(paths, folder, values, *_):
        write_whole(folder / "01_a.ipynb", "{}")
        write_whole(Path(values["out"]) / "tables" / "a.csv", f"seed\n{values.get('seed')}\n")
        if values.get("seed") == 1:
            write_whole(Path(values["out"]) / "tables" / "only_1.csv", "x")
        return [NotebookRun("01_a", "done", 0.1)]

    monkeypatch.setattr(sequence, "run_notebooks", notebooks)
    monkeypatch.setattr(
        "alliance_helpers.pages.report.write_report",
        lambda out: write_whole(out / "report.html", "<p>"),
    )
    monkeypatch.setattr(sequence, "RESULTS", tmp_path / "results")
    return tmp_path / "paper"


def run(out, seed=1):
    return sequence.run_sequence({"seed": seed}, out).out


def test_what_another_command_wrote_is_not_replaced(out):
    """A run into the folder of its synthetic data would have taken the data away."""
    write_study(simulate_study("published", 20, 1), out)
    before = contents(out)
    with pytest.raises(OutputError, match=r"\(alliance simulate\) wrote: README.md, .*removed"):
        sequence.run_sequence({"data": str(out)}, out)
    assert contents(out) == before
    write_study(simulate_study("published", 30, 2), out)
    assert contents(out)["truth.csv"] != before["truth.csv"]


def test_a_run_states_what_it_wrote_and_replaces_it(out):
    run(out)
    about = json.loads((out / "run.json").read_text())
    assert {*about["files"], "run.json"} == {*listed(out)} == set(contents(out)) - {LIST}
    (out / "drafts").mkdir()
    run(out, seed=2)
    assert (out / "tables" / "a.csv").read_text() == "seed\n2\n"
    assert not (out / "tables" / "only_1.csv").exists()
    assert (out / "drafts").is_dir()
    with pytest.raises(ParameterError, match="'many'"):
        run(out, seed="many")
    assert (out / "tables" / "a.csv").read_text() == "seed\n2\n"


def test_what_changes_while_the_plan_is_made_fails_the_run(out, tmp_path, monkeypatch):
    folder = write_study(simulate_study("published", 20, 1), tmp_path / "study")
    planned = sequence.plan_of

    def then_changed(parameters):
        with (folder / "case_managers.csv").open("a") as file:
            file.write("\n")
        return planned(parameters)

    monkeypatch.setattr(sequence, "plan_of", then_changed)
    (record,) = sequence.run_sequence({"data": str(folder)}, out).records
    assert (record.status, record.error_name) == ("failed", "InputChanged")


def own_folders(out):
    for name in ("figures/map.png", "tables/t1.csv", "notebooks/own.ipynb"):
        (out / name).parent.mkdir(parents=True)
        (out / name).write_text("precious")


def edited(out):
    run(out)
    (out / "tables" / "a.csv").write_text("seed\n1\nmine\n")


def added(out):
    run(out)
    (out / "tables" / ".a.csv.swp").write_text("precious")


def a_link(out):
    run(out)
    (out.parent / "elsewhere").mkdir()
    (out.parent / "elsewhere" / "a.csv").write_bytes((out / "tables" / "a.csv").read_bytes())
    (out / "tables" / "a.csv").unlink()
    (out / "tables" / "a.csv").symlink_to(out.parent / "elsewhere" / "a.csv")


def an_own_run_file(out):
    (out / "tables").mkdir(parents=True)
    (out / "run.json").write_text('{"files": ["tables/a.csv"]}')
    (out / "tables" / "a.csv").write_text("precious")


def an_own_list(out):
    out.mkdir()
    (out / LIST).write_text("my alliances")


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (own_folders, "holds 3 files .*: figures/map.png, notebooks/own.ipynb, tables/t1.csv"),
        (edited, "holds 1 file .*: tables/a.csv"),
        (added, "holds 1 file .*: tables/.a.csv.swp"),
        (a_link, "holds 1 file .*: tables/a.csv"),
        (an_own_run_file, "holds 2 files .*: run.json, tables/a.csv"),
        (an_own_list, "holds 1 file .*: .alliance"),
    ],
)
def test_what_the_kit_did_not_write_is_refused_and_kept(out, make, named):
    make(out)
    before = contents(out.parent)
    with pytest.raises(OutputError, match=f"{named}. Nothing was removed. .*another folder"):
        run(out)
    assert contents(out.parent) == before


def test_what_an_interrupted_run_left_is_known_and_nothing_else(out, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(sequence, "spoiled", lambda *given: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(out)
    assert not (out / "run.json").exists()
    (out / "tables" / ".b.csv.123.part").write_text("half")
    (out / "mine.csv").write_text("precious")
    with pytest.raises(OutputError, match=r"holds 1 file .*: mine\.csv\."):
        run(out)
    (out / "mine.csv").unlink()
    write_whole(out / "tables" / "later.csv", "by hand, while nothing ran")
    with pytest.raises(OutputError, match=r"holds 1 file .*: tables/later\.csv\."):
        run(out)
    (out / "tables" / "later.csv").unlink()
    run(out, seed=2)
    assert set(contents(out)) == {
        LIST,
        "notebooks/01_a.ipynb",
        "run.json",
        "report.html",
        "tables/a.csv",
    }


def test_a_part_that_a_killed_process_left_forbids_nothing(out):
    run(out)
    (out / "tables" / ".b.csv.123.part").write_text("half")
    run(out)
    with BatchFolder(out.parent / "batch").claimed(PLAN, resume=False) as store:
        (store.path / "batch.json").rename(store.path / ".batch.json.123.part")
    with BatchFolder(out.parent / "batch").claimed(PLAN, resume=False):
        pass


@pytest.mark.parametrize("kind", ["run", "batch"])
def test_a_second_writer_is_told_who_writes(out, kind):
    with held(out, "run"), pytest.raises(OutputError, match=f"Process {os.getpid()} is writing to"):
        run(out) if kind == "run" else BatchFolder(out).claimed(PLAN, False).__enter__()
    assert not out.exists()
    run(out)


def test_of_many_at_the_same_instant_one_gets_in(tmp_path):
    for n in range(20):
        start, end, came = threading.Barrier(4), threading.Barrier(4), []

        def enter(folder=tmp_path / str(n), start=start, end=end, came=came):
            start.wait()
            try:
                with BatchFolder(folder).claimed(PLAN, resume=False):
                    came.append("in")
                    end.wait()
            except OutputError:
                came.append("out")
                end.wait()

        threads = [threading.Thread(target=enter) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(came) == ["in", "out", "out", "out"]


KILLED = """
import json
import os
from pathlib import Path
from alliance_helpers.paths import held
from alliance_helpers.paths import write_whole
with held(Path({out!r}), "run"):
    write_whole(Path({out!r}, "tables", "a.csv"), "x")
    os.kill(os.getpid(), 9)
"""


def test_the_lock_of_a_killed_process_forbids_nothing(out):
    done = subprocess.run([sys.executable, "-c", KILLED.format(out=str(out))])
    assert done.returncode == -signal.SIGKILL
    assert (out / LIST).exists()
    run(out)
    assert (out / "tables" / "a.csv").read_text() == "seed\n1\n"


ORPHANS = """
import os
import subprocess
import sys
import time
from pathlib import Path
from alliance_helpers.paths import held, write_whole
out = Path({out!r})
if len(sys.argv) == 1:
    with held(out, "run"):
        child = subprocess.Popen([sys.executable, __file__, "child"])
        while True:
            write_whole(out / "run.json", str(time.time()))
for n in range(200):
    write_whole(out / "tables" / f"child_{{n}}.csv", "x" * 100_000)
    time.sleep(0.005)
"""


def test_what_a_killed_run_leaves_running_writes_no_file_that_nobody_knows(out, tmp_path):
    """Eight kills, each at another moment; the folder is used again each time."""
    script = tmp_path / "orphans.py"
    script.write_text(ORPHANS.format(out=str(out)))
    for kill in range(8):
        parent = subprocess.Popen([sys.executable, script], stderr=subprocess.PIPE)
        while not list(out.glob("tables/child_*.csv")):
            time.sleep(0.01)
        time.sleep(random.uniform(0, 0.1))
        parent.kill()
        parent.stderr.read()  # until its child has ended
        assert (run(out, seed=kill) / "run.json").is_file()
        assert not list(out.glob("tables/child_*.csv"))


def test_runs_of_the_same_second_have_folders_of_their_own(out, monkeypatch):
    first, second = run(None), run(None)
    latest = out.parent / "results" / "latest"
    assert first != second
    assert os.readlink(latest) == second.name
    latest.unlink()
    latest.mkdir()  # her own
    (latest / "notes.txt").write_text("precious")
    third = run(None)
    assert (third / "report.html").exists()
    assert contents(latest) == {"notes.txt": b"precious"}
    with pytest.raises(ParameterError):
        run(None, seed="many")
    assert len(list((out.parent / "results").iterdir())) == 4


def test_a_batch_keeps_what_somebody_changed_in_its_folder(tmp_path):
    records = (NotebookRun("02_summary", "failed", 1.0),)
    failed = RunResult(1, records, None, {"02_summary": "executed"})
    with BatchFolder(tmp_path / "out").claimed(PLAN, resume=False) as store:
        store.save(failed)
        write_whole(store.path / "runs.csv", "run\n1\n")
    kept = store.notebooks(1) / "02_summary.ipynb"
    (store.notebooks(1) / "why.txt").write_text("precious")
    (store.scratch / "mine").mkdir(parents=True)
    for file, text in ((kept, "executed"), (store.path / "runs.csv", "run\n1\n")):
        file.write_text("mine")
        with pytest.raises(OutputError, match=rf"holds 1 file .*{file.name}\."):
            BatchFolder(store.path).claimed(PLAN, resume=True).__enter__()
        assert file.read_text() == "mine"
        file.write_text(text)
    with BatchFolder(store.path).claimed(PLAN, resume=True) as again:
        again.save(RunResult(1, (NotebookRun("02_summary", "done", 1.0),), None, {}))
    assert not kept.exists()
    assert (store.notebooks(1) / "why.txt").read_text() == "precious"
    assert (store.scratch / "mine").is_dir()


@pytest.mark.parametrize("name", ["client_interviews.csv", "README.md", "notes/a.txt"])
def test_a_synthetic_study_is_replaced_only_as_it_was_written(tmp_path, name):
    out = write_study(simulate_study(n_clients=20), tmp_path / "study")
    write_study(simulate_study(n_clients=21), out)
    (out / name).parent.mkdir(exist_ok=True)
    (out / name).write_text("precious")
    before = contents(tmp_path)
    with pytest.raises(OutputError, match=f"holds 1 file .*{name}"):
        write_study(simulate_study(n_clients=22), out)
    assert contents(tmp_path) == before


def test_a_device_is_not_replaced_by_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match="pipe is no file"):
        write_whole(tmp_path / "pipe", "text")
    assert (tmp_path / "pipe").is_fifo()
