"""``tapewire data …``: a command for each thing that is done with files beforehand."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tapewire.cli import synthetic
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


app.command("synth", epilog=synthetic.SYNTH_EXAMPLES)(synthetic.synth)
app.command("calibrate", epilog=synthetic.CALIBRATE_EXAMPLE)(synthetic.calibrate)


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
