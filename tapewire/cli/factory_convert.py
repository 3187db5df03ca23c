"""``tapewire factory convert``: a declared strategy as code."""

from pathlib import Path
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    """Add the command of this file to ``tapewire factory``."""
    app.command(
        "convert",
        epilog="[bold]Examples[/bold]\n\n"
        "tapewire factory convert strategy.json --as text\n\n"
        "tapewire factory convert strategy.json --as python -o strategy.py\n\n"
        "tapewire factory convert strategy.json --as candles --session '17:00-16:00 "
        "America/Chicago' -o on_bars.py",
    )(_convert)


def _convert(
    file: Annotated[Path, typer.Argument(metavar="STRATEGY", help="Declared as JSON.")],
    target: Annotated[
        str,
        typer.Option(
            "--as",
            help="candles: a class for engines of bars; python, compiled: for tapewire run; text: "
            "to be read.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="A file; without one it is printed."),
    ] = None,
    session: Annotated[
        str | None,
        typer.Option(
            "--session",
            metavar="TIMES",
            show_default=False,
            help="Of longer bars: '17:00-16:00 America/Chicago'; default 00:00.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write a declared strategy as code to go on from, or as text; nothing of it is executed."""
    from rich.console import Console

    from tapewire.runs.converted import convert_file

    made = convert_file(file, target, output=output, session=session, force=force)
    made.say(Console(), as_json=as_json)
