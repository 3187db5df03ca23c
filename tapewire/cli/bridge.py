"""``tapewire bridge …``: models in processes of their own."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tapewire.cli.options import End, Start, Symbols, names_in, time_in
from tapewire.errors import ConfigError

if TYPE_CHECKING:
    from tapewire.wire.keys import ClientKeys

app = typer.Typer(
    name="bridge",
    help="Serve a model to a run, or test one on a market data file.",
    no_args_is_help=True,
)
Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="path/to/file.py:NAME or package.module:NAME, a subclass of "
        "tapewire.bridge.StrategyBase.",
    ),
]
Parameters = Annotated[
    list[str] | None,
    typer.Option("-p", "--parameter", metavar="KEY=VALUE", help="What it is made with."),
]


@app.command(
    "serve",
    epilog="[bold]Examples[/bold]\n\n"
    "tapewire bridge serve my_model.py:MyModel --connect ipc:///run/user/1000/tapewire/idea\n\n"
    "tapewire bridge serve my_pkg.models:MyModel --connect tcp://127.0.0.1:5601 -p window=20\n\n"
    "tapewire bridge serve my_model.py:MyModel --connect tcp://192.0.2.7:5601 "
    "--curve-server keys/run.key --curve-key keys/model.key_secret",
)
def serve(
    model: Model,
    connect: Annotated[
        str,
        typer.Option(
            "--connect",
            help="Where the run waits: ipc:///… or tcp://127.0.0.1:…; with keys any tcp://HOST:PORT.",
        ),
    ],
    parameters: Parameters = None,
    wait: Annotated[
        float, typer.Option("--wait", metavar="SECONDS", help="How long for the run to be there.")
    ] = 60.0,
    curve_server: Annotated[
        str | None,
        typer.Option("--curve-server", metavar="KEY", help="The run's public key, or its file."),
    ] = None,
    curve_key: Annotated[
        Path | None,
        typer.Option("--curve-key", metavar="FILE", help="The model's own keys: NAME.key_secret."),
    ] = None,
) -> None:
    """Connect a model to a run and answer its rows until the run is done.

    Parameters of the command line are taken in place of the run's. A run on another host needs keys
    at both ends; see `tapewire keys`.
    """
    from tapewire.bridge.client import serve as serve_model
    from tapewire.config.model_classes import find_model, parameters_in
    from tapewire.processes.signals import interruptible

    with interruptible():
        rows = serve_model(
            find_model(model, Path.cwd()),
            connect,
            parameters_in(parameters or []),
            connect_timeout_s=wait,
            keys=_keys_in(curve_server, curve_key),
            say=_say,
        )
        _say(f"done: {rows:,} rows answered")


@app.command(
    "check",
    epilog="[bold]Example[/bold]\n\n"
    "tapewire bridge check my_model.py:MyModel day.mbo.dbn.zst --every 100ev "
    "--features mid,imbalance_5",
)
def check(
    model: Model,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A .dbn or .dbn.zst of schema mbo.")],
    every: Annotated[
        str,
        typer.Option("--every", help="When there is a row, as `tapewire features` has it."),
    ] = "100ev",
    names: Annotated[
        list[str] | None,
        typer.Option("--features", help="Columns, comma-separated; default: twenty of them."),
    ] = None,
    rows: Annotated[
        int, typer.Option("--rows", min=2, max=1_000_000, help="How many rows to take.")
    ] = 10_000,
    parameters: Parameters = None,
    symbols: Symbols = None,
    start: Start = None,
    end: End = None,
) -> None:
    """Test a model on rows of a file: shapes, NaN, determinism, its state, its speed.

    Fresh instances are handed the same rows twice, and in calls of 1, 7, 256 and 4,096 rows; all
    must answer the same.
    """
    from rich.console import Console

    from tapewire.config.model_classes import find_model, parameters_in
    from tapewire.inputs.features import feature_request
    from tapewire.inputs.model_check import check_model

    kind = find_model(model, Path.cwd())
    request = feature_request(
        [str(file)],
        every=every,
        features=names_in(names) if names else None,
        symbols=names_in(symbols),
        start=time_in(start),
        end=time_in(end),
    )
    check_model(kind, parameters_in(parameters or []), request, rows, Console())


@app.command("keys", hidden=True, epilog="[bold]Example[/bold]\n\ntapewire keys new run -o keys")
def keys(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the files are called.")],
    folder: Annotated[
        Path, typer.Option("-o", "--output", metavar="FOLDER", help="Where they are written.")
    ] = Path(),
) -> None:
    """Make a pair of keys, as it was called before there was `tapewire keys new`."""
    from tapewire.wire.keys import write_pair

    public_file, secret_file = write_pair(folder, name)
    print(f"{public_file}: public, for the other end")
    print(f"{secret_file}: secret, for nobody else")


def _keys_in(server: str | None, own: Path | None) -> "ClientKeys | None":
    """Read the keys of the command line."""
    if server is None and own is None:
        return None
    if server is None or own is None:
        raise ConfigError(
            "expected --curve-server and --curve-key together, found "
            f"{'--curve-key' if server is None else '--curve-server'} alone"
        )
    from tapewire.wire.keys import ClientKeys, read_pair, read_public

    public = sorted(read_public(server))
    if len(public) != 1:
        raise ConfigError(f"--curve-server: expected one public key, found {len(public)}: {server}")
    return ClientKeys(read_pair(own), public[0])


def _say(text: str) -> None:
    """Print to standard error: standard output is the model's own."""
    print(text, file=sys.stderr, flush=True)
