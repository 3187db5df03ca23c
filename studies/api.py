"""``tapewire.sweep``: a study from Python, as a notebook asks for it."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tapewire.config.problems import Places, Problems
from tapewire.config.schema import RunConfig
from tapewire.errors import ConfigError
from tapewire.executors import Executor
from tapewire.runs.api import AnyPath, AnyStrategy, Time, request_of
from tapewire.studies.session import StudyHooks
from tapewire.studies.study import Study
from tapewire.studies.sweeping import base_of, read_study, settings_of, sweep_checked


def sweep(
    config: RunConfig | AnyPath | Iterable[AnyPath] | Mapping[str, Any] | None = None,
    vary: Mapping[str, Any] | None = None,
    *,
    output: AnyPath,
    files: AnyPath | Iterable[AnyPath] | None = None,
    strategies: AnyStrategy | Iterable[AnyStrategy] | None = None,
    symbols: str | Iterable[str] | None = None,
    start: Time | None = None,
    end: Time | None = None,
    overrides: Mapping[str, Any] | None = None,
    method: str | None = None,
    draws: int | None = None,
    seed: int | None = None,
    trials: Iterable[Mapping[str, Any]] | None = None,
    objective: str | Iterable[str] | None = None,
    constraints: Iterable[str] | None = None,
    block: str | int | None = None,
    workers: int | None = None,
    executor: Executor | None = None,
    force: bool = False,
    resume: bool = False,
    keep_runs: bool = False,
    hooks: StudyHooks | None = None,
) -> Study:
    """Try combinations of values, each a run of its own; trials share passes over the data.

    Parameters
    ----------
    config, files, strategies, symbols, start, end, overrides
        What trials differ from, as `tapewire.run` takes it. A ``study`` in the configuration says
        what the arguments below do not.
    vary
        Values by what they are of: a parameter of the strategy, ``strategy``, ``symbols``, ``day``
        or a key like ``backtest.execution.latency_model.network_latency_us``. A list, or a mapping
        with ``from``, ``to`` and perhaps ``step``.
    output
        The study's folder.
    method, draws, seed, trials
        ``grid`` (every combination), ``random`` (so many draws) or ``list`` (these trials).
    objective, constraints
        What is best: a metric, with a minus before it the least of it; and what best must keep,
        like ``fills >= 30``.
    block
        What luck is judged by: P&L by ``day``, or by so many minutes.
    workers, executor
        How many processes; or who does the work instead.
    force, resume
        Replace a study in the folder; go on with one that was stopped.
    keep_runs
        Leave the run folders of the passes in ``runs/``.
    hooks
        What is told while it goes on.

    Returns
    -------
    Study
        A row for each trial, failed ones among them.

    Raises
    ------
    TapewireError
        See `tapewire.errors`.
    """
    problems = Problems(Places("tapewire.sweep"))
    request = request_of(
        config, problems, files=files, strategies=strategies, overrides=overrides,
        options={"symbols": symbols, "start": start, "end": end},
    )  # fmt: skip
    for name in ("strategies",):
        if any(not isinstance(s, str) for s in request.strategies):
            raise ConfigError(
                f"{name}: expected names of strategies: workers are processes of their own, and "
                "find a strategy by its file ('file.py:Class')"
            )
    path = request.config if isinstance(request.config, Path) else None
    found, places = read_study(path)
    if isinstance(request.config, Mapping):
        found = dict(request.config.get("study") or {})
    given: dict[str, Any] = {
        "vary": None if vary is None else dict(vary),
        "method": method,
        "draws": draws,
        "seed": seed,
        "trials": None if trials is None else [dict(trial) for trial in trials],
        "objective": [objective] if isinstance(objective, str) else objective and list(objective),
        "constraints": None if constraints is None else list(constraints),
        "block": block,
    }
    found |= {name: value for name, value in given.items() if value is not None}
    settings = settings_of(found, places)
    return sweep_checked(
        base_of(request, settings, str),
        settings,
        output=os.fspath(output),
        executor=executor,
        workers=workers,
        force=force,
        resume=resume,
        keep_runs=keep_runs,
        hooks=hooks,
    )
