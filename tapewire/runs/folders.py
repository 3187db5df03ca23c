"""Where a run goes: the folder somebody chose, or a new one that is this run's alone."""

import contextlib
import datetime
import itertools
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tapewire.atomic import output_errors
from tapewire.errors import StrategyError, TapewireError

#: Where runs go that nobody has chosen a folder for.
RUNS: Final = Path("runs")
_NAME_LETTERS_MAX: Final = 60


@contextlib.contextmanager
def run_folder(chosen: str | os.PathLike[str] | None, name: str) -> Iterator[Path]:
    """Give the run folder; without a chosen one, make ``runs/<time>-<name>``.

    A new folder is made exclusively, so that no two runs get the same one, and it is removed again
    if nothing came into it.

    Raises
    ------
    OutputError
        If a new folder can't be made.
    """
    if chosen:
        yield Path(chosen)
        return
    path = _new_folder(name)
    try:
        yield path
    finally:
        with contextlib.suppress(OSError):  # there is something in it
            path.rmdir()


def timed_name(name: str) -> str:
    """Return what a new run folder is called: now, and a name made safe."""
    stamp = datetime.datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    safe = re.sub(r"[^\w.-]+", "-", name)[:_NAME_LETTERS_MAX] or "run"
    return f"{stamp}-{safe}"


def _new_folder(name: str) -> Path:
    timed = timed_name(name)
    with output_errors(RUNS, "make a run folder in"):
        RUNS.mkdir(parents=True, exist_ok=True)
        for number in itertools.count(1):
            path = RUNS / (timed if number == 1 else f"{timed}-{number}")
            with contextlib.suppress(FileExistsError):
                path.mkdir()
                return path
    raise AssertionError("unreachable: numbers do not end")


def tell_where(error: BaseException, manifest: Path, folder: Path) -> None:
    """Add to an error where its manifest is, unless it is where the run was to go.

    A strategy's error, whose last line is the strategy's own, gets a line about its rows.
    """
    kept = f"the earlier run in {folder} is as it was"
    if isinstance(error, StrategyError):
        beside = f"; {kept}" if manifest.parent != folder else ""
        error.args = (f"{error}\nits run is incomplete: see {manifest}{beside}",)
    elif isinstance(error, TapewireError) and manifest.parent != folder:
        error.args = (f"{error}; {kept}, the manifest of this one is {manifest}",)
