"""``tapewire data …``: a command for each thing that is done with files beforehand."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tapewire.cli import catalogue, derived, synthetic
from tapewire.cli import rolls as roll_days
from tapewire.cli.options import (
    AllowTruncated,
    Definitions,
    Duplicates,
    End,
    Start,
    Statistics,
    Symbols,
    Volumes,
    Warmup,
    names_in,
    time_in,
)
from tapewire.errors import ConfigError


class BookRows(StrEnum):
    """After what ``data book`` writes a row."""

    RECORD = "record"
    EVENT = "event"


class ImpactShape(StrEnum):
    """How a push grows with lots."""

    LINEAR = "linear"
    SQUARE_ROOT = "square_root"


class SourceFormat(StrEnum):
    """What ``data convert`` reads."""

    DBN = "dbn"
    ITCH = "itch"
    LOBSTER = "lobster"


app = typer.Typer(
    name="data",
    help="Look into market data files, make and prepare some, write out books, fit impact.",
    no_args_is_help=True,
)
DataFile = Annotated[Path, typer.Argument(metavar="FILE", help="A .dbn or .dbn.zst of schema mbo.")]


@app.command("inspect", epilog="[bold]Example[/bold]\n\ntapewire data inspect day.mbo.dbn.zst")
def inspect(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A .dbn or .dbn.zst file of any schema.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Read a whole market data file and say what is in it."""
    from rich.console import Console

    from tapewire.inputs.inspection import inspect_any

    inspect_any(file, as_json=as_json, console=Console())


app.command("synth", epilog=synthetic.SYNTH_EXAMPLES)(synthetic.synth)
app.command("calibrate", epilog=synthetic.CALIBRATE_EXAMPLE)(synthetic.calibrate)
app.command("rolls", epilog=roll_days.ROLLS_EXAMPLES)(roll_days.rolls)


@app.command(
    "convert",
    epilog="[bold]Examples[/bold]\n\n"
    "tapewire data convert day.mbo.dbn.zst -o day.mbo.dbn\n\n"
    "tapewire data convert monday.dbn.zst tuesday.dbn.zst --symbols ESH4 -o esh4.mbo.dbn\n\n"
    "tapewire data convert GLBX-20240105-AB12CD/ -o january.mbo.dbn.zst\n\n"
    "tapewire data convert january/ --symbols ES.v.0 -o front.mbo.dbn.zst\n\n"
    "tapewire data convert export.csv.zst -o day.mbo.dbn.zst\n\n"
    "tapewire data convert 05302019.NASDAQ_ITCH50.gz --symbols AAPL,MSFT -o nasdaq.mbo.dbn.zst\n\n"
    "tapewire data convert AAPL_2012-06-21_34200000_57600000_message_10.csv -o aapl.mbo.dbn",
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
    duplicates: Duplicates = None,
    allow_truncated: AllowTruncated = False,
    definitions: Definitions = None,
    statistics: Statistics = None,
    volumes: Volumes = None,
    date: Annotated[
        str | None, typer.Option("--date", help="The day of an ITCH file whose name has none.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", help="XNAS.ITCH, XBOS.ITCH or XPSX.ITCH.")
    ] = None,
    source: Annotated[
        SourceFormat | None, typer.Option("--from", help="By default what the name says.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Prepare market data files for replay: one plain DBN file, which needs no decompression.

    CSV and Parquet exports of MBO records become DBN.

    It replays to the same digest. Databento's client reads it. With --start it begins with a
    snapshot of the books as they stood then. A NASDAQ ITCH 5.0 or LOBSTER file becomes MBO.
    """
    from rich.console import Console

    from tapewire.inputs.convert import convert_files
    from tapewire.inputs.foreign import convert_foreign, foreign_format

    kind = foreign_format(files, None if source is None else source.value)
    if kind is not None:
        typed = {
            "--start": start, "--end": end, "--warmup": warmup, "--duplicates": duplicates,
            "--allow-truncated": allow_truncated or None, "--definitions": definitions,
            "--statistics": statistics, "--volumes": volumes,
        }  # fmt: skip
        convert_foreign(
            files[0],
            output,
            kind=kind,
            symbols=names_in(symbols),
            date=date,
            dataset=dataset,
            refused=[name for name, value in typed.items() if value is not None],
            force=force,
            as_json=as_json,
            console=Console(),
        )
        return
    if date is not None or dataset is not None:
        raise ConfigError("--date, --dataset: only for an ITCH file: say so with --from itch")
    convert_files(
        files,
        output,
        symbols=names_in(symbols),
        start=time_in(start),
        end=time_in(end),
        warmup=warmup,
        duplicates=duplicates,
        allow_truncated=allow_truncated,
        definitions=definitions or (),
        statistics=statistics or (),
        volumes=volumes or (),
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


app.command("index", epilog=catalogue.INDEX_EXAMPLE)(catalogue.index)
app.command("list", epilog=catalogue.LIST_EXAMPLE)(catalogue.list_files)
app.command("download", epilog=catalogue.DOWNLOAD_EXAMPLES)(catalogue.download)
app.command("record", epilog=catalogue.RECORD_EXAMPLES)(catalogue.record)
app.command("check", epilog=derived.CHECK_EXAMPLES)(derived.check)
app.command("derive", epilog=derived.DERIVE_EXAMPLES)(derived.derive)
app.command("plot", epilog=derived.PLOT_EXAMPLES)(derived.plot)
