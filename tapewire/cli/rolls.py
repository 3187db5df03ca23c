"""``tapewire data rolls``: which contracts continuous symbols mean."""

from pathlib import Path
from typing import Annotated, Final

import typer

from tapewire.cli.options import Definitions, Duplicates, Statistics, Symbols, Volumes, names_in

ROLLS_EXAMPLES: Final = (
    "[bold]Examples[/bold]\n\n"
    "tapewire data rolls market --symbols TWA.v.0,TWA.c.0\n\n"
    "tapewire data rolls 'es-{20240301..20240331}.mbo.dbn.zst' --symbols ES.n.0 "
    "--definitions es.definition.dbn.zst --statistics es.statistics.dbn.zst --json"
)


def rolls(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILES...", help="Files, folders, patterns.", show_default=False),
    ],
    symbols: Symbols = None,
    definitions: Definitions = None,
    statistics: Statistics = None,
    volumes: Volumes = None,
    duplicates: Duplicates = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say which contract ES.c.0, ES.v.0 or ES.n.0 is on each day, and why; or what ES.FUT has.

    Volumes of days are those of daily bars, or added up by reading the files, once.
    """
    from rich.console import Console

    from tapewire.inputs.roll_days import list_rolls

    list_rolls(
        [str(file) for file in files],
        names_in(symbols),
        definitions=definitions or (),
        statistics=statistics or (),
        volumes=volumes or (),
        duplicates=duplicates,
        as_json=as_json,
        console=Console(),
    )
