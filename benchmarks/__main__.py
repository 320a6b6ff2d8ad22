"""Every benchmark in one go: prints each ratio with its peer and writes `benchmarks/results.md`.

python -m benchmarks [name ...]
"""

import os
import platform
import subprocess
import sys
from datetime import date
from pathlib import Path

HERE = Path(__file__).parent
ORDER = [
    "bench_run",
    "bench_batch",
    "bench_selection",
    "bench_multiverse",
    "bench_data",
    "bench_widgets",
]


def output(name: str) -> str:
    """What one benchmark prints, shown as it comes."""
    command = [sys.executable, "-u", "-m", f"benchmarks.{name}"]
    lines = []
    with subprocess.Popen(command, cwd=HERE.parent, stdout=subprocess.PIPE, text=True) as run:
        for line in run.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    if run.returncode:
        lines.append(f"\n(ended with exit code {run.returncode})\n")
    return "".join(lines)


def main() -> None:
    names = sys.argv[1:] or ORDER
    parts = [
        "# Benchmarks\n\n"
        f"`make bench`, {date.today()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}. "
        "Each ratio is against a peer measured in the same run.\n"
    ]
    for name in names:
        print(f"== {name}", flush=True)
        said = output(name).strip()
        parts.append(f"\n## {name}\n\n```\n{said}\n```\n")
    (HERE / "results.md").write_text("".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
