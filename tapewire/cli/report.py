"""``tapewire report``: where a run's report is, and a browser on it."""

import webbrowser
from pathlib import Path
from typing import Annotated, Final

import typer

from tapewire.cli.terminal import say
from tapewire.errors import MissingFileError

EXAMPLES: Final = (
    "[bold]Examples[/bold]\n\ntapewire report runs/monday\n\ntapewire report runs/monday --open"
)


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A complete run's folder.")],
    open_it: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object: the run, and its manifest.")
    ] = False,
) -> None:
    """Say what a run came to and where its report is, or open that in a browser."""
    from tapewire.cli.display import json_summary, summary
    from tapewire.runs.result import RunResult

    result = RunResult.load(run)
    if result.status != "complete":
        raise MissingFileError(
            f"expected a complete run in {run}, found one that is {result.status}: "
            f"{result.headline}"
        )
    if not result.report.is_file():
        raise MissingFileError(f"expected {result.report}, found no file; run it again")
    say(json_summary(result) if as_json else summary(result), done="the run is as it was")
    if open_it and not webbrowser.open(result.report.resolve().as_uri()):
        raise MissingFileError(f"found no browser to open; open {result.report} yourself")
