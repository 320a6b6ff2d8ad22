"""A class on one server: visitors who reload again and again, and what memory the server takes.
Or its final projects: made, worked on, and marked.

.venv/bin/python -m benchmarks.bench_class [minutes] [visitors]
.venv/bin/python -m benchmarks.bench_class projects [students]
"""

import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pandas as pd
import psutil
from playwright.async_api import Error, async_playwright

from benchmarks.bench_widgets import CHROMIUM, QUIET, UNITS, voila
from benchmarks.ratio import Ratio, table
from tools.seminar import project

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "teaching"))

from test_project import honest

WARM_UP = 60  # seconds: every visitor's first page
EVERY = 3  # seconds between two looks at memory


def memory(process: psutil.Process) -> float:
    """Megabytes of a process and all below it; what they share counts once."""
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_full_info().pss
        except psutil.Error:
            continue
    return total / 2**20


async def visitor(browser, address, number: int, until: float, pages: Counter) -> None:
    """Open a unit and reload it, after some seconds or at once, before it is ready."""
    draw = random.Random(number)
    page = await (await browser.new_context()).new_page()
    while time.monotonic() < until:
        try:
            answer = await page.goto(address(UNITS[number % len(UNITS)]), wait_until="commit")
            if answer.status == 503:  # every place is taken: it says so, and tries again
                pages["full"] += 1
                await asyncio.sleep(draw.uniform(1, 20))
                continue
            if draw.random() < 0.5:
                ready = "document.body?.dataset.ready === 'yes'"
                await page.wait_for_function(ready, polling=500, timeout=60_000)
            pages["opened"] += 1
            await asyncio.sleep(draw.uniform(1, 20))
        except Error as error:
            pages[str(error).splitlines()[0][:60]] += 1


async def storm(address, seconds: float, visitors: int) -> Ratio:
    server = next(
        p for p in psutil.Process().children() if any("seminar.web" in x for x in p.cmdline())
    )
    pages, seen = Counter(), []
    began = time.monotonic()
    until = began + WARM_UP + seconds
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        tasks = [visitor(browser, address, i, until, pages) for i in range(visitors)]
        running = asyncio.gather(*tasks)
        while time.monotonic() < until:
            await asyncio.sleep(EVERY)
            if time.monotonic() > began + WARM_UP:
                seen.append(await asyncio.to_thread(memory, server))
        await running
        await browser.close()
    third = len(seen) // 3
    first, last = statistics.mean(seen[:third]), statistics.mean(seen[-third:])
    question = f"{visitors} visitors reload for {seconds / 60:.0f} minutes: memory, last third"
    said = f"{last:.0f} MB; pages: {dict(pages)}"
    return Ratio(question, said, f"first third {first:.0f} MB", last / first, "<= 1.1")


def main(minutes: float = 10, visitors: int = 30) -> list[Ratio]:
    with tempfile.TemporaryDirectory() as folder, voila(Path(folder)) as address:
        return [asyncio.run(storm(address, 60 * minutes, visitors))]


def projects(students: int = 300) -> list[Ratio]:
    """Everybody's own cohort is made, answered honestly with the kit, and marked by its truth."""
    names = [f"student_{i:03d}" for i in range(students)]
    with tempfile.TemporaryDirectory() as folder:
        (inbox := Path(folder, "inbox")).mkdir()
        out = Path(folder, "project")
        ended = [time.monotonic()]
        project.hand_out(out, names)
        ended.append(time.monotonic())
        for name in names:
            honest(out, name, inbox)
        ended.append(time.monotonic())
        marks = pd.read_csv(project.marks(out, inbox))
        ended.append(time.monotonic())
    made, worked, marked = (b - a for a, b in pairwise(ended))
    intervals = marks[list(project.ASKED)].gt(0).to_numpy().mean()
    said = f"{marked:.1f} s; cohorts made in {made:.0f} s, answered in {worked:.0f} s"
    said += f"; {100 * intervals:.1f} % of intervals hold the truth"
    question = f"{len(marks)} final projects, each with an own cohort: marked"
    return [Ratio(question, said, "120 s", marked / 120, "<= 1")]


if __name__ == "__main__":
    words = sys.argv[1:]
    asked = projects if words[:1] == ["projects"] else main
    print(table(asked(*(int(word) for word in words if word.isdecimal()))))
