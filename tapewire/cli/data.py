"""``tapewire data …``: a command for each thing that is done with files beforehand."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tapewire.cli.options import End, Start, Symbols, Warmup, names_in, time_in


class BookRows(StrEnum):
    """After what ``data book`` writes a row."""

    RECORD = "record"
    EVENT = "event"


app = typer.Typer(
    name="data",
    help="Look into market data files, make synthetic ones, prepare some, write out books.",
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
    epilog="[bold]Example[/bold]\n\n"
    "tapewire data synth -o day.mbo.dbn.zst --events 1000000 --instruments 2 --seed 7",
)
def synth(
    output: Annotated[Path, typer.Option("-o", "--output", help="A .dbn or .dbn.zst file.")],
    events: Annotated[int, typer.Option("--events", help="Records to make.")] = 2_000_000,
    instruments: Annotated[
        int, typer.Option("--instruments", help="Books to spread them over.")
    ] = 1,
    seed: Annotated[int, typer.Option("--seed", help="The same seed makes the same file.")] = 0,
) -> None:
    """Make a synthetic session as a real DBN file."""
    from rich.console import Console

    from tapewire.inputs.synthetic import synth_file

    synth_file(output, events=events, instruments=instruments, seed=seed, console=Console())


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
