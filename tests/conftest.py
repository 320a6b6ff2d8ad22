"""What several tests share: one run of the whole sequence, and a browser."""

import shutil
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("kit", deadline=None)  # a busy machine is no failure
settings.load_profile("kit")

# They start processes, watch the clock or a browser, or share one run of the sequence: one after
# another, on the same worker.
PROCESSES = (
    "test_batch",
    "test_browser_report",
    "test_browser_seminar",
    "test_cli",
    "test_confidentiality",
    "test_kernels",
    "test_notebooks",
    "test_paper",
    "test_runner",
    "test_sentences",
    "test_shared_cohort",
    "test_traps",
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


def group(nodeid: str) -> str:
    """What stays on one worker: a file, or all of `PROCESSES`."""
    stem = Path(nodeid.split("::")[0]).stem
    return "processes" if stem in PROCESSES else stem


def pytest_collection_modifyitems(items):
    """The longest group first."""
    items.sort(key=lambda item: group(item.nodeid) != "processes")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Tests of one group on one worker."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return group(nodeid)

    return Groups(config, log)


@pytest.fixture(scope="session")
def shipped_run(tmp_path_factory):
    """The whole sequence on the shipped cohort."""
    from alliance_helpers.running.sequence import run_sequence

    return run_sequence({}, tmp_path_factory.mktemp("run") / "results", jobs=2)


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
