"""The report as PDF, printed by a browser that is on the machine."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from ..errors import OutputError, ParameterError
from ..paths import write_whole

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PATIENCE = 180  # seconds


def browser() -> str:
    """The first browser that can print.

    Raises
    ------
    ParameterError
        None is on the machine.
    """
    for name in BROWSERS:
        if found := shutil.which(name):
            return found
    raise ParameterError(
        "No PDF can be printed: there is neither Chromium nor Chrome on the PATH. Install one "
        "(Debian: apt install chromium), or go without --pdf and print report.html from a browser."
    )


def print_report(folder: Path) -> Path:
    """Print `report.html` of a run to `report.pdf` beside it.

    Raises
    ------
    ParameterError
        There is no browser.
    OutputError
        It failed, with what it said last, or the folder cannot be written.
    """
    command, page = browser(), (folder / "report.html").absolute().as_uri()

    def fill(part: Path) -> None:
        with tempfile.TemporaryDirectory() as profile:
            done = subprocess.run(
                [command, "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer",
                 f"--user-data-dir={profile}", f"--print-to-pdf={part.absolute()}", page],
                capture_output=True, text=True, timeout=PATIENCE, check=False,
            )  # fmt: skip
        if done.returncode or not part.is_file():
            said = done.stderr.strip().splitlines()[-1:] or ["nothing"]
            raise OutputError(
                f"{command} printed no PDF; it said: {said[0]}. Print {page} by hand."
            )

    try:
        write_whole(folder / "report.pdf", fill)
    except subprocess.TimeoutExpired:
        raise OutputError(
            f"{command} did not end within {PATIENCE} s. Print {page} by hand."
        ) from None
    return folder / "report.pdf"
