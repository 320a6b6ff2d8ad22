"""The seminar in the browser: from moving a slider to the new figure, and ten visitors at once.

.venv/bin/python -m benchmarks.bench_widgets [web|lab|visitors]...
"""

import asyncio
import json
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright
from tornado.httpclient import AsyncHTTPClient
from tornado.websocket import websocket_connect

from alliance_helpers.teaching.demos import Demo
from benchmarks.ratio import Ratio, table

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from conftest import CHROMIUM, QUIET
from seminar_pages import UNITS, Playing, buttons, demos_of, lab, open_lab, open_web, voila

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
    """Milliseconds of 30 moves by keyboard over the sliders of one demonstration in turn."""
    playing = Playing(page, place, demo)
    sliders = [name for name, control in demo.controls.items() if not buttons(control)]
    up = True
    page.evaluate(WATCH, playing.box.element_handle())
    for move in range(MOVES):
        name = sliders[move // 2 % len(sliders)]
        up = playing.can_rise(name) if move % 2 == 0 else not up  # there and back
        playing.press(name, up)
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
        for (kind, (value, name)), goal in zip(worst.items(), (250, 600), strict=True)
    ]


async def visit(address: str) -> float:
    """What a browser asks of the server, without its own work: the page, then every cell's output.

    Seconds until the output of the last cell is there.
    """
    started = time.monotonic()
    limits = {"request_timeout": 120, "connect_timeout": 120}
    page = (await AsyncHTTPClient().fetch(address, **limits)).body.decode()
    kernel = re.search(r'"kernelId": "([0-9a-f-]{36})"', page)[1]
    base = address.split("/voila/")[0].replace("http", "ws", 1)
    socket = await websocket_connect(f"{base}/voila/execution/{kernel}")
    request = {"action": "execute", "payload": {"kernel_id": kernel}}
    await socket.write_message(json.dumps(request))
    while True:
        reply = json.loads(await socket.read_message())
        if reply["action"] == "execution_error":
            raise SystemExit(f"{address}: {reply}")
        if reply["action"] != "execution_result":
            continue
        outputs = reply["payload"]["output_cell"].get("outputs", [])
        if failed := [o for o in outputs if o["output_type"] == "error"]:
            raise SystemExit(f"{address}: {failed[0]['evalue']}")
        if reply["payload"]["cell_index"] + 1 == reply["payload"]["total_cell"]:
            socket.close()
            return time.monotonic() - started


async def together(addresses: list[str]) -> list[float]:
    return await asyncio.gather(*map(visit, addresses))


def visitors() -> list[Ratio]:
    """Ten visitors at once, two for each unit."""
    with tempfile.TemporaryDirectory() as folder, voila(Path(folder)) as address:
        asyncio.run(visit(address(UNITS[0])))
        addresses = [address(UNITS[i % len(UNITS)]) for i in range(VISITORS)]
        took = sorted(asyncio.run(together(addresses)))
    said = f"{took[-1]:.1f} s (first {took[0]:.1f} s)"
    return [
        Ratio(f"{VISITORS} visitors at once, slowest page", said, "10 s", took[-1] / 10, "<= 1")
    ]


def main(parts: list[str]) -> list[Ratio]:
    rows = []
    for where in parts:
        if where == "visitors":
            rows += visitors()
            continue
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=CHROMIUM, args=QUIET)
            rows += measure(browser, where)
            browser.close()
    return rows


if __name__ == "__main__":
    print(table(main(sys.argv[1:] or ["web", "lab", "visitors"])))
