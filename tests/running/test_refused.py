"""Two hundred bad inputs through every command, in one process: a message, soon, nothing else.

Those of `tests/bad_input` have each its own: file, place, value, remedy.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from bad_input import CASES, good, write
from click.testing import CliRunner

from alliance_helpers.running import station
from alliance_helpers.running.cli import main

LIMIT = 5  # seconds of the processor
GOOD = good()
SHAPES = {  # settings of a table, its variables, its text (issue: files as people have them)
    "a role of three values": (
        "row: rating, informant: {column: who, client: c, case_manager: t}",
        "x: {}",
        "id,who,x\n1,c,2\n1,t,3\n2,x,4\n",
    ),
    "a dyad of two clients": (
        "row: rating, informant: {column: who, client: c, case_manager: t}",
        "x: {}",
        "id,who,x\n1,c,2\n1,c,3\n2,t,4\n",
    ),
    "a role that is no column": (
        "row: rating, informant: {column: role, client: c, case_manager: t}",
        "x: {}",
        "id,who,x\n1,c,2\n1,t,3\n",
    ),
    "an event that does not exist": (
        "row: session, time: n, event: follow_up",
        "n: {}, x: {}",
        "id,n,x\n1,1,2\n1,2,3\n",
    ),
    "a time that does not exist": ("row: session, time: week", "x: {}", "id,n,x\n1,1,2\n"),
    "headers of a file without them": ("header: [1, 3]", "x: {}", "id,x\n"),
    "a header beyond the file": ("header: 9", "x: {}", "id,x\n1,2\n"),
    "words of another language": (
        "",
        "x: {type: integer, range: [1, 3], values: {never: 1, often: 2, always: 3}}",
        "id,x\n1,nie\n2,oft\n3,always\n",
    ),
    "a label table with a gap": (
        "",
        "x: {type: integer, range: [1, 3], values: {never: 1, always: 3}}",
        "id,x\n1,never\n2,often\n3,always\n",
    ),
    "rows to leave out that are no column": ("where: {Finished: true}", "x: {}", "id,x\n1,2\n"),
    "nobody left of the rows": ("where: {x: 9}", "x: {}", "id,x\n1,2\n"),
}
NO_CLAIM = "no claim that can be put"
CLAIMS = {
    "claims are a list": "- a\n",
    "claims are no YAML": "claims: [\n",
    "claims of an alias": "a: &a [1]\nclaims: *a\n",
    "claims of a tag": "claims: !!python/object/apply:os.system [ls]\n",
    "a claim without a kind": "claims: [{finding: '1', claim: a, text: A}]\n",
    "a claim of no kind": "claims: [{finding: '1', claim: a, kind: magic, text: A}]\n",
    "a claim about nobody": "claims: [{finding: '1', claim: a, kind: absence, informant: dog, "
    "term: age, text: A}]\n",
    "a bound in words": "bounds: {correlation: small}\n",
    "a bound below nothing": "bounds: {correlation: -1}\n",
    "a bound of no name": "bounds: {corelation: 0.2}\n",
    "claims larger than any": "claims: [" + "{a: b}, " * 200_000 + "]\n",
    NO_CLAIM: "claims: [{finding: '1', claim: a, kind: association, informant: "
    "client, term: shoe_size, sign: positive, text: A}]\n",
}
GRIDS = {
    "a grid that is a list": "- 1\n",
    "an empty grid": "",
    "a grid that is no YAML": "parameters: [",
    "a grid of a tag": "!!python/object/apply:os.system [ls]",
    "a grid of aliases": "a: &a [1, 1]\nparameters: {seed: [*a, *a]}",
    "a parameter twice": "parameters: {seed: 1}\nparameters: {seed: 2}",
    "an unknown part": "params: {seed: [1]}",
    "an unknown parameter": "parameters: {sead: [1]}",
    "a seed in words": "parameters: {seed: [one], scenario: [published]}",
    "a seed of base 60": "parameters: {seed: [1:00:00], scenario: [published]}",
    "a huge hexadecimal seed": f"parameters: {{seed: [0x{'f' * 9999}], scenario: [published]}}",
    "a seed of more than 64 bits": f"parameters: {{seed: [{2**70}], scenario: [published]}}",
    "a seed below nothing": "parameters: {seed: [-5], scenario: [published]}",
    "a range of ninety million": "parameters: {seed: {from: 0, to: 9.0e+7}}",
    "a range without an end": "parameters: {seed: {from: 1, to: .inf}}",
    "a range in steps": "parameters: {seed: {from: 1, to: 9, step: 2}}",
    "more runs than meant": "parameters: {seed: {from: 1, to: 99999}, scenario: [published]}",
    "more runs than can be": "parameters: {"
    + ", ".join(f"p{i}: [1, 2, 3]" for i in range(99))
    + "}",
    "runs that are a mapping": "runs: {seed: 1}",
    "a run twice": "runs: [{scenario: halo}, {scenario: halo}]",
    "a seed that changes nothing": "parameters: {seed: [7]}",
    "a scenario of no name": "parameters: {scenario: [halos]}",
    "no clients": "parameters: {scenario: [halo], n_clients: [0]}",
    "no such notebook": "notebooks: [99_none]\nruns: [{scenario: halo}]",
    "data that are nowhere": "runs: [{data: /nowhere/at/all}]",
    "a folder set by a grid": "parameters: {out: [x]}",
    "a subscale of no name": "runs: [{subscale: bonds}]",
    "nobody to leave out": "runs: [{without: site=Atlantis}]",
    "a block of nothing": "runs: [{blocks: pretreatment=shoe_size}]",
    "a column of no categories": "runs: [{by: client_age}]",
    "a notebook without a name": "notebooks: ['']\nruns: [{scenario: halo}]",
    "data longer than a name": f"runs: [{{data: {'x' * 5000}}}]",
}
HALO = "runs: [{scenario: halo}]"
OPTIONS = {
    "a parameter of no name": ["run", "-p", "sead", "1"],
    "a share above one": ["run", "-p", "conf_level", "1.5"],
    "entering above leaving": ["run", "-p", "p_enter", ".2"],
    "data and scenario": ["run", "--data", ".", "-p", "scenario", "halo"],
    "clients below nothing": ["simulate", "--n-clients", "-1", "--out", "OUT"],
    "a seed above all": ["simulate", "--seed", str(2**70), "--out", "OUT"],
    "jobs of none": ["run", "--jobs", "0"],
    "a run that is none": ["export", "nowhere", "--to", "OUT"],
    "two runs that are none": ["compare", "nowhere", "elsewhere"],
    "a draft in the place of a file": ["describe", "halo.yml", "--out", "halo.yml"],
    "a comparison in the place of a file": ["compare", "one", "other", "--page", "halo.yml"],
    "nothing to describe": ["describe", "nowhere"],
    "data of a name too long": ["check", "--data", "x" * 300],
    "results in a path too long": ["run", "--out", "x/" * 3000],
    "results in a file": ["plan", "symptoms", "--cohorts", "10", "--out", "halo.yml/x"],
    "the home of nobody": ["check", "--data", "~nobody-at-all/x"],
    "a parameter given twice": ["run", "-p", "n_perm", "20", "-p", "n_perm", "30"],
    "notebooks of no name": ["batch", "halo.yml", "--out", "OUT", "--notebooks", ","],
    "no end of time": ["batch", "halo.yml", "--out", "OUT", "--timeout", "inf"],
    "a scheduler without a port": ["batch", "halo.yml", "--out", "OUT", "--dask", "nonsense"],
}
COUNT = len(CASES) + len(SHAPES) + len(CLAIMS) + len(GRIDS) + len(OPTIONS)


def studies(folder: Path):
    """Each bad study by its name, written when it is come to."""
    for name in CASES:
        yield name, write(folder / "cases", name)
    for name, (settings, variables, text) in SHAPES.items():
        made = folder / name
        made.mkdir()
        (made / "t.csv").write_text(text)
        who = "who: {}, " * ("who" in text and "informant" not in settings)
        (made / "codebook.yml").write_text(
            "study: {title: T, client: id}\n"
            f"tables: {{t: {{file: t.csv, key: [id], {settings}{', ' * bool(settings)}"
            f"variables: {{id: {{type: id}}, {who}{variables}}}}}}}\n"
            "informants: {client: {alliance: x}}\n"
        )
        yield name, made
    for name, text in CLAIMS.items():
        made = folder / name
        made.mkdir()
        for file, content in (GOOD | {"findings.yml": text}).items():
            (made / file).write_text(content)
        yield name, made


def to_draft(source: Path, drafted: set) -> list[Path]:
    """What `describe` has not seen yet: the one file of a study, or else all of its folder."""
    files = [p for p in (source, *sorted(source.rglob("*"))) if p.suffix not in (".yml", ".yaml")]
    known = {p: (p.name * (p != source), p.read_bytes() if p.is_file() else p.lstat().st_mode)
             for p in files if os.path.lexists(p)}  # fmt: skip
    new = [p for p, entry in known.items() if entry not in drafted]
    drafted |= {*known.values()}
    return new if len(new) == 1 and new[0].is_file() else [source] * (bool(new) or not known)


def commands(folder: Path):
    """The arguments of every command on every bad input, and what it must say if that is known."""
    out = str(folder / "out")
    drafted = {(name, text.encode()) for name, text in GOOD.items()}
    for name, source in studies(folder):
        grid = folder / "grid.yml"
        grid.write_text(json.dumps({"runs": [{"data": str(source)}]}))
        known = CASES[name][1] if name in CASES else ""
        yield name, ["check", "--data", str(source)], known
        for path in to_draft(source, drafted):  # no draft asks for a codebook
            yield name, ["describe", str(path)], ""
        yield name, ["run", "--data", str(source), "--out", out], known
        if name not in CLAIMS:  # notebooks that need no claim run without
            yield name, ["batch", str(grid), "--out", out], known if source.exists() else ""
    for name, text in GRIDS.items():
        grid.write_text(text)
        yield name, ["batch", str(grid), "--out", out], ""
    Path("halo.yml").write_text(HALO)
    for name, arguments in OPTIONS.items():
        yield name, [out if word == "OUT" else word for word in arguments], ""


def says(done, known: str, folder: Path) -> bool:
    """Whether a command said this message, under one of two headings, and nothing else."""
    heading, *lines = done.stderr.replace(f"{folder}/cases/", "").splitlines() or [""]
    headed = heading.startswith(("alliance: The data do", "alliance: The codebook cannot"))
    return headed and not done.stdout and "\n".join(map(str.strip, lines)) == known


def test_there_are_two_hundred():
    assert COUNT >= 200


def test_every_bad_input_ends_in_a_message_soon_and_leaves_nothing(
    tmp_path, monkeypatch, read_once
):
    monkeypatch.setenv(station.COLD_VARIABLE, "1")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "temporary").mkdir()
    ran = []
    for runs in ("sequence.run_notebooks", "batch._run_all"):
        monkeypatch.setattr(f"alliance_helpers.running.{runs}", lambda *_: ran.append(1))
    wrong, inputs = [], set()
    for name, arguments, known in commands(tmp_path):
        if arguments[0] == "check":  # the first of a study's commands
            read_once.clear()
        started = time.process_time()
        done = CliRunner().invoke(main, arguments, prog_name="alliance")
        seconds = time.process_time() - started
        inputs.add(name)
        # a draft is no judgement, and of a claim that asks too much `check` tells
        fine = done.exit_code == 0 and arguments[0] in ("describe", "check" * (name == NO_CLAIM))
        told = done.exit_code == 2 and ("alliance: " in done.stderr or "Error: " in done.stderr)
        told = told and (not known or says(done, known, tmp_path))
        noisy = "Traceback" in done.output or "unforeseen" in done.output
        if not (fine or told) or noisy or ran or seconds > LIMIT or os.path.lexists("out"):
            wrong.append((name, arguments[0], done.exit_code, seconds, done.output[-300:]))
        ran.clear()
    assert wrong == []
    assert Path("halo.yml").read_text() == HALO
    assert len(inputs) == COUNT


def test_a_named_pipe_for_a_table_is_told_by_the_real_command(tmp_path):
    os.mkfifo(tmp_path / "clients.csv")
    (tmp_path / "codebook.yml").write_text(GOOD["codebook.yml"])
    python = [sys.executable, "-P", "-m", "alliance_helpers.running.cli", "run"]
    done = subprocess.run(
        [*python, "--data", tmp_path, "--out", tmp_path / "out"],
        capture_output=True, text=True, timeout=60, env=os.environ | {station.COLD_VARIABLE: "1"},
    )  # fmt: skip
    assert (done.returncode, os.path.lexists(tmp_path / "out")) == (2, False)
    assert "Traceback" not in done.stderr
