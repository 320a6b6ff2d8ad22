"""What several tests share: one run of the whole sequence, and a browser."""

import shutil

import pytest
from hypothesis import settings

settings.register_profile("kit", deadline=None)  # a busy machine is no failure
settings.load_profile("kit")

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
