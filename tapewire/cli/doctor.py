"""``tapewire doctor``: is this host fit, and what a report of a fault has to say."""

import json
import tempfile
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from tapewire.cli.terminal import say

EXAMPLES: Final = (
    "[bold]Examples[/bold]\n\n"
    "tapewire doctor\n\n"
    "tapewire doctor --run\n\n"
    "tapewire doctor runs/failed --json > report.json"
)
#: What a fault's report needs of a run's manifest.
_OF_RUN: Final = (
    "status", "reason", "versions", "config", "counts", "warnings", "stream", "collector", "digest",
)  # fmt: skip
_MARKS: Final = {"ok": "ok", "warning": "warning", "fault": "FAULT"}


def doctor(
    run: Annotated[
        Path | None,
        typer.Argument(metavar="[RUN]", help="A run folder to report of.", show_default=False),
    ] = None,
    try_it: Annotated[
        bool, typer.Option("--run", help="Run the examples on a short session, too, both ways.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print all that a report of a fault needs, as JSON.")
    ] = False,
) -> None:
    """Check host, versions, shared memory, files, kernel cache, sockets, clock and disk.

    Nothing is changed. The exit code is 1 where something will not work. --json prints versions,
    settings and, if a run is named, what its manifest says of it: paste it into a report, after
    a look at the file names in it.
    """
    from tapewire.analytics import load_run
    from tapewire.runs.health import examine, facts, try_run

    told = load_run(run, incomplete=True).manifest if run is not None else None
    findings = examine()
    if try_it:
        with tempfile.TemporaryDirectory(prefix="tapewire-") as folder:
            findings.append(try_run(Path(folder)))
    faults = [one for one in findings if one.state == "fault"]
    if as_json:
        report: dict[str, Any] = {"checks": [vars(one) for one in findings], **facts()}
        if told is not None:
            report["run"] = {key: told[key] for key in _OF_RUN if key in told}
        text = json.dumps(report, indent=1, default=str)
    else:
        lines = [
            f"{_MARKS[one.state]:7}  {one.name}: {one.found}"
            + (f"; {one.advice}" if one.advice else "")
            for one in findings
        ]
        if told is not None:
            lines.append(f"{told['status']:7}  {run}: {told.get('reason') or told.get('digest')}")
        text = "\n".join(lines)
    say(text, done="nothing was changed")
    if faults:
        raise typer.Exit(1)
