"""Every benchmark in one go: prints each ratio with its peer and writes `benchmarks/results.md`.

    python -m benchmarks [short] [name ...]

`short` runs the batches with few cohorts, to see that they work.
"""

import os
import platform
import subprocess
import sys
from datetime import date
from pathlib import Path

from benchmarks.ratio import ONE_THREAD

HERE = Path(__file__).parent
OF_ONE_CORE = ("bench_selection", "bench_multiverse")  # they compare time of the processor
SIZED = ("bench_batch", "bench_faults")
ORDER = [
    "bench_run",
    "bench_export",
    *SIZED,
    "bench_selection",
    "bench_multiverse",
    "bench_data",
    "bench_input",
    "bench_widgets",
]


def output(name: str, short: bool) -> str:
    """What one benchmark prints, shown as it comes."""
    command = [sys.executable, "-u", "-m", f"benchmarks.{name}"]
    command += ["short"] if short and name in SIZED else []
    env = os.environ | (ONE_THREAD if name in OF_ONE_CORE else {})
    pipe = {"cwd": HERE.parent, "stdout": subprocess.PIPE, "text": True, "env": env}
    lines = []
    with subprocess.Popen(command, **pipe) as run:
        for line in run.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    if run.returncode:
        lines.append(f"\n(ended with exit code {run.returncode})\n")
    return "".join(lines)


def sections(path: Path) -> dict[str, str]:
    """What was measured before, by the name of the benchmark."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    parts = (part.split("\n", 1) for part in text.split("\n## ")[1:])
    return {name.strip(): body for name, body in parts}


def main() -> None:
    short = "short" in sys.argv
    names = [word for word in sys.argv[1:] if word != "short"] or ORDER
    path = HERE / "results.md"
    found = sections(path)
    for name in names:
        print(f"== {name}", flush=True)
        said = output(name, short).strip()
        shown = said if said.startswith("|") else f"```\n{said}\n```"
        found[name] = f"\n{date.today()}{', in short form' * short}.\n\n{shown}\n"
        head = (
            f"# Benchmarks\n\n`make bench`, {os.cpu_count()} cores, "
            f"Python {platform.python_version()}. Each ratio is against a peer measured in the "
            "same run. A benchmark that is run by itself replaces its own part.\n"
        )
        parts = [f"\n## {n}\n{found[n].rstrip()}\n" for n in ORDER if n in found]
        path.write_text(head + "".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
