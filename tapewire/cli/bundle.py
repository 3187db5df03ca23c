"""``tapewire bundle``, ``tapewire verify``: a run that anybody can repeat, and whether it does."""

import json
import tempfile
from pathlib import Path
from typing import Annotated, Final

import typer

from tapewire.cli.terminal import say

EXAMPLES: Final = (
    "[bold]Examples[/bold]\n\n"
    "tapewire bundle runs/monday\n\n"
    "tapewire bundle runs/monday -o monday.zip --with-data"
)
VERIFY_EXAMPLES: Final = (
    "[bold]Examples[/bold]\n\n"
    "tapewire verify monday.zip\n\n"
    "tapewire verify monday.zip --data /data/es --run-code"
)


def bundle(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a complete run.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="The file; RUN.zip by default.", show_default=False),
    ] = None,
    with_data: Annotated[
        bool, typer.Option("--with-data", help="Pack the market data, too.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
) -> None:
    """Pack what it takes to repeat a run: configuration, versions, hashes of inputs, rows, digest.

    Strategies of yours are packed with it; market data are known by their hashes.
    """
    from tapewire.analytics import load_run
    from tapewire.cli.display import Display
    from tapewire.runs.bundles import pack
    from tapewire.runs.hooks import Hooks

    path = output or run.resolve().with_name(f"{run.resolve().name}.zip")
    with Display(quiet=quiet) as display:
        hooks = Hooks(working=display.working)
        size = pack(load_run(run), path, with_data=with_data, force=force, hooks=hooks)
    say(f"{path}: {size:,} bytes", done=f"{path} is complete")


def verify(
    file: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A file of tapewire bundle.")],
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Folder with inputs that are not where they were."),
    ] = None,
    run_code: Annotated[
        bool, typer.Option("--run-code", help="Run the strategies that it brings along.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress.")] = False,
) -> None:
    """Run a bundle again; say what differs first: an input, the configuration, a row.

    The exit code is 6 if anything differs.
    """
    from tapewire.cli.display import Display
    from tapewire.errors import SimulationError
    from tapewire.runs.assembly import run_checked
    from tapewire.runs.bundles import unpack
    from tapewire.runs.hooks import Hooks
    from tapewire.runs.verifying import verify as verify_bundle

    with tempfile.TemporaryDirectory(prefix="tapewire-") as folder:
        there = unpack(file, Path(folder))
        with Display(quiet=quiet or as_json) as display:
            hooks = Hooks(display.announce, display.progress, display.working)
            found = verify_bundle(
                there,
                lambda config: run_checked(
                    config, name="again", output=Path(folder) / "again", hooks=hooks
                ),
                data=data,
                run_code=run_code,
            )
    if as_json:
        text = json.dumps(found.as_json(), indent=1)
    else:
        lines = [
            f"version of {name}: {was or 'none'} in the bundle, {now or 'none'} here"
            for name, (was, now) in found.versions.items()
        ] + found.remarks
        if found.same:
            lines.append(f"the same: digest {found.found}")
        text = "\n".join(lines)
    if text:
        say(text, done="nothing was written")
    if not found.same:
        raise SimulationError(f"{file}: the run differs first in its {found.first}: {found.told}")
