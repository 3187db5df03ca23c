"""``tapewire compare``: runs side by side."""

import json
from pathlib import Path
from typing import Annotated, Final

import typer

from tapewire.cli.terminal import say
from tapewire.errors import ConfigError

EXAMPLES: Final = (
    "[bold]Examples[/bold]\n\n"
    "tapewire compare runs/monday runs/tuesday\n\n"
    "tapewire compare slow fast -o compare.html"
)


def compare(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN RUN...", help="Folders of complete runs.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Write a page with charts, too: one HTML file."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Put runs side by side: every figure, and what their configurations differ in."""
    from tapewire.analytics import load_run
    from tapewire.analytics.compare import (
        COMPARED_MAX,
        difference_rows,
        render_comparison,
        text_rows,
    )
    from tapewire.analytics.compare import compare as compare_runs
    from tapewire.atomic import atomic_file, require_replaceable
    from tapewire.errors import OutputError
    from tapewire.runs.result_display import aligned

    if not 2 <= len(runs) <= COMPARED_MAX:
        raise ConfigError(f"expected 2 to {COMPARED_MAX} runs, found {len(runs)}")
    if output is not None:
        require_replaceable(output)
        if output.exists() and not force:
            raise OutputError(f"{output} is there; --force replaces it")
    comparison = compare_runs([load_run(run) for run in runs])
    if output is not None:
        with atomic_file(output) as file:
            file.write(render_comparison(comparison).encode())
    if as_json:
        text = json.dumps(comparison.as_json(), indent=1, default=str)
    else:
        lines = aligned(text_rows(comparison))
        if comparison.differences:
            lines += ["", *aligned(difference_rows(comparison))]
        else:
            lines += ["", "their configurations are the same"]
        if not comparison.same_inputs:
            lines.append("they did not see the same input files")
        if comparison.same_digest:
            lines.append("they did the same: they have one digest")
        if output is not None:
            lines += ["", f"page  {output}"]
        text = "\n".join(lines)
    say(text, done="the runs are as they were" if output is None else f"{output} is written")
