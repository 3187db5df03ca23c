"""``tapewire data …``: a command for each thing that is done with files beforehand."""

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tapewire.cli.options import End, Start, Symbols, Warmup, names_in, time_in


class BookRows(StrEnum):
    """After what ``data book`` writes a row."""

    RECORD = "record"
    EVENT = "event"


class ImpactShape(StrEnum):
    """How a push grows with lots."""

    LINEAR = "linear"
    SQUARE_ROOT = "square_root"


app = typer.Typer(
    name="data",
    help="Look into market data files, make and prepare some, write out books, fit impact.",
    no_args_is_help=True,
)
DataFile = Annotated[Path, typer.Argument(metavar="FILE", help="A .dbn or .dbn.zst of schema mbo.")]


@app.command("inspect", epilog="[bold]Example[/bold]\n\ntapewire data inspect day.mbo.dbn.zst")
def inspect(
    file: DataFile,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Read a whole market data file and say what is in it."""
    from rich.console import Console

    from tapewire.inputs.inspection import inspect_file

    inspect_file(file, as_json=as_json, console=Console())


@app.command(
    "synth",
    epilog="[bold]Examples[/bold]\n\n"
    "tapewire data synth -o day.mbo.dbn.zst --events 1000000 --instruments 2 --seed 7\n\n"
    "tapewire data synth -o market --days 10 --instruments 2 --correlation 0.8\n\n"
    "tapewire data synth -o like.mbo.dbn.zst --like day.mbo.dbn.zst --hours 6\n\n"
    "tapewire data synth -o odd.mbo.dbn.zst --events 100000 --pathology crossed,halted",
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
    if symbol is None and not as_json and all(one is None for one in asked):
        from tapewire.inputs.synthetic import EVENTS_DEFAULT, synth_file

        synth_file(
            output, events=EVENTS_DEFAULT if events is None else events,
            instruments=instruments, seed=seed, console=Console(),
        )  # fmt: skip
        return
    from tapewire.inputs.markets import market_file

    market_file(
        output, like=like, symbol=symbol, calibration=calibration, events=events,
        instruments=instruments, days=days, hours=hours, correlation=correlation or 0.0,
        first_day=None if first_day is None else first_day.date(),
        pathologies=names_in(pathology), seed=seed, as_json=as_json, console=Console(),
    )  # fmt: skip


@app.command(
    "calibrate",
    epilog="[bold]Example[/bold]\n\n"
    "tapewire data calibrate day.mbo.dbn.zst -o model.json --symbol ESH4",
)
def calibrate(
    file: DataFile,
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


@app.command(
    "convert",
    epilog="[bold]Examples[/bold]\n\n"
    "tapewire data convert day.mbo.dbn.zst -o day.mbo.dbn\n\n"
    "tapewire data convert monday.dbn.zst tuesday.dbn.zst --symbols ESH4 -o esh4.mbo.dbn",
)
def convert(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILES...", help="Merged by ts_recv.", show_default=False),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="A .dbn file (.dbn.zst compresses again).")
    ],
    symbols: Symbols = None,
    start: Start = None,
    end: End = None,
    warmup: Warmup = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Prepare market data files for replay: one plain DBN file, which needs no decompression.

    It replays to the same digest. Databento's client reads it. With --start it begins with a
    snapshot of the books as they stood then.
    """
    from rich.console import Console

    from tapewire.inputs.convert import convert_files

    convert_files(
        files,
        output,
        symbols=names_in(symbols),
        start=time_in(start),
        end=time_in(end),
        warmup=warmup,
        force=force,
        as_json=as_json,
        console=Console(),
    )


@app.command(
    "book",
    epilog="[bold]Example[/bold]\n\n"
    "tapewire data book day.mbo.dbn.zst --symbol ESH4 --depth 10 -o book.parquet",
)
def book(
    file: DataFile,
    output: Annotated[Path, typer.Option("-o", "--output", help="The Parquet file.")],
    symbol: Annotated[str | None, typer.Option("--symbol", help="Only this one.")] = None,
    depth: Annotated[int, typer.Option("--depth", help="Levels per side.")] = 10,
    every: Annotated[
        BookRows, typer.Option("--every", help="After every record, or every whole event (F_LAST).")
    ] = BookRows.RECORD,
) -> None:
    """Write the book after every record, in Databento's mbp-10 column names."""
    from rich.console import Console

    from tapewire.inputs.books import write_book

    write_book(
        file,
        output,
        symbol=symbol,
        depth=depth,
        every="event" if every is BookRows.EVENT else "record",
        console=Console(),
    )


@app.command(
    "impact",
    epilog="[bold]Example[/bold]\n\n"
    "tapewire data impact day.mbo.dbn.zst --symbol ESH4 --multiplier 50 --plot impact.html",
)
def impact(
    file: DataFile,
    symbol: Annotated[
        str | None, typer.Option("--symbol", help="Whose book; else the one with most trades.")
    ] = None,
    shape: Annotated[
        ImpactShape | None, typer.Option("--shape", help="By default what explains more.")
    ] = None,
    multiplier: Annotated[
        float, typer.Option("--multiplier", help="Currency per price unit and lot.")
    ] = 1.0,
    plot: Annotated[
        Path | None, typer.Option("--plot", help="Write a picture to this .html file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Fit what trades did to the mid afterwards, and print the market_impact section for it."""
    from rich.console import Console

    from tapewire.inputs.impact import impact_file

    impact_file(
        file,
        symbol=symbol,
        shape=None if shape is None else shape.value,
        multiplier=multiplier,
        plot=plot,
        as_json=as_json,
        console=Console(),
    )
