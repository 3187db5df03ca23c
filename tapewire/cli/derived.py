"""``tapewire data check``, ``derive`` and ``plot``: what an MBO file is, and gives."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from tapewire.cli.options import (
    Definitions,
    End,
    Start,
    Statistics,
    Symbols,
    Volumes,
    names_in,
    time_in,
)

DERIVE_EXAMPLES: Final = (
    "[bold]Examples[/bold]\n\n"
    "tapewire data derive day.mbo.dbn.zst --schema mbp-10 -o day.mbp-10.dbn.zst\n\n"
    "tapewire data derive day.trades.dbn.zst --schema ohlcv-1m -o bars.parquet\n\n"
    "tapewire data derive day.mbo.dbn.zst --schema tbbo --start 2024-03-04T15:00 "
    "--end 2024-03-04T16:00 -o hour.tbbo.dbn"
)


CHECK_EXAMPLES: Final = (
    "[bold]Examples[/bold]\n\n"
    "tapewire data check day.mbo.dbn.zst\n\n"
    "tapewire data check day.mbo.dbn.zst --json > day.check.json"
)

PLOT_EXAMPLES: Final = (
    "[bold]Examples[/bold]\n\n"
    "tapewire data plot day.mbo.dbn.zst -o day.png\n\n"
    "tapewire data plot day.mbo.dbn.zst --symbol ESH4 --start 2023-12-25T23:00 "
    "--end 2023-12-25T23:10 -o open.html"
)


class SchemaName(StrEnum):
    """What can be made of a file."""

    MBP_10 = "mbp-10"
    MBP_1 = "mbp-1"
    TBBO = "tbbo"
    TRADES = "trades"
    BBO_1S = "bbo-1s"
    BBO_1M = "bbo-1m"
    OHLCV_1S = "ohlcv-1s"
    OHLCV_1M = "ohlcv-1m"
    OHLCV_1H = "ohlcv-1h"
    OHLCV_1D = "ohlcv-1d"


def derive(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A .dbn or .dbn.zst of schema mbo; for trades and bars any that has the trades.",
        ),
    ],
    schema: Annotated[SchemaName, typer.Option("--schema", help="What to make.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="A .dbn, .dbn.zst or .parquet file.")
    ],
    symbols: Symbols = None,
    start: Start = None,
    end: End = None,
    definitions: Definitions = None,
    statistics: Statistics = None,
    volumes: Volumes = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Make the records of another schema of an MBO file, as Databento does."""
    from rich.console import Console

    from tapewire.inputs.derive import derive_file

    derive_file(
        file,
        output,
        schema=schema.value,
        symbols=tuple(names_in(symbols)),
        start=time_in(start),
        end=time_in(end),
        definitions=definitions or (),
        statistics=statistics or (),
        volumes=volumes or (),
        force=force,
        as_json=as_json,
        console=Console(),
    )


def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .dbn or .dbn.zst of schema mbo.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Read a whole MBO file and say whether it is sound; exit with 1 where it is not.

    Both clocks, sequence numbers, order ids, sizes, queues, locked and crossed books, flags.
    """
    from rich.console import Console

    from tapewire.inputs.check import check_file

    if not check_file(file, as_json=as_json, console=Console()).sound:
        raise typer.Exit(1)


def plot(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .dbn or .dbn.zst of schema mbo.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="A .png, .svg or .html file.")],
    symbol: Annotated[
        str | None, typer.Option("--symbol", help="Whose book, where there are several.")
    ] = None,
    publisher: Annotated[
        int | None, typer.Option("--publisher", min=0, max=65_535, help="And of which publisher.")
    ] = None,
    start: Start = None,
    end: End = None,
) -> None:
    """Draw a book over time: lots by price, the touch, trades, depth, volume. Needs matplotlib."""
    from rich.console import Console

    from tapewire.inputs.plot import plot_file

    plot_file(
        file,
        output,
        symbol=symbol,
        publisher=publisher,
        start=time_in(start),
        end=time_in(end),
        console=Console(),
    )
