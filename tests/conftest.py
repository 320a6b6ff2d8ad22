"""What several tests share: one run of the whole sequence, and a browser."""

import shutil

import pytest
from hypothesis import settings

settings.register_profile("kit", deadline=None)  # a busy machine is no failure
settings.load_profile("kit")

# They start processes, watch the clock or a browser: one after another, on the same worker.
PROCESSES = ("test_batch", "test_cli", "test_kernels", "test_notebooks", "test_runner")
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


def pytest_collection_modifyitems(items):
    """With several workers a file stays on one; those of `PROCESSES` come first, on one."""

    def group(item):
        shared = {"shipped_run", "chromium"} & set(getattr(item, "fixturenames", ()))
        return "processes" if shared or item.path.stem in PROCESSES else item.path.stem

    for item in items:
        item.add_marker(pytest.mark.xdist_group(group(item)))
    items.sort(key=lambda item: group(item) != "processes")


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
