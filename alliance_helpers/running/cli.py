"""The command line. Heavy libraries are imported only by the command that needs them."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import traceback
from pathlib import Path

import click

from .. import paths
from ..errors import AllianceError, CodebookError, DataError, ParameterError, listed

LONGEST = 300  # letters of what a notebook's error says, on one line


class _Group(click.Group):
    """Errors meant for the user end in a message and an exit code, never in a traceback."""

    def invoke(self, ctx: click.Context):
        try:
            return super().invoke(ctx)
        except AllianceError as error:
            click.echo(f"alliance: {error}", err=True)
            sys.exit(error.exit_code)
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # twice is once
            click.echo("alliance: stopped.", err=True)
            sys.exit(1)
        except (click.exceptions.Exit, click.ClickException, click.Abort, BrokenPipeError):
            raise
        except (OSError, MemoryError) as error:  # of files, processes, memory
            told = str(error) or "not enough memory"
            click.echo(f"alliance: the system refused what was needed: {told}.", err=True)
            sys.exit(1)
        except Exception as error:
            click.echo(_unforeseen(error), err=True)
            sys.exit(1)


def _unforeseen(error: Exception) -> str:
    """One line for an error that nobody thought of; the traceback is kept for whoever mends it."""
    file, name = tempfile.mkstemp(prefix="alliance-error-", suffix=".txt")  # for this user only
    with os.fdopen(file, "w", encoding="utf-8") as opened:
        opened.writelines(traceback.format_exception(error))
    return f"alliance: stopped by an unforeseen {type(error).__name__}. What happened is in {name}."


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"],
                                           "show_default": True})  # fmt: skip
@click.version_option(package_name="alliance-kit")
def main() -> None:
    """From raw questionnaires to a verdict on each published claim about the alliance."""


class _Place(click.ParamType):
    """A place as a shell would have written it, had `~` stood for itself: ``--out=~/x``."""

    def __init__(self, name: str) -> None:
        self.name = name

    def convert(self, value: str, param: object, ctx: object) -> str:
        if not value:
            self.fail("it is empty. Name a place, or leave the option out.", param, ctx)
        paths.refuse_odd(value)
        return os.path.expanduser(value)


PATH, DIR, FILE = map(_Place, ("PATH", "DIR", "FILE"))
ONE = click.IntRange(1)
_codebook = click.option("--codebook", type=FILE, help="Its data dictionary.")
_pairs = click.option("-p", "pairs", nargs=2, multiple=True, metavar="NAME VALUE",
                      help="A notebook parameter; may be repeated.")  # fmt: skip


def _asked(pairs: tuple[tuple[str, str], ...], **options: str | None) -> dict[str, object]:
    """What a command's options and its `-p` ask of the notebooks."""
    from .parameters import absolute_places, all_parameters, parse_parameters
    from .runner import main_notebooks

    parameters = parse_parameters(pairs, all_parameters(main_notebooks()))
    given = {name: value for name, value in options.items() if value}
    if len(parameters) < len(pairs):
        raise ParameterError("A parameter is given twice: give each -p NAME once.")
    for name in ("out", *given):
        if name in parameters:
            raise ParameterError(f"Give {name} as --{name}, not as -p {name}.")
    return absolute_places(parameters | given)


def _help_parameters(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked:
        from .parameters import all_parameters, described
        from .runner import main_notebooks

        click.echo(described(all_parameters(main_notebooks())))
        ctx.exit()


@main.command()
@click.option("--help-parameters", is_flag=True, is_eager=True, expose_value=False,
              callback=_help_parameters, help="List all notebooks' parameters.")  # fmt: skip
@click.option("--data", type=PATH, help="Folder or file of your own study.")
@_codebook
@click.option("--out", type=DIR, help="Folder for the results.")
@click.option("--jobs", default=2, type=ONE, help="Notebooks side by side on this machine.")
@_pairs
@click.option("--show-rows", is_flag=True, help="Let single values of real records into results.")
@click.option("--pdf", is_flag=True, help="Print the report to PDF too; needs Chromium or Chrome.")
def run(data, codebook, out, jobs, pairs, show_rows, pdf) -> None:
    """Run the whole sequence once and write the report.

    Example: alliance run --data my_study/ --out results/mine -p subscale bond
    """
    from .station import open_station

    if show_rows or any(name == "show_rows" for name, _ in pairs):
        os.umask(0o077)  # what holds single values is for this user only
    open_station()  # the kernels' libraries load while this process loads its own
    from tqdm import tqdm

    from ..pages.report import without_findings
    from .runner import main_notebooks
    from .sequence import checked_study, refuse_without_claims, run_sequence, skipped

    parameters = _asked(pairs, data=data, codebook=codebook)
    parameters |= {"show_rows": True} if show_rows else {}
    study = checked_study(parameters)
    refuse_without_claims(study, parameters)
    skip = skipped(study.codebook)
    for warning in study.warnings:
        click.echo(f"Warning: {warning}", err=True)
    with tqdm(
        total=len(main_notebooks()) - len(skip), desc="Notebooks", unit="", leave=False
    ) as bar:
        result = run_sequence(parameters, out, jobs, lambda record: bar.update(), skip, pdf)
    said = result.card.text() if result.card else without_findings(result.out)
    click.echo(said, err=result.card is None)
    for name, reason in skip.items():
        click.echo(f"{name} was left out. {reason}")
    for r in result.failed:
        place = f", cell {r.error_cell}" if r.error_cell else ""
        said = " ".join(str(r.error_message).split())[:LONGEST]
        click.echo(f"{r.notebook}{place}: {r.error_name}: {said}", err=True)
    if result.failed:
        click.echo(f"More stands in the notebooks of {result.out / 'notebooks'}.", err=True)
    click.echo(f"Report: {result.out / 'report.html'}  ({result.seconds:.1f} s)")
    sys.exit(1 if result.failed else 0)


@main.command()
@click.option("--data", required=True, type=PATH, help="Folder or file of your study.")
@_codebook
@click.option("--json", "as_json", is_flag=True, help="Print the problems as JSON.")
def check(data, codebook, as_json) -> None:
    """List every problem in the data, the codebook and the claims; exit with 2 if there is any.

    Example: alliance check --data my_study/
    """
    from ..claims.rules import left_out, read_rules
    from ..study.load import check as check_study
    from ..study.load import codebook_of

    (problems, notes), rules = check_study(data, codebook), None
    try:
        rules = read_rules(data=data)
    except CodebookError as error:
        problems += error.problems
    if as_json:
        click.echo(json.dumps([p.record() for p in problems], indent=2))
        sys.exit(2 if problems else 0)
    if problems:
        raise DataError(problems)
    doubts = sum(line.startswith("Warning: ") for line in notes)
    also = f", but {doubts} thing{'s' * (doubts != 1)} to look at" if doubts else ""
    click.echo(f"No problems found{also}.")
    for line in (*notes, *left_out(rules, codebook_of(data, codebook))):
        click.echo(line)


@main.command()
@click.argument("path", type=PATH)
@click.option("--out", type=FILE, help="Write to this file, not to the screen.")
def describe(path, out) -> None:
    """Draft a codebook from a file's own names and labels; every guess is marked.

    Exit with 2 if the draft cannot be used before a person settles what it says.

    Example: alliance describe my_study/ --out my_study/codebook.yml
    """
    from ..drafting.draft import describe as draft
    from ..study.read_codebook import parse_codebook

    target = paths.not_there(out) if out else None
    text = draft(path)
    if target:
        paths.write_whole(target, text)
        click.echo(f"Draft codebook: {target}. Confirm each line marked as a guess.")
    else:
        click.echo(text, nl=False)
    parse_codebook(text, target.name if target else "the draft")


@main.command()
@click.option("--scenario", default="published",
              help="published, no_association, halo, hospital_effect, pretreatment_effect or "
                   "client_treatment (data/scenarios.yml).")  # fmt: skip
@click.option("--n-clients", default=201)
@click.option("--seed", default=1995)
@click.option("--out", required=True, type=DIR, help="Folder for the raw tables.")
def simulate(scenario, n_clients, seed, out) -> None:
    """Write a synthetic study's raw tables and the truth they were drawn from.

    Example: alliance simulate --scenario halo --out halo_study/
    """
    from ..cohorts.simulate import simulate_study, write_study

    write_study(simulate_study(scenario, n_clients, seed), out)
    click.echo(f"Synthetic study: {out}")


@main.command()
@click.argument("grid", metavar="GRID.yml", type=FILE)
@click.option("--out", required=True, type=DIR, help="Folder for the batch.")
@click.option("--jobs", default=2, type=ONE, help="Runs side by side on this machine.")
@click.option("--dask", metavar="ADDRESS", help="Send the runs to this Dask scheduler's workers.")
@click.option("--resume", is_flag=True, help="Run only what is missing or failed.")
@click.option("--yes", is_flag=True, help="More than 10,000 runs are meant.")
@click.option("--notebooks", metavar="NAMES", help="Only these, with commas between.")
@click.option("--keep", default="failed", type=click.Choice(["all", "failed", "none"]),
              help="Executed notebooks to keep. Only with all are figures drawn.")  # fmt: skip
@click.option("--timeout", default=600.0, help="Seconds that a notebook may take.")
def batch(grid, out, jobs, dask, resume, yes, notebooks, keep, timeout) -> None:
    """Run the notebooks for every combination of a grid; one table of findings.

    Example: alliance batch grid.yml --out results/hundred --jobs 2
    """
    from .batch import run_batch

    chosen = [n.strip() for n in notebooks.split(",")] if notebooks else None
    done = run_batch(
        Path(grid), Path(out), jobs, dask, resume, yes, chosen, keep=keep, timeout=timeout
    )
    if done.damaged:
        click.echo(f"{listed(done.damaged)}: lost or damaged; discarded, and done again.", err=True)
    found = done.out / "findings.csv"
    where = f"Findings: {found}" if found.is_file() else "No findings: 09_summary writes them."
    click.echo(
        f"{done.done} of {done.runs} runs done, {done.failed} failed, {done.missing} not started "
        f"({done.seconds:.1f} s). {where}"
    )
    sys.exit(done.exit_code)


@main.command()
@click.argument("run", type=DIR)
@click.option("--to", required=True, type=DIR, help="Folder for the paper.")
@click.option("--template", type=FILE, help="A journal's Word file, whose styles are taken.")
def export(run, to, template) -> None:
    """Write a run as a manuscript: Word, LaTeX, figures as vector, references.

    Example: alliance export results/latest --to paper
    """
    from ..pages.paper import export as write

    for path in write(run, to, template):
        click.echo(path)


@main.command()
@click.option("--data", type=PATH, help="Folder of the study; the data may not be there yet.")
@_codebook
@click.option("--claims", type=FILE, help="The claims.")
@_pairs
@click.option("--out", type=FILE, help="The lock; by default plan.lock beside the data.")
def lock(data, codebook, claims, pairs, out) -> None:
    """Write the plan of a study down, before the data are looked at.

    Example: alliance lock --data my_study/
    """
    from .plan import LOCK, locked
    from .plan import lock as write

    parameters = _asked(pairs, data=data, codebook=codebook, claims=claims)
    file = write(parameters, out or Path(data or ".") / LOCK)
    click.echo(f"Plan: {file}. {locked(file)}")


@main.command()
@click.argument("claim")
@click.option("--effect", type=float, help="In the claimed direction; else the claim's bound.")
@click.option("--case-managers", default="45", metavar="N,N,...", help="Numbers to look at.")
@click.option("--clients", default="5", metavar="N,N,...", help="Of each, on average.")
@click.option("--sessions", default="", metavar="N,N,...", show_default="10",
              help="Of a claim over time: numbers of sessions.")  # fmt: skip
@click.option("--reliability", default=1.0, help="Of the ratings; 1: the effect is as observed.")
@click.option("--missing", default=0.0, help="Share of clients, or of sessions, that are missing.")
@click.option("--pretreatment", default=0.0, help="Share of the outcome that it explains.")
@click.option("--level", default="both", type=click.Choice(["both", "within"]),
              help="Is the effect also one between case managers?")  # fmt: skip
@click.option("--wanted", default=0.8, help="How often the right verdict should come out.")
@click.option("--cohorts", default=1000, help="Simulated studies of each design and truth.")
@click.option("--seed", default=1995, help="Of the simulation.")
@click.option("--claims", type=FILE, help="The claims; else the shipped ones.")
@_codebook
@click.option("--out", type=DIR, help="Folder for the table, the picture and the paragraph.")
@click.option("--jobs", default=2, type=ONE, help="Processes side by side on this machine.")
def plan(claim, claims, codebook, out, **asked) -> None:
    """How often each verdict on CLAIM would come out, in studies yet to be made.

    Example: alliance plan symptoms --effect .25 --case-managers 10,20,30 --clients 3,5,8
    """
    from ..claims.planning import plan as planned
    from ..claims.rules import read_rules

    folder = Path(out).absolute() if out else None
    if folder:
        with paths.held(folder, "plan"):  # and gone again, if it was not there
            paths.refuse_others(folder, paths.survey(folder, paths.listed(folder))[1])
    found = planned(claim, rules=read_rules(claims), codebook=codebook, **asked)
    click.echo(f"{found.table.to_string(index=False)}\n\n{found.paragraph}")
    if folder:
        from ..pages import plots
        from ..pages.outputs import figure_html, save_figure, write_csv
        from ..pages.printing import pretty, rendered

        drawn = save_figure(plots.design_grid(found.rates, found.right, found.wanted), "plan", "")
        parts = {"table": pretty(found.table, caption=found.caption).html,
                 "figure": figure_html(drawn.png, drawn.alt, drawn.width)}  # fmt: skip
        with paths.held(folder, "plan"):
            paths.empty_for_a_run(folder)
            write_csv(found.rates, folder / "plan.csv")
            paths.write_whole(folder / "plan.png", drawn.png)
            page = rendered("plan.html.j2", paragraph=found.paragraph, **parts)
            paths.write_whole(folder / "plan.html", page)
        click.echo(f"Plan: {folder / 'plan.html'}")


@main.command()
@click.argument("one", metavar="RUN_A", type=DIR)
@click.argument("other", metavar="RUN_B", type=DIR)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.option("--page", type=FILE, help="Also write it as a page.")
def compare(one, other, as_json, page) -> None:
    """Which verdicts differ between two runs, and which change made each of them differ.

    Example: alliance compare results/one results/other
    """
    from .compare import compare as found

    target = paths.not_there(page) if page else None
    result = found(one, other)
    if target:
        paths.write_whole(target, result.html())
    click.echo(json.dumps(vars(result), indent=2) if as_json else result.text())


if __name__ == "__main__":
    main()
