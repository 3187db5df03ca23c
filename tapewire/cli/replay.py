"""``tapewire replay``."""

from pathlib import Path
from typing import Annotated, Final

import typer

from tapewire.cli.options import (
    AllowTruncated,
    BatchRecords,
    Duplicates,
    End,
    Payload,
    Speed,
    Start,
    Symbols,
    Warmup,
    names_in,
    time_in,
)
from tapewire.runs.requests import speed_value

EXAMPLES: Final = (
    "[bold]Examples[/bold]\n\n"
    "tapewire replay day.mbo.dbn.zst --bind tcp://127.0.0.1:5555\n\n"
    "tapewire replay GLBX-20240105-AB12CD/ --bind tcp://127.0.0.1:5555\n\n"
    "tapewire run config.yaml --connect tcp://127.0.0.1:5555     (in another terminal)"
)


def replay(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILES...", help="Merged by ts_recv.", show_default=False),
    ],
    bind: Annotated[
        str,
        typer.Option(
            "--bind", help="Where to listen: tcp://127.0.0.1:PORT or ipc:///private/folder/name."
        ),
    ],
    symbols: Symbols = None,
    start: Start = None,
    end: End = None,
    warmup: Warmup = None,
    duplicates: Duplicates = None,
    allow_truncated: AllowTruncated = False,
    speed: Speed = None,
    payload: Payload = None,
    batch_records: BatchRecords = None,
    receivers: Annotated[
        int, typer.Option("--receivers", help="Begin when so many runs have connected.")
    ] = 1,
) -> None:
    """Publish market data files for a run in another terminal.

    Ends when every receiver has everything.
    """
    from tapewire.cli.foreground import replay_files

    given = {
        "symbols": names_in(symbols) or None,
        "start": time_in(start),
        "end": time_in(end),
        "warmup": warmup,
        "duplicates": duplicates,
        "allow_truncated": allow_truncated or None,
        "speed": speed_value(speed),
        "payload": payload,
        "batch_records": batch_records,
    }
    replay_files([str(f) for f in files], bind, given, receivers)
