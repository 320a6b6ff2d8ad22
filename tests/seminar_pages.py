"""Serving the seminar's units, and moving their controls in a browser by keyboard."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import nbformat

from alliance_helpers.paths import NOTEBOOKS, ROOT
from alliance_helpers.teaching.demos import BUTTONS, Choose, Demo
from tools.seminar.editions import SOURCE, units

BIN = Path(sys.executable).parent
UNITS = [path.stem for path in units()]
FIGURE = ".alliance-demo img.alliance-figure"
SLIDER = ".noUi-handle, input[type=range]"  # of ipywidgets in JupyterLab, of the web page
BUTTONS_OF = ".widget-toggle-buttons, .choices"
SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}
RUN_TO_THE_END = """[...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')]
  .every(prompt => /^\\[\\d+\\]:$/.test(prompt.textContent.trim()))"""
TIMEOUT = 120_000  # ms, for a page on a machine with much else to do


def demos_of(unit: str) -> list[Demo]:
    """The demonstrations of a unit in the order of its page, made by its own cells."""
    notebook = nbformat.read(SOURCE / f"{unit}.ipynb", as_version=4)
    names: dict = {}
    found = []
    for cell in notebook.cells:
        if cell.cell_type == "code" and "nbgrader" not in cell.metadata:
            if explored := re.fullmatch(r"(\w+)\.explore\(\)", cell.source.strip()):
                found.append(names[explored[1]])
            else:
                exec(cell.source.replace(".picture()", ""), names)
    return found


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextmanager
def server(command: list, url: str, log: Path, env: dict | None = None):
    """A web server that answers before the block is entered, and ends with it."""
    with log.open("w") as out:
        started = subprocess.Popen(
            [str(part) for part in command], stdout=out, stderr=out, cwd=ROOT,
            env=os.environ | (env or {}), start_new_session=True,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 90
        while True:
            try:
                urllib.request.urlopen(url, timeout=5).close()
                break
            except OSError:
                if started.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(log.read_text()[-3000:]) from None
                time.sleep(0.2)
        yield
    finally:
        started.terminate()
        try:
            started.wait(15)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


@contextmanager
def voila(folder: Path, *arguments: str):
    """`make seminar-web` on a free port; gives the address of a unit's page."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "tools.seminar.web", f"--port={port}", *arguments]
    with server(command, f"{base}/", folder / "voila.log"):
        yield lambda unit: f"{base}/voila/render/{unit}.ipynb" if unit else f"{base}/"


@contextmanager
def lab(folder: Path):
    """JupyterLab on copies of the notebooks, every cell drawn; gives a notebook's address.

    Beside them stand copies of what START links to, as under the root of `make lab`.
    """
    port = free_port()
    for part in (NOTEBOOKS, ROOT / "data", ROOT / "docs"):
        shutil.copytree(part, folder / part.name)
    for name, values in SETTINGS.items():
        file = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values))
    env = {
        "JUPYTER_DEFAULT_PROVISIONER_NAME": "alliance-warm",
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
    }
    command = [
        BIN / "jupyter", "lab", "--no-browser", "--allow-root", f"--port={port}",
        "--ServerApp.port_retries=0", "--IdentityProvider.token=", "--ServerApp.password=",
        f"--ServerApp.root_dir={folder}",
    ]  # fmt: skip
    base = f"http://127.0.0.1:{port}"
    with server(command, f"{base}/api", folder / "lab.log", env):
        seat = {unit: f"seminar/{unit}" for unit in UNITS}
        yield lambda name: f"{base}/lab/tree/notebooks/{seat.get(name, name)}.ipynb?reset"


@dataclass
class Watched:
    """A page and everything that went wrong on it."""

    page: object
    errors: list = field(default_factory=list)
    outside: list = field(default_factory=list)

    def __post_init__(self) -> None:
        page, home = self.page, re.compile(r"(https?|wss?)://127\.0\.0\.1[:/]|data:|blob:|about:")
        page.on("console", lambda m: m.type == "error" and self.errors.append(m.text))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("requestfailed", lambda r: self.errors.append(f"{r.url}: {r.failure}"))
        page.on("response", lambda r: r.status >= 400 and self.errors.append(f"{r.status} {r.url}"))
        page.on("request", lambda r: home.match(r.url) or self.outside.append(r.url))


def open_web(browser, url: str, n_demos: int) -> Watched:
    """A unit's web page, ready to use."""
    watched = Watched(browser.new_page(viewport={"width": 1200, "height": 1000}))
    watched.page.goto(url, timeout=TIMEOUT)
    watched.page.wait_for_selector("body[data-ready=yes]", timeout=TIMEOUT)
    assert watched.page.locator(FIGURE).count() == n_demos
    return watched


def open_lab(browser, url: str, n_demos: int, **changes: str) -> Watched:
    """A notebook in JupyterLab, run to the end by the menu; its parameters changed by hand."""
    watched = Watched(browser.new_page(viewport={"width": 1300, "height": 1000}))
    page = watched.page
    page.goto(url, timeout=TIMEOUT)
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=TIMEOUT)
    page.get_by_text(re.compile(r"Python 3.*\| Idle")).wait_for(timeout=TIMEOUT)
    for name, text in changes.items():
        line = page.locator(".cm-line", has_text=(begin := f'{name}: str = "')).first
        line.click()
        for key in ("Home", *["ArrowRight"] * len(begin)):
            page.keyboard.press(key)
        page.keyboard.type(text)
    page.click("text=Run >> nth=0")
    page.click("text=Run All Cells")
    drawn = f"document.querySelectorAll('{FIGURE}').length >= {n_demos}"
    page.wait_for_function(drawn, timeout=TIMEOUT)
    page.wait_for_function(RUN_TO_THE_END, timeout=TIMEOUT)
    return watched


@dataclass
class Playing:
    """One demonstration on a page, with the settings it should be at."""

    page: object
    place: int
    demo: Demo
    settings: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.settings = self.demo.settings()
        self.box = self.page.locator(".alliance-demo").nth(self.place)

    @property
    def text(self) -> str:
        return " ".join(self.box.locator(".alliance-numbers").inner_text().split())

    def press(self, name: str, up: bool = True) -> None:
        """One step of a control by keyboard; the expected settings follow."""
        control = self.demo.controls[name]
        groups = [n for n, c in self.demo.controls.items() if buttons(c)]
        if isinstance(control, Choose):
            options = list(control.options.values())
            at = options.index(self.settings[name]) + (1 if up else -1)
            self.settings[name] = options[at]
        else:
            step = control.step if up else -control.step
            self.settings[name] = type(control.value)(round(self.settings[name] + step, 10))
        if buttons(control):
            group = self.box.locator(BUTTONS_OF).nth(groups.index(name))
            group.locator("button").nth(at).press("Space")
        else:
            self.slider(name).press("ArrowRight" if up else "ArrowLeft")

    def slider(self, name: str):
        """What takes the arrow keys of a control that is no group of buttons."""
        sliders = [n for n, c in self.demo.controls.items() if not buttons(c)]
        return self.box.locator(SLIDER).nth(sliders.index(name))

    def can_move(self, name: str, up: bool = True) -> bool:
        control, value = self.demo.controls[name], self.settings[name]
        if isinstance(control, Choose):
            return value != list(control.options.values())[-1 if up else 0]
        if up:
            return value + control.step <= control.high + 1e-9
        return value - control.step >= control.low - 1e-9

    def expected(self) -> str:
        return " ".join(self.demo.text(**self.settings).split())

    def wait_for(self, text: str, seconds: float = 20) -> None:
        """Until the sentence on the page is this one."""
        deadline = time.monotonic() + seconds
        while self.text != text and time.monotonic() < deadline:
            time.sleep(0.02)


def buttons(control) -> bool:
    """Whether a control is shown as buttons rather than as a slider."""
    return isinstance(control, Choose) and len(control.options) <= BUTTONS
