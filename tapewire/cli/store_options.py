"""Which store a command works on."""

from typing import Annotated, Final

import typer

#: Where a store is if nobody says so.
DEFAULT: Final = "tapewire.db"

StoreUrl = Annotated[
    str,
    typer.Option(
        "--store",
        envvar="TAPEWIRE_STORE",
        metavar="URL",
        help="A file, or postgresql://USER@HOST/DATABASE.",
    ),
]
