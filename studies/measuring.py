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
from tapewire.studies.passes import placed
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
        ``config``: plain values of the pass's configuration; ``seconds``: how long at most.
    tell
        Is told nothing.

    Returns
    -------
    dict
        ``seconds`` and ``records`` from the first batch to the last, ``start_s`` until the first
        batch, ``end_s`` behind the last one (None: the pass was left before), ``memory_bytes``:
        the most that the process had.
    """
    config = placed(make_config(argument["config"]), alone=True)
    began_s = time.monotonic()
    seen: list[tuple[float, int]] = []

    def note(progress: RunProgress) -> None:
        seen.append((time.monotonic(), progress.events))
        if seen[-1][0] - seen[0][0] > argument["seconds"]:
            raise _EnoughError

    ended_s = None
    folder = Path(tempfile.mkdtemp(prefix="tapewire-plan-"))
    try:
        with contextlib.suppress(_EnoughError):
            run_checked(config, name="plan", output=folder / "run", hooks=Hooks(progress=note))
            ended_s = time.monotonic()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if not seen or not seen[-1][1]:
        raise NoDataError("--plan: expected records to measure by, found none")
    # Of a pass of few batches the first is measured, too.
    (first_s, before), (last_s, after) = seen[0], seen[-1]
    if len(seen) < _BATCHES_MIN:
        first_s, before = began_s, 0
    begun_s = first_s if len(seen) < _BATCHES_MIN else seen[0][0]
    return {
        "seconds": last_s - first_s,
        "records": after - before,
        "start_s": begun_s - began_s,
        "end_s": None if ended_s is None else ended_s - last_s,
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
    # The first warms the process up: a worker does many passes.
    asked = [(0.0, 1), (MEASURED_S, 1), (MEASURED_S, several)]
    tasks = []
    for key, (seconds, trials) in enumerate(asked):
        config = Pass(tuple(group[:trials])).config.to_dict()
        argument = {"config": json.loads(json.dumps(config)), "seconds": seconds}
        tasks.append(Task(key, TASK, argument, _TIMEOUT_S))
    announce(f"measuring passes of 1 and of {several} trials …")
    found = {}
    with ProcessExecutor(1) as team:
        for outcome in team.outcomes(tasks):
            if outcome.failure is not None:
                raise _error_of(outcome.failure.error, outcome.failure.message)
            found[outcome.key] = outcome.value
    return fitted(found[1], found[2], several)


def _error_of(name: str, message: str) -> Exception:
    from tapewire import errors

    kind = getattr(errors, name, errors.SimulationError)
    error: Exception = kind(f"--plan: {message}")
    return error
