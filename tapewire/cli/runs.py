"""``tapewire runs``: run folders side by side."""

import json
from pathlib import Path
from typing import Annotated, Final

import typer

from tapewire.cli.options import names_in
from tapewire.cli.terminal import say

EXAMPLES: Final = (
    "[bold]Examples[/bold]\n\n"
    "tapewire runs\n\n"
    "tapewire runs results --strategy market_maker --sort net_pnl\n\n"
    "tapewire runs --status failed --json"
)


def runs(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FOLDERS]...", help="Folders of runs, or runs; runs/ if none is named.",
            show_default=False,
        ),
    ] = None,
    strategy: Annotated[
        list[str] | None, typer.Option("--strategy", help="Only runs of these, comma-separated.")
    ] = None,
    symbols: Annotated[
        list[str] | None, typer.Option("--symbols", help="Only runs on these, comma-separated.")
    ] = None,
    status: Annotated[
        list[str] | None,
        typer.Option("--status", help="complete, incomplete, failed or unreadable."),
    ] = None,
    sort: Annotated[
        str,
        typer.Option("--sort", help="run, status, ended, events, or a metric, best first."),
    ] = "ended",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
) -> None:  # fmt: skip
    """List run folders with their headline figures."""
    from tapewire.runs.folders import RUNS
    from tapewire.runs.listing import as_table, list_runs

    found = list_runs(
        folders or [RUNS],
        strategies=names_in(strategy),
        symbols=names_in(symbols),
        statuses=names_in(status),
        sort=sort,
    )
    if not found and not as_json:
        say("no run is like that", done="the runs are as they were")
        return
    text = json.dumps([run.as_json() for run in found], indent=1) if as_json else as_table(found)
    say(text, done="the runs are as they were")
