"""What several tests share: one run of the whole sequence, and a browser."""

import fcntl
import json
import os
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import engine

from alliance_helpers.study.yaml_text import without_iri_grammar

# Before NumPy is loaded, whose threads would only wait for two workers on two processors.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

with without_iri_grammar():  # a second of each worker's
    import jsonschema  # noqa: F401

# A busy machine is no failure; CI draws the same examples each time, a desk draws new ones.
settings.register_profile(
    "kit",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("kit")
engine.MAX_SHRINKING_SECONDS //= 15  # what fails is made smaller for 20 seconds, not for 300

# The files that take longest, in the order in which they begin.
LONGEST = (
    "test_browser_seminar",
    "test_notebooks",
    "test_batch",
    "test_confidentiality",
    "test_sentences",
    "test_bad_studies",
    "test_stress",
    "test_wheel",
    "test_runner",
    "test_parts_missing",
    "test_browser_report",
    "test_exports",
    "test_findings",
    "test_plan",
    "test_traps",
    "test_refused",
    "test_any_input",
    "test_examples",
    "test_layouts",
    "test_planning",
    "test_kernels",
    "test_cli",
    "test_odd_exports",
)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def file_of(nodeid: str) -> str:
    """The name of a test's file."""
    return Path(nodeid.split("::")[0]).stem


def pytest_collection_modifyitems(items):
    """The longest files first."""
    place = {name: at for at, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(file_of(item.nodeid), len(LONGEST)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Tests of one file on one worker."""
    from xdist.scheduler import LoadScopeScheduling

    class Files(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return file_of(nodeid)

    return Files(config, log)


@pytest.fixture(autouse=True, scope="module")
def nothing_opened():
    """The cohort that one file's tests open is not that of the next file."""
    from alliance_helpers.cohorts.cohort import OPENED

    yield
    vars(OPENED).update(out="", codebook=None, n=0, changes=(), sessions=None)


@pytest.fixture(autouse=True, scope="session")
def notebooks_read_once():
    """The parameters of a notebook, which each command reads anew, for as long as it stays."""
    from alliance_helpers.running import parameters

    really, found = parameters.notebook_parameters, {}

    def once(notebook):
        try:
            about = os.stat(notebook)
        except OSError:
            return really(notebook)
        key = os.fspath(notebook), about.st_ino, about.st_mtime_ns, about.st_size
        return found.get(key) or found.setdefault(key, really(notebook))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parameters, "notebook_parameters", once)
        yield


@pytest.fixture
def read_once(request, monkeypatch):
    """What reading a study brought, for whoever asks for it again in this test.

    A file of tests whose studies stay as they are keeps it in its `READ`.
    """
    from alliance_helpers.study import load

    found, really = getattr(request.module, "READ", {}), load._everything

    def once(*asked):
        key = repr(asked)
        if key not in found:
            found[key] = really(*asked)
        return found[key]

    monkeypatch.setattr(load, "_everything", once)
    return found


@contextmanager
def one_at_a_time(tmp_path_factory, what: str):
    """A folder that all workers know; only one of them is in here."""
    place = tmp_path_factory.getbasetemp()
    place = place.parent if "PYTEST_XDIST_WORKER" in os.environ else place
    with (place / f"{what}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield place


@pytest.fixture(scope="session")
def shipped_run(tmp_path_factory):
    """The whole sequence on the shipped cohort, run once for all workers."""
    from alliance_helpers.running.runner import NotebookRun
    from alliance_helpers.running.sequence import SequenceRun, run_sequence

    with one_at_a_time(tmp_path_factory, "shipped") as place:
        out = place / "shipped" / "results"
        if not (out / "run.json").is_file():
            return run_sequence({}, out, jobs=2)
    about = json.loads((out / "run.json").read_text("utf-8"))
    records = tuple(NotebookRun(**record) for record in about["notebooks"])
    return SequenceRun(out, records, about["seconds"], None)


@pytest.fixture(scope="session")
def chromium():
    """Debian's Chromium, headless."""
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


def pytest_terminal_summary(terminalreporter):
    if CHROMIUM is None:
        terminalreporter.write_line("NOT TESTED: the browser checks; chromium is not installed.")
