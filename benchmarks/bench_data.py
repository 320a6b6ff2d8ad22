"""Raw tables to dyads: growth from 10,000 to 1,000,000 dyads, memory, checking beside reading;
sessions of 5,000 clients.

.venv/bin/python -m benchmarks.bench_data [N ... | sessions]

Seconds are of the processor, so that other work on the machine counts little. Each size runs in a
process of its own; its tables are Parquet files written by the kit's own simulation.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.ratio import ONE_THREAD, Ratio, table

SIZES = (10_000, 100_000, 1_000_000)
FORMS = {"client_interviews": "wai_c_", "case_manager_forms": "wai_cm_"}
CLOCK = time.process_time


def write(folder: Path, n: int, narrow: bool = False) -> None:
    """The five raw tables of a simulated study; items in four bytes, or narrow ones in one."""
    from alliance_helpers.cohorts.simulate import simulate_study

    for name, frame in simulate_study(n_clients=n, seed=1).tables.items():
        if narrow:
            items = frame.filter(regex=r"_\d+$").select_dtypes("float32").columns
            frame = frame.astype(dict.fromkeys(items, "Int8"))
        frame.to_parquet(folder / f"{name}.parquet", index=False)


def memory(status: str = "VmRSS") -> float:
    """Megabytes this process holds now (VmRSS) or held at most (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1e3 for line in lines if line.startswith(status))


def measure(folder: Path) -> dict:
    """Seconds and megabytes of one size, in this process."""
    from alliance_helpers.models.regression import hierarchical_regression
    from alliance_helpers.study.clean import clean
    from alliance_helpers.study.load import read_study
    from alliance_helpers.study.read_codebook import read_codebook

    before = memory()
    found, clock = {}, [CLOCK()]

    def lap(name: str) -> None:
        clock.append(CLOCK())
        found[name] = clock[-1] - clock[-2]

    study, _ = read_study(folder, read_codebook())
    lap("read")
    raw = sum(f.memory_usage(deep=True).sum() for f in study.tables.values()) / 1e6
    if study.examined.problems:
        raise SystemExit("\n".join(map(str, study.examined.problems)))
    lap("check")
    cleaned = clean(study)
    lap("clean and score")
    found["raw"], found["peak"] = raw, memory("VmHWM") - before
    del study
    blocks = {b: [*cleaned.codebook.blocks[b]] for b in ("pretreatment", "treatment")}
    hierarchical_regression(cleaned.dyads, "case_manager_alliance", blocks)
    lap("hierarchical regression")
    found["total"] = clock[-1] - clock[0]
    found["children"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    return found


def beside_reading(folder: Path) -> dict:
    """Checking and scoring both WAI forms, beside bare reads of the same items."""
    import pandas as pd

    from alliance_helpers.study.load import Study
    from alliance_helpers.study.read_codebook import read_codebook
    from alliance_helpers.study.score import score_scale

    book = read_codebook()
    scales = {"client_interviews": "client_alliance", "case_manager_forms": "case_manager_alliance"}
    reading = ours = 0.0
    for name, scale in scales.items():
        items = list(book.scales[scale].items)
        path = folder / f"{name}.parquet"
        pd.read_parquet(path, columns=items[:1])
        start = CLOCK()
        frame = pd.read_parquet(path, columns=items)
        reading += CLOCK() - start
        only = {name: _only(book.tables[name], items)}

        def check_and_score(rows, name=name, scale=scale, items=items, only=only):
            study = Study({name: rows}, _with(book, only), "bench")
            if study.examined.problems:
                raise SystemExit("\n".join(map(str, study.examined.problems)))
            score_scale(study.examined.tables[name][items], book.scales[scale])

        check_and_score(frame.head(100))  # both sides have been used once before
        start = CLOCK()
        check_and_score(frame)
        ours += CLOCK() - start
    return {"reading": reading, "ours": ours}


SESSIONS = """
study: {title: Sessions, client: client, case_manager: case_manager}
tables:
  sessions:
    {file: sessions.parquet, row: session, time: session, event: last, key: [client], variables:
      {client: {type: id}, case_manager: {type: id}, session: {type: integer, range: [1, 200]},
       "wai_{1..12}": {type: integer, range: [1, 7]}, symptoms: {type: number}}}
scales: {alliance: {items: "wai_{1..12}", form: WAI-S, informant: client}}
informants: {client: {alliance: alliance}}
blocks: {alliance: [alliance], outcome: [symptoms]}
"""


def write_sessions(folder: Path, n: int, T: int = 20) -> None:
    """Twelve items, of which one in a hundred is blank, and an outcome at each session."""
    import pandas as pd

    rng, person = np.random.default_rng(1), np.repeat(np.arange(n), T)
    trust = rng.normal(size=n)[person] + rng.normal(size=n * T)
    items = np.clip(np.rint(4 + trust[:, None] + rng.normal(size=(n * T, 12))), 1, 7)
    items[:, [3, 9]] = 8 - items[:, [3, 9]]  # the reversed ones of the WAI-S
    items[rng.random(items.shape) < 0.01] = np.nan
    ids = {"client": [f"C{i:05d}" for i in person],
           "case_manager": [f"M{i // 5:04d}" for i in person]}  # fmt: skip
    told = {"session": np.tile(np.arange(1, T + 1), n)}
    told |= {f"wai_{k + 1}": items[:, k] for k in range(12)}
    told["symptoms"] = (20 - 3 * trust + 5 * rng.normal(size=n * T)).round(1)
    pd.DataFrame(ids | told).to_parquet(folder / "sessions.parquet", index=False)
    (folder / "codebook.yml").write_text(SESSIONS)


def beside_sessions(folder: Path) -> dict:
    """Sessions read, checked and scored, beside a bare read of them: medians of nine of each."""
    import pandas as pd

    from alliance_helpers.study.clean import clean
    from alliance_helpers.study.load import load_study

    todo = {
        "reading": lambda: pd.read_parquet(folder / "sessions.parquet"),
        "ours": lambda: clean(load_study(folder)),
    }
    took: dict[str, list[float]] = {name: [] for name in todo}
    for _ in range(10):
        for name, do in todo.items():
            start = CLOCK()
            do()
            took[name].append(CLOCK() - start)
    return {name: float(np.median(times[1:])) for name, times in took.items()}


def sessions() -> Ratio:
    with tempfile.TemporaryDirectory() as folder:
        write_sessions(Path(folder), 5_000)
        found = run("sessions", Path(folder))
    return Ratio(
        "5,000 clients x 20 sessions read, checked and scored, against pandas.read_parquet of them",
        f"{1e3 * found['ours']:.0f} ms", f"{1e3 * found['reading']:.1f} ms",
        found["ours"] / found["reading"], "<= 5",
    )  # fmt: skip


def _only(table, items):
    from dataclasses import replace

    return replace(
        table, key=(), duplicates="allow", variables={i: table.variables[i] for i in items}
    )


def _with(book, tables):
    from dataclasses import replace

    return replace(book, tables=tables, days={})


TASKS = {"measure": measure, "beside": beside_reading, "sessions": beside_sessions}


def run(task: str, folder: Path) -> dict:
    """One measurement in a fresh process with one thread of linear algebra."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.bench_data", task, str(folder)],
        capture_output=True, text=True, env=os.environ | ONE_THREAD, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def main(sizes=SIZES) -> list[Ratio]:
    """Measure every size; prints the laps, returns the ratios."""
    laps, rows = {}, []
    for n in sizes:
        with tempfile.TemporaryDirectory() as folder:
            run(f"write:{n}", Path(folder))
            laps[n] = run("measure", Path(folder))
            beside = run("beside", Path(folder))
        parts = ", ".join(f"{k} {v:.2f}" for k, v in laps[n].items() if k != "children")
        sys.stdout.write(f"{n:>9,} dyads: {parts}\n")
        rows.append(
            Ratio(
                f"check and score {n:,} dyads' WAI items, against pandas.read_parquet of them",
                f"{beside['ours']:.2f} s", f"{beside['reading']:.2f} s",
                beside["ours"] / beside["reading"], "<= 3" if n == max(sizes) else "",
            )
        )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        run(f"narrow:{max(sizes)}", Path(folder))
        narrow = run("measure", Path(folder))
    for items, big in (("four bytes", laps[max(sizes)]), ("one byte", narrow)):
        rows.append(
            Ratio(
                f"peak memory for {max(sizes):,} dyads, items of {items}, against the raw tables",
                f"{big['peak']:.0f} MB", f"{big['raw']:.0f} MB", big["peak"] / big["raw"],
                "<= 4" if max(sizes) == max(SIZES) else "",
            )
        )  # fmt: skip
    if len(sizes) > 1:
        times = [laps[n]["total"] for n in sizes]
        slope = float(np.polyfit(np.log(sizes), np.log(times), 1)[0])
        words = " to ".join(f"{n:,}" for n in (min(sizes), max(sizes)))
        rows.append(
            Ratio(f"exponent of time from {words} dyads", f"{times[-1]:.1f} s",
                  f"{times[0]:.2f} s", slope, "<= 1.1")
        )  # fmt: skip
    return [*rows, sessions()]


if __name__ == "__main__":
    task = sys.argv[1] if len(sys.argv) > 1 else ""
    if task.startswith(("write:", "narrow:")):
        kind, n = task.split(":")
        write(Path(sys.argv[2]), int(n), narrow=kind == "narrow")
        sys.stdout.write("{}\n")
    elif sys.argv[2:] and task in TASKS:
        sys.stdout.write(json.dumps(TASKS[task](Path(sys.argv[2]))) + "\n")
    elif task == "sessions":
        sys.stdout.write(table([sessions()]) + "\n")
    else:
        chosen = tuple(int(a.replace("_", "")) for a in sys.argv[1:]) or SIZES
        sys.stdout.write(table(main(chosen)) + "\n")
