"""One cohort opened for all notebooks of a run: the same data, once, and gone afterwards."""

import json
import os
import shutil
import signal
import time

import pandas as pd
import psutil
import pytest
from make_notebook import make_notebook

from alliance_helpers.paths import CODEBOOK, RAW
from alliance_helpers.running import station
from alliance_helpers.running import station as shared_cohort
from alliance_helpers.running.runner import Shared, run_notebook, run_notebooks, run_one

pytestmark = pytest.mark.skipif(
    station.fork_problem() is not None, reason=f"no forking: {station.fork_problem()}"
)
LOOK = """
import hashlib, json
from alliance_helpers.cohorts import cohort as study
kept = len(study._kept)
digests = [
    hashlib.sha256(study.open_cohort(data, codebook, scenario, n_clients, seed)
        .dyads.to_csv().encode()).hexdigest()
    for _ in range(2)
]
print(json.dumps([kept, len(study._kept), *digests]))
"""
HALO = {"scenario": "halo", "n_clients": 40, "seed": 3}


@pytest.fixture(scope="module")
def one_station():
    return station.open_station()


@pytest.fixture
def texts(tmp_path):
    text = make_notebook(tmp_path / "n.ipynb", LOOK).read_text()
    return {"01_a": text, "02_b": text}


def said(text: str) -> list:
    outputs = json.loads(text)["cells"][-1]["outputs"]
    return json.loads(next(o["text"][0] for o in outputs if o.get("name") == "stdout"))


def run(texts: dict, parameters: dict):
    return run_one(Shared(texts, "all", 60, None), (1, {"scenario": "", **parameters}, {}, {}))


def left(place: station.Station) -> tuple[set[str], list]:
    return {p.name for p in place.folder.iterdir()}, psutil.Process(place.server.pid).children()


def test_every_notebook_of_a_run_finds_the_cohort_open_and_a_second_call_opens_it_anew(
    texts, one_station
):
    before = left(one_station)
    alone = run({"01_a": texts["01_a"]}, HALO)
    together = run(texts, HALO)
    (kept, _, expected, _) = said(alone.notebooks["01_a"])
    assert kept == 0  # one notebook shares nothing
    assert [said(t) for t in together.notebooks.values()] == [[1, 0, expected, expected]] * 2
    assert left(one_station) == before


def test_notebooks_side_by_side_share_it_too(texts, tmp_path):
    places = [tmp_path / f"{name}.ipynb" for name in texts]
    for path, text in zip(places, texts.values(), strict=True):
        path.write_text(text)
    records = run_notebooks(places, tmp_path / "out", HALO)
    assert {r.status for r in records} == {"done"}
    assert [said((tmp_path / "out" / p.name).read_text())[0] for p in places] == [1, 1]


def test_a_cohort_that_cannot_be_opened_is_told_by_each_notebook(texts):
    records = run(texts, HALO | {"n_clients": 0}).records
    assert {(r.error_name, r.error_cell) for r in records} == {("ParameterError", 3)}


def test_a_cohort_that_warns_warns_in_each_notebook(texts, tmp_path):
    folder = tmp_path / "study"
    shutil.copytree(RAW, folder)
    shutil.copy(CODEBOOK, folder)
    table = pd.read_csv(folder / "client_interviews.csv", dtype=str, keep_default_na=False)
    table["wai_c_01"] = table["wai_c_01"].map(
        lambda x: str(8 - int(x)) if x in set("1234567") else x
    )
    table.to_csv(folder / "client_interviews.csv", index=False)
    for text in run(texts, {"data": str(folder)}).notebooks.values():
        assert "Item 1 (wai_c_01): negative correlation" in text
        assert said(text)[:2] == [0, 0]


def test_a_killed_cohort_server_costs_nothing_but_time(texts, tmp_path):
    path = make_notebook(tmp_path / "n.ipynb", LOOK)
    with shared_cohort.shared_cohort(HALO, texts.values()) as server:
        forks, deadline = psutil.Process(station.open_station().server.pid), time.monotonic() + 10
        while not forks.children() and time.monotonic() < deadline:
            time.sleep(0.01)
        (process,) = forks.children()
        os.kill(process.pid, signal.SIGKILL)
        station.fork_from(server)
        record = run_notebook(path, tmp_path / "out.ipynb", HALO)
    assert record.status == "done"
    assert said((tmp_path / "out.ipynb").read_text())[0] == 0


def test_where_no_socket_can_be_made_each_notebook_opens_the_cohort(texts, monkeypatch, tmp_path):
    monkeypatch.setattr(shared_cohort, "channel_folder", lambda: tmp_path / "gone")
    with shared_cohort.shared_cohort(HALO, texts.values()) as server:
        assert server == ""


@pytest.mark.parametrize("name", ["data", "codebook"])
def test_a_path_that_depends_on_the_folder_is_not_shared(texts, name):
    with shared_cohort.shared_cohort({name: "study"}, texts.values()) as server:
        assert server == ""
