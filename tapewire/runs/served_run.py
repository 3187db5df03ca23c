"""A run that a server's client has asked for: done by a worker, in a folder of the server's."""

import datetime
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tapewire.analytics.run_folder import is_claimed
from tapewire.errors import ConfigError
from tapewire.market.times import time_text
from tapewire.runs.assembly import run_checked
from tapewire.runs.hooks import Hooks, RunProgress
from tapewire.runs.served_config import ServedPlaces, Stored, read_yaml, served_config

#: Where runs of a server are, in its folder of runs.
DECLARED: Final = "declared"
#: How long an earlier attempt, whose job was taken from it, may take to leave the folder, s.
LEFT_S: Final = 60.0
_LOOK_S: Final = 0.2
#: Told how far it is: what is done, how much of it, of how much.
Hear = Callable[[str, int, int | None], None]


def places_of(data: Path | None, strategies: Path | None, runs: Path) -> ServedPlaces:
    """Return where a server's files are."""
    return ServedPlaces(data, strategies, runs.absolute() / DECLARED)


def run_name(job_id: int, created_at: datetime.datetime) -> str:
    """Return the name of a job's run folder; another attempt at the job has the same."""
    return f"job-{job_id}-{created_at:%Y%m%dT%H%M%S%f}"


def run_folder_of(runs: Path, name: str) -> Path:
    """Return a run folder by the name that a job's result has.

    Raises
    ------
    ConfigError
        If it is no such name.
    """
    if not name.startswith("job-") or "/" in name or name != Path(name).name:
        raise ConfigError(f"run: expected the name of a job's run folder, found {name[:200]!r}")
    return runs.absolute() / name


def do_run(
    config: str, places: ServedPlaces, stored: Stored, folder: Path, hear: Hear
) -> dict[str, Any]:
    """Run a configuration; return what came of it.

    Parameters
    ----------
    config
        YAML, as a client has sent it.
    places, stored
        See `tapewire.runs.served_config`.
    folder
        The run folder; what an earlier attempt left there is replaced.
    hear
        Told how far it is: simulated time, events a second and P&L among it.

    Raises
    ------
    TapewireError
        As ``tapewire run``.
    """
    document, lines = read_yaml(config)
    checked = served_config(document, places, stored, lines)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _await_folder(folder, hear)

    def progress(told: RunProgress) -> None:
        rate = told.events / told.elapsed_s if told.elapsed_s > 0 else 0.0
        what = (
            f"events, {rate:,.0f} a second, simulated {time_text(told.now_ns)}, "
            f"P&L {told.pnl():,.2f}"
        )
        hear(what, told.events, max(told.events, told.events_total))

    hooks = Hooks(announce=lambda text: hear(text, 0, None), progress=progress)
    result = run_checked(checked, name=folder.name, output=folder, force=True, hooks=hooks)
    manifest = result.manifest
    return {
        "run": folder.name, "digest": manifest["digest"], "events": manifest["events"],
        "elapsed_s": manifest["elapsed_s"], "warnings": [str(one) for one in manifest["warnings"]],
    }  # fmt: skip


def _await_folder(folder: Path, hear: Hear) -> None:
    """Wait until an earlier attempt has left the folder; who stays longer is met by the run."""
    until_s = time.monotonic() + LEFT_S
    while is_claimed(folder) and time.monotonic() < until_s:
        hear("waiting for an earlier attempt to end", 0, None)
        time.sleep(_LOOK_S)
