"""What the system, or another user of it, does to a run: one message, no hang, no traceback."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from alliance_helpers.running import station, workers
from alliance_helpers.running.cli import main

COMMAND = [sys.executable, "-P", "-m", "alliance_helpers.running.cli"]


def alliance(*arguments, **more):
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=60, **more
    )


def limited(what, number):
    """Run in the child before the command: a limit that its whole family has."""
    return lambda: resource.setrlimit(what, (number, number))


def study(folder, rows):
    """A study of one table."""
    lines = "".join(f"p{i},{i % 5},{i % 7}\n" for i in range(rows))
    (folder / "t.csv").write_text("id,x,y\n" + lines)
    (folder / "codebook.yml").write_text(
        "study: {title: Small, client: id}\n"
        "tables: {t: {file: t.csv, key: [id], variables: {id: {type: id}, x: {}, y: {}}}}\n"
        "informants: {client: {alliance: x}}\nblocks: {outcome: [y]}\n"
    )


@pytest.mark.parametrize(
    ("command", "what", "number"),
    [
        ("check", resource.RLIMIT_NOFILE, 24),
        ("run", resource.RLIMIT_NOFILE, 24),
        ("check", resource.RLIMIT_AS, 600_000_000),
        ("run", resource.RLIMIT_FSIZE, 64),
    ],
)
def test_a_limit_of_the_system_ends_in_one_message(command, what, number, tmp_path):
    study(tmp_path, 200_000 if what == resource.RLIMIT_AS else 200)
    out = ["--out", str(tmp_path / "out")] if command == "run" else []
    done = alliance(command, "--data", str(tmp_path), *out, preexec_fn=limited(what, number),
                    env=os.environ | {station.COLD_VARIABLE: "1"})  # fmt: skip
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 1, 2)
    assert done.returncode == 0 or "alliance: " in done.stderr, done.stderr


@pytest.mark.parametrize(("file", "code"), [("notes.csv", 0), ("t.csv", 2)])
def test_a_file_that_may_not_be_read_matters_only_if_it_is_used(file, code, tmp_path):
    study(tmp_path, 40)
    (tmp_path / file).touch()
    (tmp_path / file).chmod(0)
    owner = [] if os.getuid() else ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    if owner and not shutil.which(owner[0]):
        pytest.skip("root reads everything, and there is no setpriv")
    done = subprocess.run(
        [*owner, *COMMAND, "check", "--data", str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert ("t.csv: cannot be read (Permission denied)" in done.stderr) == bool(code)


def test_what_nobody_thought_of_is_one_line_and_the_rest_in_a_file(monkeypatch, tmp_path, capfd):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("alliance_helpers.study.load.check", lambda *_: 1 / 0)
    with pytest.raises(SystemExit) as ended:
        main(["check", "--data", "."])
    said = capfd.readouterr().err
    assert ended.value.code == 1
    assert said.startswith("alliance: stopped by an unforeseen ZeroDivisionError. What happened")
    file = Path(said.strip().removesuffix(".").split()[-1])
    assert "Traceback" in file.read_text()
    assert file.stat().st_mode & 0o077 == 0


def test_a_named_pipe_in_the_place_of_a_lock_holds_nobody_up(monkeypatch, tmp_path):
    trap = tmp_path / "alliance-trap"
    trap.mkdir()
    os.mkfifo(trap / station.LOCK)
    os.utime(trap / station.LOCK, (0, 0))
    monkeypatch.setattr(station, "LONGEST_FOLDER", 200)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    found = []
    asking = threading.Thread(target=lambda: found.append(station.private_folder()), daemon=True)
    asking.start()
    asking.join(10)
    assert found
    assert found[0].parent == tmp_path
    assert trap.exists()


def test_a_station_that_was_cleared_away_is_made_again(monkeypatch):
    monkeypatch.setenv(station.COLD_VARIABLE, "1")
    station.close_station()
    first = station.open_station().folder
    (first / station.LOCK).unlink()
    first.rmdir()
    assert station.channel_folder() not in (first, None)
    assert station.channel_folder().is_dir()
    station.close_station()


def stop_once(shared, task):
    """Stop the first worker that comes; its task is done again by another."""
    mark = Path(shared)
    if task == 1 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGSTOP)
    return task


def test_a_worker_that_was_stopped_is_not_waited_for(monkeypatch, tmp_path):
    monkeypatch.setenv(station.COLD_VARIABLE, "1")
    before = set(Path("/dev/shm").glob("joblib*"))
    started = time.monotonic()
    found = dict(workers.run_tasks(stop_once, str(tmp_path / "mark"), [0, 1, 2], 2, limit=8.0))
    assert found == {0: 0, 1: 1, 2: 2}
    assert time.monotonic() - started < 60
    made = set(Path("/dev/shm").glob(f"joblib*_{os.getpid()}_*")) - before
    assert not made
