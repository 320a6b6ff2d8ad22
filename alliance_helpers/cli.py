"""The command line. Heavy libraries are imported only by the command that needs them."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from .errors import AllianceError


class _Group(click.Group):
    """Errors meant for the user end in a message and an exit code, never in a traceback."""

    def invoke(self, ctx: click.Context):
        try:
            return super().invoke(ctx)
        except AllianceError as error:
            click.echo(f"alliance: {error}", err=True)
            sys.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("alliance: stopped.", err=True)
            sys.exit(1)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="alliance-kit")
def main() -> None:
    """From raw questionnaires to a verdict on each published claim about the alliance."""


@main.command()
@click.option("--data", default="", help="Folder or file of your own study.", metavar="PATH")
@click.option("--codebook", default="", help="Its data dictionary.", metavar="FILE")
@click.option("--out", default=None, help="Folder for the results.", metavar="DIR")
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1), metavar="N",
              help="Notebooks side by side.")  # fmt: skip
@click.option("-p", "pairs", nargs=2, multiple=True, metavar="NAME VALUE",
              help="A notebook parameter; may be repeated.")  # fmt: skip
@click.option("--show-rows", is_flag=True, help="Let single values of real records into results.")
def run(data, codebook, out, jobs, pairs, show_rows) -> None:
    """Run the whole sequence once and write the report."""
    from .parameters import all_parameters, parse_parameters
    from .sequence import main_notebooks, run_sequence, skipped
    from .station import open_station

    declared = all_parameters(main_notebooks())
    parameters = parse_parameters(pairs, declared)
    _no_clash(parameters, {"data": data, "codebook": codebook, "out": out})
    parameters |= {k: v for k, v in (("data", data), ("codebook", codebook)) if v}
    if show_rows:
        parameters["show_rows"] = True
    open_station()
    skip = skipped(_check_input(parameters))
    from tqdm import tqdm

    with tqdm(total=len(declared) - len(skip), desc="Notebooks", unit="", leave=False) as bar:
        result = run_sequence(parameters, out, jobs, lambda record: bar.update(), skip)
    _print_scorecard(result.out)
    for name, reason in skip.items():
        click.echo(f"{name} was left out. {reason}")
    for record in result.failed:
        place = f", cell {record.error_cell}" if record.error_cell else ""
        click.echo(
            f"{record.notebook}{place}: {record.error_name}: {record.error_message}", err=True
        )
    click.echo(f"Report: {result.out / 'report.html'}  ({result.seconds:.1f} s)")
    sys.exit(1 if result.failed else 0)


def _no_clash(parameters: dict, options: dict) -> None:
    from .errors import ParameterError

    clash = [name for name in ("data", "codebook", "out") if name in parameters and options[name]]
    if "out" in parameters or clash:
        name = clash[0] if clash else "out"
        raise ParameterError(f"Give {name} as --{name}, not as -p {name}.")


def _check_input(parameters: dict):
    """The study, after every problem of the data and the claims has had its chance to show."""
    from .claims import read_rules
    from .study import open_study

    names = ("data", "codebook", "scenario", "n_clients", "seed")
    read_rules(parameters.get("claims"), parameters.get("data"))
    return open_study(**{n: parameters[n] for n in names if n in parameters})


def _print_scorecard(out: Path) -> None:
    import pandas as pd

    path = out / "findings.csv"
    if not path.is_file():
        click.echo("No findings were written; see the notebooks named below.", err=True)
        return
    from .then_and_now import then_and_now

    click.echo(then_and_now(pd.read_csv(path, dtype={"finding": str})).text())


@main.command()
@click.option("--data", required=True, help="Folder or file of your study.", metavar="PATH")
@click.option("--codebook", default=None, help="Its data dictionary.", metavar="FILE")
@click.option("--json", "as_json", is_flag=True, help="Print the problems as JSON.")
def check(data, codebook, as_json) -> None:
    """List every problem in the data; exit with 2 if there is any."""
    from .data import load_study

    load_study(data, codebook)
    click.echo("No problems found.")


@main.command()
@click.option("--scenario", default="published", show_default=True, metavar="NAME")
@click.option("--n-clients", default=201, show_default=True, type=int, metavar="N")
@click.option("--seed", default=1995, show_default=True, type=int, metavar="N")
@click.option("--out", required=True, help="Folder for the raw tables.", metavar="DIR")
def simulate(scenario, n_clients, seed, out) -> None:
    """Write a synthetic study's raw tables and the truth they were drawn from."""
    from .simulate import simulate_study, write_study

    write_study(simulate_study(scenario, n_clients, seed), out)
    click.echo(f"Synthetic study: {out}")


if __name__ == "__main__":
    main()
