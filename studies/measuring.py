"""How fast this host does passes of a study: two of them, each for a few seconds."""

import contextlib
import json
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from tapewire.config.loading import make_config
from tapewire.errors import ConfigError, NoDataError
from tapewire.executors import ProcessExecutor, Task
from tapewire.executors.tasks import Tell
from tapewire.runs.assembly import run_checked
from tapewire.runs.hooks import Hooks, RunProgress
from tapewire.studies.base import PlannedTrial
from tapewire.studies.estimate import Rates, fitted
from tapewire.studies.passes import placed_here
from tapewire.studies.planning import Pass

TASK: Final = "tapewire.studies.measuring:measure_pass"
#: A pass is left after so long; what it did until then tells the rest.
MEASURED_S: Final = 4.0
#: Trials of the second pass.
SEVERAL: Final = 8
#: Fewer batches than this are measured with their start.
_BATCHES_MIN: Final = 3
_TIMEOUT_S: Final = 600.0
_KIB: Final = 1024


class _EnoughError(ConfigError):
    """A pass was long enough."""


def measure_pass(argument: dict[str, Any], tell: Tell) -> dict[str, Any]:
    """Run a pass for a few seconds, as a worker would.

    Parameters
    ----------
    argument
        ``config``: plain values of the pass's configuration.
    tell
        Is told nothing.

    Returns
    -------
    dict
        ``seconds`` and ``records`` from the first batch to the last, ``start_s`` until the first
        batch, ``memory_bytes``: the most that the process had.
    """
    config = placed_here(make_config(argument["config"]), alone=True)
    began_s = time.monotonic()
    seen: list[tuple[float, int]] = []

    def note(progress: RunProgress) -> None:
        seen.append((time.monotonic(), progress.events))
        if seen[-1][0] - seen[0][0] > MEASURED_S:
            raise _EnoughError

    folder = Path(tempfile.mkdtemp(prefix="tapewire-plan-"))
    try:
        with contextlib.suppress(_EnoughError):
            run_checked(config, name="plan", output=folder / "run", hooks=Hooks(progress=note))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if not seen or not seen[-1][1]:
        raise NoDataError("--plan: expected records to measure by, found none")
    # Of a pass of few batches the first is measured, too.
    (first_s, before), (last_s, after) = seen[0], seen[-1]
    if len(seen) < _BATCHES_MIN:
        first_s, before, last_s = began_s, 0, time.monotonic()
    return {
        "seconds": last_s - first_s,
        "records": after - before,
        "start_s": seen[0][0] - began_s,
        "memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIB,
    }


def measured(
    group: Sequence[PlannedTrial], announce: Callable[[str], None] = lambda text: None
) -> Rates:
    """Return how fast this host does passes of a group of trials.

    Raises
    ------
    TapewireError
        As a run of the trials would.
    """
    several = min(SEVERAL, len(group))
    found = []
    for trials in (1, several)[: 1 + (several > 1)]:
        announce(f"measuring a pass of {trials} trial{'s' if trials > 1 else ''} …")
        config = Pass(tuple(group[:trials])).config
        with ProcessExecutor(1) as team:
            (outcome,) = team.outcomes(
                [Task(0, TASK, {"config": json.loads(json.dumps(config.to_dict()))}, _TIMEOUT_S)]
            )
        if outcome.failure is not None:
            raise _error_of(outcome.failure.error, outcome.failure.message)
        found.append(outcome.value)
    return fitted(found[0], found[-1], several)


def _error_of(name: str, message: str) -> Exception:
    from tapewire import errors

    kind = getattr(errors, name, errors.SimulationError)
    error: Exception = kind(f"--plan: {message}")
    return error
