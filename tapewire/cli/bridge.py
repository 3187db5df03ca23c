"""``tapewire bridge …``: models in processes of their own."""

import sys
from pathlib import Path
from typing import Annotated

import typer

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
    "tapewire bridge serve my_pkg.models:MyModel --connect tcp://127.0.0.1:5601 -p window=20",
)
def serve(
    model: Model,
    connect: Annotated[
        str, typer.Option("--connect", help="Where the run waits: ipc:///… or tcp://127.0.0.1:…")
    ],
    parameters: Parameters = None,
    wait: Annotated[
        float, typer.Option("--wait", metavar="SECONDS", help="How long for the run to be there.")
    ] = 60.0,
) -> None:
    """Connect a model to a run and answer its rows until the run is done.

    Parameters of the command line are taken in place of the run's.
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
            say=_say,
        )
        _say(f"done: {rows:,} rows answered")


def _say(text: str) -> None:
    """Print to standard error: standard output is the model's own."""
    print(text, file=sys.stderr, flush=True)
