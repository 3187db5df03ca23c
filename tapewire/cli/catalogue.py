"""``tapewire data index``, ``list``, ``download``, ``record``: folders of files, the vendor's."""

import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from tapewire.cli.options import names_in, time_in
from tapewire.errors import ConfigError

INDEX_EXAMPLE: Final = "[bold]Example[/bold]\n\ntapewire data index /data/databento"

LIST_EXAMPLE: Final = (
    "[bold]Example[/bold]\n\n"
    "tapewire data list /data/databento --symbols ESH4 --start 2023-12-25 --end 2023-12-26"
)

DOWNLOAD_EXAMPLES: Final = (
    "[bold]Examples[/bold]\n\n"
    "tapewire data download -o es --dataset GLBX.MDP3 --symbols ESH4 --start 2023-12-25 "
    "--end 2023-12-27\n\n"
    "tapewire data download -o es --job GLBX-20240105-AB12CD34EF\n\n"
    "tapewire data download -o es.mbo.dbn.zst --dataset GLBX.MDP3 --symbols ES.c.0 "
    "--stype-in continuous --start 2023-12-25T22:00 --end 2023-12-25T23:30 --yes"
)

RECORD_EXAMPLES: Final = (
    "[bold]Examples[/bold]\n\n"
    "tapewire data record -o es --dataset GLBX.MDP3 --symbols ES.c.0 --stype-in continuous\n\n"
    "tapewire data record -o es --dataset GLBX.MDP3 --symbols ESZ6,NQZ6 --schema definition,status "
    "--for 60"
)

CatalogueFolder = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="With .dbn and .dbn.zst files in it or below it.")
]


def index(
    folder: CatalogueFolder,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Read a folder's data files and keep in it what each of them holds.

    Again, it reads what is new or has changed. `tapewire run --catalogue` finds files by it.
    """
    from rich.console import Console

    from tapewire.inputs.cataloguing import index_catalogue

    index_catalogue(folder, as_json=as_json, console=Console())


def list_files(
    folder: CatalogueFolder = Path(),
    symbols: Annotated[
        list[str] | None, typer.Option("--symbols", help="Files with one of these.")
    ] = None,
    start: Annotated[str | None, typer.Option("--start", help="With records from then on.")] = None,
    end: Annotated[str | None, typer.Option("--end", help="With records before.")] = None,
    schema: Annotated[str | None, typer.Option("--schema", help="Of this schema.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> None:
    """List what an indexed folder holds, by time."""
    from rich.console import Console

    from tapewire.inputs.cataloguing import list_catalogue

    list_catalogue(
        folder,
        symbols=names_in(symbols),
        start=time_in(start),
        end=time_in(end),
        schema=schema,
        as_json=as_json,
        console=Console(),
    )


def download(
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", help="A folder for a batch job's files, or one .dbn.zst file."
        ),
    ],
    dataset: Annotated[str | None, typer.Option("--dataset", help="Like GLBX.MDP3.")] = None,
    symbols: Annotated[
        list[str] | None, typer.Option("--symbols", help="Comma-separated; by default all.")
    ] = None,
    schema: Annotated[str, typer.Option("--schema", help="Databento's name of it.")] = "mbo",
    start: Annotated[
        str | None, typer.Option("--start", help="From: ISO 8601 (UTC) or ns.")
    ] = None,
    end: Annotated[str | None, typer.Option("--end", help="Before.")] = None,
    stype_in: Annotated[
        str, typer.Option("--stype-in", help="raw_symbol, parent, continuous or instrument_id.")
    ] = "raw_symbol",
    job: Annotated[
        str | None, typer.Option("--job", help="Fetch a batch job that there is already.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Agree to the price.")] = False,
    gateway: Annotated[
        str | None, typer.Option("--gateway", help="Another than Databento's own.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Fetch data from Databento, with the key in DATABENTO_API_KEY; the price is shown first.

    A folder gets a batch job's files, checked against their hashes; the same command goes on where
    it was cut, and costs nothing again.
    """
    from rich.console import Console

    from tapewire.inputs.databento_http import GATEWAY
    from tapewire.inputs.downloading import DownloadRequest, download, symbols_of

    request = None
    if job is None:
        given = {"--dataset": dataset, "--start": start, "--end": end}
        missing = [name for name, value in given.items() if not value]
        if missing:
            raise ConfigError(f"expected {', '.join(missing)}, or --job for one there is already")
        request = DownloadRequest(
            dataset or "", symbols_of(names_in(symbols)), schema, start or "", end or "", stype_in
        )
    elif dataset or symbols or start or end:
        raise ConfigError("--job: names what is fetched; expected no --dataset, --symbols or times")
    download(
        request,
        output,
        job_id=job,
        confirm=lambda price: _agreed(price, yes),
        gateway_url=gateway or GATEWAY,
        force=force,
        as_json=as_json,
        console=Console(),
    )


def record(
    output: Annotated[Path, typer.Option("-o", "--output", help="A folder for its files.")],
    dataset: Annotated[str, typer.Option("--dataset", help="Like GLBX.MDP3.")],
    symbols: Annotated[
        list[str], typer.Option("--symbols", help="Comma-separated; ALL_SYMBOLS is all of it.")
    ],
    schema: Annotated[
        list[str] | None,
        typer.Option("--schema", help="Beside mbo: definition, status, statistics."),
    ] = None,
    stype_in: Annotated[
        str, typer.Option("--stype-in", help="raw_symbol, parent, continuous or instrument_id.")
    ] = "raw_symbol",
    start: Annotated[
        str | None,
        typer.Option("--start", help="From then on, within 24 hours; by default a snapshot, now."),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option("--for", help="So many seconds; by default until Ctrl-C.")
    ] = None,
    rotate_hours: Annotated[
        float, typer.Option("--rotate", help="Hours of market time in a file.")
    ] = 24.0,
    patience_s: Annotated[
        float, typer.Option("--patience", help="Seconds that the gateway may be away.")
    ] = 14_400.0,
    gateway: Annotated[
        str | None, typer.Option("--gateway", help="host:port of another than Databento's own.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Record Databento's live MBO as it comes, with the key in DATABENTO_API_KEY.

    What a cut of the line took is asked for again, each record is in the files once. The same
    command in the same folder goes on where the last one ended, if that is less than 24 hours ago.
    """
    from rich.console import Console

    from tapewire.inputs.cataloguing import time_ns
    from tapewire.inputs.recording import record_feed
    from tapewire.live import FeedRequest, GatewayAddress

    others = [one for one in names_in(schema) or () if one != "mbo"]
    request = FeedRequest(
        dataset,
        tuple(names_in(symbols) or ()),
        ("mbo", *others),
        stype_in,
        time_ns("--start", time_in(start)),
    )
    record_feed(
        request,
        output,
        address=None if gateway is None else GatewayAddress.typed(gateway),
        seconds=seconds,
        rotate_hours=rotate_hours,
        patience_s=patience_s,
        as_json=as_json,
        console=Console(),
    )


def _agreed(price: str, yes: bool) -> bool:
    """Say a price, and ask for consent where somebody is there to give it."""
    typer.echo(price, err=True)
    if yes or sys.stdin is None or not sys.stdin.isatty():
        return yes
    return typer.confirm("Fetch it?", err=True)
