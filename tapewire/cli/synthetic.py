"""``tapewire data synth`` and ``calibrate``: made-up markets, and what they are like."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from tapewire.cli.options import names_in

SYNTH_EXAMPLES: Final = (
    "[bold]Examples[/bold]\n\n"
    "tapewire data synth -o day.mbo.dbn.zst --events 1000000 --instruments 2 --seed 7\n\n"
    "tapewire data synth -o market --days 10 --instruments 2 --correlation 0.8\n\n"
    "tapewire data synth -o like.mbo.dbn.zst --like day.mbo.dbn.zst --hours 6\n\n"
    "tapewire data synth -o odd.mbo.dbn.zst --events 100000 --pathology crossed,halted"
)
CALIBRATE_EXAMPLE: Final = (
    "[bold]Example[/bold]\n\ntapewire data calibrate day.mbo.dbn.zst -o model.json --symbol ESH4"
)


def synth(
    output: Annotated[
        Path,
        typer.Option("-o", "--output", help="A .dbn or .dbn.zst file; of --days, or a folder."),
    ],
    events: Annotated[
        int | None,
        typer.Option(
            "--events",
            help="Records to make, 2,000,000 by default; with --hours or --days, about.",
            show_default=False,
        ),
    ] = None,
    instruments: Annotated[
        int, typer.Option("--instruments", help="Books to spread them over.")
    ] = 1,
    seed: Annotated[int, typer.Option("--seed", help="The same seed makes the same file.")] = 0,
    like: Annotated[
        Path | None,
        typer.Option("--like", metavar="FILE", help="Measure this file, make a market like it."),
    ] = None,
    symbol: Annotated[
        str | None, typer.Option("--symbol", help="Which book of --like; else the most traded.")
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option("--calibration", metavar="FILE", help="A model of data calibrate."),
    ] = None,
    hours: Annotated[float | None, typer.Option("--hours", help="Length of a session.")] = None,
    days: Annotated[
        int | None,
        typer.Option("--days", help="Trading days, of contracts that expire and roll."),
    ] = None,
    first_day: Annotated[
        datetime | None,
        typer.Option("--first-day", formats=["%Y-%m-%d"], help="2024-03-04 by default."),
    ] = None,
    correlation: Annotated[
        float | None, typer.Option("--correlation", help="Of the instruments' returns, 0 to 1.")
    ] = None,
    pathology: Annotated[
        list[str] | None,
        typer.Option(
            "--pathology",
            help="What goes wrong on purpose, by commas: crossed, locked, halted, auctions, "
            "restarts, clears, ticks256, negative, icebergs, implied, unknown.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Make a synthetic market as real DBN files.

    With --events, --instruments and --seed alone it is the session that runs without data use.
    """
    from rich.console import Console

    asked = (like, calibration, hours, days, first_day, correlation, pathology)
    if symbol is None and all(one is None for one in asked):
        from tapewire.inputs.synthetic import EVENTS_DEFAULT, synth_file

        synth_file(
            output, events=EVENTS_DEFAULT if events is None else events,
            instruments=instruments, seed=seed, as_json=as_json, console=Console(),
        )  # fmt: skip
        return
    from tapewire.inputs.markets import market_file

    market_file(
        output, like=like, symbol=symbol, calibration=calibration, events=events,
        instruments=instruments, days=days, hours=hours, correlation=correlation or 0.0,
        first_day=None if first_day is None else first_day.date(),
        pathologies=names_in(pathology), seed=seed, as_json=as_json, console=Console(),
    )  # fmt: skip


def calibrate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .dbn or .dbn.zst of schema mbo.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="A .json file to keep the model in.")
    ] = None,
    symbol: Annotated[
        str | None, typer.Option("--symbol", help="Whose book; else the one with most trades.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Fit a model of synthetic markets to a file, and show how near it comes."""
    from rich.console import Console

    from tapewire.inputs.markets import calibrate_file

    calibrate_file(file, output, symbol=symbol, as_json=as_json, console=Console())
