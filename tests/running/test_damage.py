"""A batch's folder survives its own records: what is not whole is told, discarded, run again."""

import json
import shutil

import pytest

from alliance_helpers.errors import ParameterError, RunError
from alliance_helpers.paths import LIST
from alliance_helpers.running.batch import BatchFolder
from alliance_helpers.running.runner import NotebookRun, RunResult

PLAN = {"the grid": "a", "the notebook 01_a": "b"}
ONE, TWO = "runs/000001.json", "runs/000002.json"


def result(run):
    records = [NotebookRun("01_a", "done", 0.5)]
    return RunResult(run, records, f"finding,estimate\n1,{run / 7}\n", {})


@pytest.fixture
def batch(tmp_path):
    """A folder that holds two whole runs."""
    with BatchFolder(tmp_path / "b").claimed(PLAN, resume=False) as store:
        for run in (1, 2):
            store.save(result(run))
    return tmp_path / "b"


def resumed(folder, plan=PLAN):
    with BatchFolder(folder).claimed(plan, resume=True) as store:
        done = [run for run in (1, 2) if store.is_done(run)]
        for run in {1, 2} - {*done}:
            store.save(result(run))
        return store.damaged, done, [store.load(run) for run in (1, 2)]


def altered(old, new):
    def change(path):
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return change


def keys(change):
    def write(path):
        found = json.loads(path.read_text())
        change(found)
        path.write_text(json.dumps(found))

    return write


def flip(path):
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def cut(share):
    return lambda path: path.write_bytes(path.read_bytes()[: int(len(path.read_bytes()) * share)])


DAMAGE = {
    "empty": cut(0),
    "cut to a tenth": cut(0.1),
    "cut to a half": cut(0.5),
    "cut by its end": cut(0.99),
    "filled with NUL": lambda p: p.write_bytes(bytes(len(p.read_bytes()))),
    "NUL at its end": lambda p: p.write_bytes(p.read_bytes()[:-40] + bytes(40)),
    "NUL after it": lambda p: p.write_bytes(p.read_bytes() + bytes(40)),
    "one bit": flip,
    "not UTF-8": lambda p: p.write_bytes(b"\xff" + p.read_bytes()),
    "twice": lambda p: p.write_text(p.read_text() * 2),
    "a list": lambda p: p.write_text("[]"),
    "a number": lambda p: p.write_text("7"),
    "null": lambda p: p.write_text("null"),
    "nested": lambda p: p.write_text("[" * 100_000),
    "an altered estimate": altered("0.142857", "0.542857"),
    "an altered status": altered('"done"', '"failed"'),
    "another number inside": keys(lambda found: found.update(run=2)),
    "no checksum": keys(lambda found: found.pop("sha256")),
    "no findings": keys(lambda found: found.pop("findings")),
    "records lost": keys(lambda found: found.update(records=[])),
    "another run's": lambda p: shutil.copy(p.with_name("000002.json"), p),
    "that of another batch": lambda p: p.write_bytes(other(p.parent.parent.parent)),
}


def other(folder):
    with BatchFolder(folder / "c").claimed(PLAN | {"the grid": "z"}, resume=False) as store:
        store.save(result(1))
    return (folder / "c" / ONE).read_bytes()


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_record_is_told_discarded_and_run_again(batch, name):
    before = (batch / ONE).read_bytes()
    DAMAGE[name](batch / ONE)
    damaged, done, loaded = resumed(batch)
    assert (damaged, done) == ([ONE], [2])
    assert (batch / ONE).read_bytes() == before
    assert [found["findings"] for found in loaded] == [result(run).findings for run in (1, 2)]
    assert resumed(batch)[:2] == ([], [1, 2])


@pytest.mark.parametrize("to", ["runs/000003.json", "runs/3.json", "runs/000001 (copy).json"])
def test_a_misnumbered_record_is_discarded(batch, to):
    (batch / ONE).rename(batch / to)
    damaged, done, _ = resumed(batch)
    assert (damaged, done) == ([to], [2])
    assert not (batch / to).exists()


def test_a_file_of_the_users_own_among_the_records_stays(batch):
    (batch / "runs" / "notes.json").write_text("[1]")
    assert resumed(batch)[:2] == ([], [1, 2])
    assert (batch / "runs" / "notes.json").read_text() == "[1]"


@pytest.mark.parametrize("name", ["gone", *DAMAGE][:13])
def test_the_plan_is_rebuilt_from_its_records(batch, name):
    before = (batch / "batch.json").read_bytes()
    DAMAGE.get(name, lambda path: path.unlink())(batch / "batch.json")
    with pytest.raises(ParameterError, match=r"batch\.json is lost or damaged.* add --resume"):
        BatchFolder(batch).claimed(PLAN, resume=False).__enter__()
    with pytest.raises(ParameterError, match=r"not those of this grid, .*Name another folder"):
        BatchFolder(batch).claimed(PLAN | {"the grid": "z"}, resume=True).__enter__()
    assert resumed(batch)[:2] == (["batch.json"], [1, 2])
    assert (batch / "batch.json").read_bytes() == before


def test_a_folder_that_goes_while_the_batch_runs_ends_it_in_one_message(tmp_path):
    with (
        pytest.raises(RunError, match=r"b was removed while the batch ran\. Run it again\."),
        BatchFolder(tmp_path / "b").claimed(PLAN, resume=False) as store,
    ):
        store.save(result(1))
        shutil.rmtree(store.path)
        store.save(result(2))
    assert not (tmp_path / "b").exists()
    assert LIST not in [p.name for p in tmp_path.rglob("*")]
