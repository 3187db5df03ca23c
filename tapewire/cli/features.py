"""``tapewire features``."""

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

EXAMPLES: Final = (
    "[bold]Examples[/bold]\n\n"
    "tapewire features day.mbo.dbn.zst --every 100ms -o features.parquet\n\n"
    "tapewire features day.mbo.dbn.zst --every 100ev --features mid,returns_1m,trade_flow "
    "--labels mid_return_1s -o train.parquet\n\n"
    "tapewire features january/ --symbols ES.v.0 --every 1s -o front.parquet"
)


def features(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILES...", help="Merged by ts_recv.", show_default=False),
    ],
    every: Annotated[
        str,
        typer.Option(
            "--every",
            help="A row per book every 100ms, every 100ev (events), at each trade, at each bbo "
            "(a best price or its lots change).",
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The Parquet file.")],
    names: Annotated[
        list[str] | None,
        typer.Option("--features", help="Columns, comma-separated; default: twenty of them."),
    ] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option(
            "--labels", help="Columns that look ahead, as mid_return_1s,mid_return_100ev."
        ),
    ] = None,
    symbols: Symbols = None,
    start: Start = None,
    end: End = None,
    definitions: Definitions = None,
    statistics: Statistics = None,
    volumes: Volumes = None,
    close: Annotated[
        str | None, typer.Option("--close", help="Of time_to_close: a time of day, UTC, as 22:00.")
    ] = None,
) -> None:
    """Write features of market data files, row by row: what a model learns from, and is sent.

    With --start, what came before it counts but has no rows. Continuous symbols (ES.c.0, ES.v.0,
    ES.n.0) have the rows of each day's contract.
    """
    from rich.console import Console

    from tapewire.inputs.features import feature_request, write_features

    request = feature_request(
        [str(file) for file in files],
        every=every,
        features=names_in(names) if names else None,
        labels=names_in(labels),
        symbols=names_in(symbols),
        start=time_in(start),
        end=time_in(end),
        close=close,
        definitions=definitions or (),
        statistics=statistics or (),
        volumes=volumes or (),
    )
    write_features(request, output, console=Console())
