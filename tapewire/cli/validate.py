"""``tapewire validate …``: how true the simulation is, asked of market data."""

from pathlib import Path
from typing import Annotated

import typer

from tapewire.cli.options import Symbols, names_in

app = typer.Typer(
    name="validate",
    help="Hold the simulation against what really happened.",
    no_args_is_help=True,
)


@app.callback()
def _group() -> None:
    """Keep the command's name although it is alone."""


@app.command(
    "placebo",
    epilog="[bold]Examples[/bold]\n\n"
    "tapewire validate placebo day.mbo.dbn.zst\n\n"
    "tapewire validate placebo day.mbo.dbn.zst --publisher 39 --require 99 --json",
)
def placebo(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .dbn or .dbn.zst of schema mbo.")],
    symbols: Symbols = None,
    publishers: Annotated[
        list[int] | None, typer.Option("--publisher", help="Only this one; can be repeated.")
    ] = None,
    instruments: Annotated[
        list[int] | None,
        typer.Option("--instrument", help="Only this instrument id; can be repeated."),
    ] = None,
    require: Annotated[
        float | None,
        typer.Option(
            "--require", metavar="PERCENT", min=0, max=100,
            help="Exit with 1 if less of the orders or of the lots agree.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:  # fmt: skip
    """Send the file's own orders again, each directly ahead of itself, and compare the fills."""
    import sys

    from rich.console import Console

    from tapewire.inputs.placebo import print_placebo, validate_placebo

    report = validate_placebo(
        file,
        symbols=names_in(symbols),
        publishers=publishers or (),
        instruments=instruments or (),
    )
    print_placebo(report, Console(), as_json=as_json)
    short = [] if require is None else report.falls_short(require)
    if short:
        print(f"less than the {require:g} % required: {'; '.join(short)}", file=sys.stderr)
        raise typer.Exit(1)
