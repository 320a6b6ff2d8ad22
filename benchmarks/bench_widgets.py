"""The browser: from a slider to the new figure, ten visitors at once, a line changed in JupyterLab.

.venv/bin/python -m benchmarks.bench_widgets [web|lab|visitors|subscale]...
"""

import asyncio
import contextlib
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import psutil
from playwright.async_api import async_playwright
from playwright.sync_api import sync_playwright

from alliance_helpers.running.runner import main_notebooks
from alliance_helpers.teaching.demos import Demo
from benchmarks.ratio import Ratio, table

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from conftest import CHROMIUM, QUIET
from seminar_pages import FIGURE, UNITS, Playing, demos_of, lab, open_lab, open_web, voila

MOVES = 30
VISITORS = 10
# Time from the key to the moment at which the new image is decoded and drawn.
WATCH = """box => { window.took = []; let key = null;
  box.addEventListener('keydown', () => { key = performance.now(); }, true);
  new MutationObserver(async () => {
    const image = box.querySelector('img.alliance-figure');
    if (key === null || !image || image === window.seen) return;
    window.seen = image; const from = key;
    await image.decode(); await new Promise(requestAnimationFrame);
    window.took.push(performance.now() - from);
  }).observe(box, {childList: true, subtree: true}); window.seen = box.querySelector('img'); }"""


def latencies(page, place: int, demo: Demo) -> list[float]:
    """Milliseconds of 30 moves by keyboard over the controls of one demonstration in turn.

    Each control goes up to its end and down again, so that hardly a setting comes twice.
    """
    playing = Playing(page, place, demo)
    rising = dict.fromkeys(demo.controls, True)
    page.evaluate(WATCH, playing.box.element_handle())
    for move in range(MOVES):
        name = list(rising)[move % len(rising)]
        if not playing.can_move(name, rising[name]):
            rising[name] = not rising[name]
        playing.press(name, rising[name])
        page.wait_for_function(f"window.took.length > {move}", timeout=20_000)
    return page.evaluate("window.took")


def measure(browser, where: str) -> list[Ratio]:
    """Median and 95th percentile of every widget of every unit; the worst widget is shown."""
    worst = {"median": (0.0, ""), "p95": (0.0, "")}
    everything = []
    with tempfile.TemporaryDirectory() as folder:
        serve = voila if where == "web" else lab
        with serve(Path(folder)) as address:
            for unit in UNITS:
                demos = demos_of(unit)
                opened = open_web if where == "web" else open_lab
                page = opened(browser, address(unit), len(demos)).page
                for place, demo in enumerate(demos):
                    took = sorted(latencies(page, place, demo))
                    everything += took
                    found = statistics.median(took), took[int(0.95 * len(took))]
                    print(f"{where} {unit} {place + 1}: median {found[0]:.0f}, p95 {found[1]:.0f}")
                    for kind, value in zip(worst, found, strict=True):
                        worst[kind] = max(worst[kind], (value, f"{unit} {place + 1}"))
                page.close()
    return [
        Ratio(
            f"slider to figure, {where}, {kind} of {MOVES} moves, slowest widget",
            f"{value:.0f} ms ({name}); all: {statistics.median(everything):.0f} ms",
            f"{goal} ms",
            value / goal,
            "<= 1",
        )
        for (kind, (value, name)), goal in zip(worst.items(), (150, 350), strict=True)
    ]


async def visit(browser, address: str, unit: str, controls: int) -> float:
    """Seconds until a page in a browser of its own shows every figure and takes every control."""
    context = await browser.new_context(viewport={"width": 1200, "height": 1000})
    page = await context.new_page()
    started = time.monotonic()
    await page.goto(address, timeout=120_000, wait_until="commit")
    ready = "document.body?.dataset.ready === 'yes'"  # asked seldom: to ask costs processor time
    await page.wait_for_function(ready, polling=100, timeout=120_000)
    took = time.monotonic() - started
    if await page.locator(FIGURE).count() != controls:
        raise RuntimeError(f"{unit} lacks figures")
    return took


def processor_seconds(process: psutil.Process) -> dict[int, float]:
    """User and system time of a process and of everything below it."""
    found = {}
    for one in [process, *process.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            times = one.cpu_times()
            found[one.pid] = times.user + times.system
    return found


def spent(process: psutil.Process, before: dict[int, float]) -> float:
    now = processor_seconds(process)
    return sum(seconds - before.get(pid, 0.0) for pid, seconds in now.items())


async def settled(server: psutil.Process) -> None:
    """Until the server has its kernels ready and does nothing."""
    while True:
        before = processor_seconds(server)
        await asyncio.sleep(2)
        if spent(server, before) < 0.1:
            return


async def together(address, units: list[str], controls: dict[str, int]) -> Ratio:
    """All at once, each in a browser context of its own, on this same machine."""
    me = psutil.Process()
    server = next(p for p in me.children() if any("seminar.web" in part for part in p.cmdline()))
    await settled(server)
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        before, all_before = processor_seconds(server), processor_seconds(me)
        visits = (visit(browser, address(u), u, controls[u]) for u in units)
        found = await asyncio.gather(*visits, return_exceptions=True)
        served, everything = spent(server, before), spent(me, all_before)
        await browser.close()
    took = sorted(x for x in found if isinstance(x, float))
    failed = [str(x) for x in found if not isinstance(x, float)]
    print(*failed, sep="\n", end="\n" if failed else "")
    said = (
        f"{took[0]:.1f} / {statistics.median(took):.1f} / {took[-1]:.1f} s, {len(failed)} failed; "
        f"processor: server {served:.1f} s, browsers {everything - served:.1f} s"
    )
    units_said = f"{len(set(units))} units" if len(set(units)) > 1 else "one unit"
    worst = float("inf") if failed else took[-1] / 8
    question = f"{len(units)} visitors at once, {units_said}: first / median / last page ready"
    return Ratio(question, said, "8 s", worst, "<= 1")


def visitors() -> list[Ratio]:
    """Two for each unit; a class on one unit; the same where the server was told of the class."""
    controls = {unit: len(demos_of(unit)) for unit in UNITS}
    spread, alike = [UNITS[i % len(UNITS)] for i in range(VISITORS)], VISITORS * UNITS[1:2]
    plans = ((), spread), ((), alike), (("--units=2", f"--ready={VISITORS}"), alike)
    rows = []
    for arguments, units in plans:
        with tempfile.TemporaryDirectory() as folder, voila(Path(folder), *arguments) as address:
            row = asyncio.run(together(address, units, controls))
            rows.append(replace(row, question=" ".join([*arguments, row.question])))
    return rows


def subscale() -> list[Ratio]:
    """From opening JupyterLab at a notebook to its last result for bonds alone."""
    rows = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        with lab(Path(folder)) as address:
            for name in (path.stem for path in main_notebooks()):
                started = time.monotonic()
                page = open_lab(browser, address(name), 0, subscale="bond").page
                took = time.monotonic() - started
                page.close()
                question = f"JupyterLab opened, `subscale` changed, {name} run to its end"
                rows.append(Ratio(question, f"{took:.1f} s", "20 s", took / 20, "<= 1"))
        browser.close()
    return rows


def main(parts: list[str]) -> list[Ratio]:
    rows = []
    for where in parts:
        if where in (alone := {"visitors": visitors, "subscale": subscale}):
            rows += alone[where]()
            continue
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=CHROMIUM, args=QUIET)
            rows += measure(browser, where)
            browser.close()
    return rows


if __name__ == "__main__":
    print(table(main(sys.argv[1:] or ["web", "lab", "visitors", "subscale"])))
