"""`alliance export` after a run, against pandoc making a Word file of that run's report.

python -m benchmarks.bench_export [REPEATS of both] [RUN]
"""

import sys
import tempfile
from pathlib import Path

import pypandoc

from benchmarks.bench_run import BIN, timed
from benchmarks.ratio import Ratio, table


def main(repeats: int = 3, run: str = "") -> list[Ratio]:
    """Both in turn, so that other work on the machine falls on both; the middle of each."""
    ours, peer = [], []
    with tempfile.TemporaryDirectory() as folder:
        made = Path(run) if run else Path(folder) / "run"
        if not run:
            timed(BIN / "alliance", "run", "--out", made)
        pandoc = (pypandoc.get_pandoc_path(), made / "report.html", "-o")
        for turn in range(repeats):
            to = Path(folder) / f"{turn}"
            ours.append(timed(BIN / "alliance", "export", made, "--to", to))
            peer.append(timed(*pandoc, to.with_suffix(".docx")))
    middle, other = (sorted(seconds)[repeats // 2] for seconds in (ours, peer))
    asked = "`alliance export`: Word, LaTeX and figures, after a run"
    beside = f"`pandoc report.html -o report.docx` {other:.1f} s"
    return [
        Ratio(asked, f"{middle:.1f} s", beside, middle / other),
        Ratio(f"{asked}, in seconds", f"{middle:.1f} s", "", middle, "<= 10"),
    ]


if __name__ == "__main__":
    print(table(main(*(kind(word) for kind, word in zip((int, str), sys.argv[1:], strict=False)))))
