"""Gathers the pages of the site in `build/docs`; `make docs` has mkdocs build them.

Every page is a file of the repository, at its own place in it, so that links hold; added are the
notebooks as executed on the shipped cohort, a page of API a room, and tables of benchmarks.
"""

import base64
import os
import re
import shutil
import sys
from pathlib import Path

import nbformat
import pandas as pd

import alliance_helpers
from alliance_helpers.paths import NOTEBOOKS, ROOT
from alliance_helpers.running.runner import PLANNING, main_notebooks, run_notebooks

SITE = ROOT / "build" / "docs"
PAGES = (
    "docs/*.md", "docs/tasks/*.md", "data/*.md", "data/raw/README.md", "CHANGELOG.md",
    "CONTRIBUTING.md", "notebooks/seminar/*.md", "examples/README.md",
)  # fmt: skip
BEGIN = "```python\nimport numpy as np, pandas as pd\nfrom alliance_helpers import *\n```"
LINK = re.compile(r"(!?)\[([^\]\n]*)\]\(([^)#:\s]+)(#[^)\s]*)?\)")
SHOWN = [*main_notebooks(), NOTEBOOKS / f"{PLANNING}.ipynb"]
TABLES = {
    "plan_check": "A plan's rates of verdicts, and those of whole cohorts",
    "small_samples": "Few case managers: size and coverage in %",
    "count_size": "Tests of rare and of common days, size in %",
    "permutation_size": "Permutations, size",
    "multiverse_size": "The joint test over all specifications, size",
}


def write(place: str, text: str) -> None:
    """A page, its links to what is no page turned into copies, or into plain words."""
    target = SITE / place
    target.parent.mkdir(parents=True, exist_ok=True)

    def linked(found: re.Match) -> str:
        _, words, to, _ = found.groups()
        path = Path(os.path.normpath((ROOT / place).parent / to))
        if not path.is_relative_to(ROOT):
            return words
        inside = path.relative_to(ROOT)
        if path.suffix == ".ipynb":
            return found[0].replace(".ipynb", ".md") if path in SHOWN else words
        if path.is_dir() or not path.exists():
            generated = path.suffix == ".md" and inside.parts[0] in ("api", "notebooks", "build")
            return found[0] if generated else words
        if path.suffix != ".md":
            (SITE / inside).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, SITE / inside)
        return found[0]

    target.write_text(LINK.sub(linked, text), encoding="utf-8")


def notebook_page(executed: Path) -> None:
    """A notebook with what its cells showed; cells to play with are for JupyterLab."""
    parts = []
    for cell in nbformat.read(executed, as_version=4).cells:
        if "explorer" in cell.metadata.get("tags", []):
            continue
        if cell.cell_type == "markdown":
            parts.append(cell.source)
            continue
        folded = cell.source.startswith("from alliance_helpers") or "parameters" in (
            cell.metadata.get("tags", [])
        )
        code = f"```python\n{cell.source}\n```"
        indented = code.replace("\n", "\n    ")
        parts.append(f'??? note "Names and parameters"\n\n    {indented}' if folded else code)
        parts += [
            shown for out in cell.outputs if (shown := _shown(out, executed.stem, len(parts)))
        ]
    write(f"notebooks/{executed.stem}.md", "\n\n".join(parts) + "\n")


def _shown(output, notebook: str, number: int) -> str:
    if output.output_type == "stream":
        if output.text.startswith("\r"):  # how far a long cell was
            return ""
        return f"```text\n{output.text.rstrip()}\n```"
    data = output.get("data", {})
    if "image/png" in data:
        name = f"{notebook}_{number}.png"
        (SITE / "notebooks").mkdir(parents=True, exist_ok=True)
        (SITE / "notebooks" / name).write_bytes(base64.b64decode(data["image/png"]))
        about = output.metadata.get("image/png", {})
        alt = re.sub(r"[\[\]\n]", " ", about.get("alt") or "The figure of the cell above")
        return f"![{alt}]({name})"
    if "text/html" in data:
        html = re.sub(r"<style.*?</style>", "", data["text/html"], flags=re.S)
        html = re.sub(r"\n\s*\n", "\n", html).replace("<th></th>", "<td></td>")
        return f'<div class="output" tabindex="0" role="group" aria-label="Output">{html}</div>'
    return f"```text\n{data['text/plain']}\n```" if "text/plain" in data else ""


def api_pages() -> None:
    """The public names of a room, one page a room."""
    for room, (about, names) in alliance_helpers._DOOR.items():
        parts = [f"# {room}: reference", f"{about}. Examples begin with:", BEGIN]
        for name, (file, answers) in names.items():
            parts += [f"## {name}", f"*{answers[0].upper()}{answers[1:]}.*"]
            parts.append(f"::: alliance_helpers.{room}.{f'{file}.' * bool(file)}{name}")
            for inside, made in [] if file else vars(getattr(alliance_helpers, name)).items():
                home = getattr(made, "__module__", "")
                here = home.startswith(f"alliance_helpers.{room}") and inside[0] != "_"
                if here and getattr(sys.modules[home], inside, None) is made:
                    parts += [f"### {name}.{inside}", f"::: {home}.{inside}"]
        write(f"api/{room}.md", "\n\n".join(parts) + "\n")


def benchmark_pages() -> None:
    """Size and coverage, as counted."""
    parts = [(ROOT / "benchmarks" / "coverage.md").read_text("utf-8")]
    for name, title in TABLES.items():
        frame = pd.read_csv(ROOT / "benchmarks" / f"{name}.csv").round(4)
        head, *rows = frame.to_csv(sep="|", index=False).splitlines()
        lines = [head, "|".join(["---"] * frame.shape[1]), *rows]
        parts.append(f"## {title}\n\n" + "\n".join(f"|{line}|" for line in lines))
    write("benchmarks/coverage.md", "\n\n".join(parts) + "\n")


def main() -> None:
    shutil.rmtree(SITE, ignore_errors=True)
    for pattern in PAGES:
        for page in sorted(ROOT.glob(pattern)):
            write(page.relative_to(ROOT).as_posix(), page.read_text("utf-8"))
    readme = (ROOT / "README.md").read_text("utf-8")
    write("index.md", readme)
    api_pages()
    benchmark_pages()
    for name in ("site.css", "site.js", "iframe-worker.js"):
        shutil.copy(ROOT / "tools" / name, SITE / name)
    executed = ROOT / "build" / "executed"
    shutil.rmtree(executed, ignore_errors=True)
    records = run_notebooks(SHOWN, executed, {}, 2)
    if failed := [f"{r.notebook}: {r.error_message}" for r in records if r.status != "done"]:
        raise SystemExit("\n".join(failed))
    for notebook in SHOWN:
        notebook_page(executed / notebook.name)


if __name__ == "__main__":
    main()
