"""``tapewire.sweep`` and ``tapewire.optimize``: studies as a notebook asks for them."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tapewire.config.loading import STUDY
from tapewire.config.parts import read_part
from tapewire.config.problems import Places, Problems
from tapewire.config.schema import RunConfig
from tapewire.errors import ConfigError
from tapewire.executors import Executor
from tapewire.runs.api import AnyPath, AnyStrategy, Time, request_of
from tapewire.runs.requests import Request
from tapewire.studies.asking import base_of, settings_of
from tapewire.studies.conducting import Means
from tapewire.studies.optimizing import Budget, optimize_checked
from tapewire.studies.pruning import Pruning
from tapewire.studies.session import StudyHooks
from tapewire.studies.settings import StudySettings
from tapewire.studies.study import Study
from tapewire.studies.sweeping import sweep_checked

#: What trials differ from, as `tapewire.run` takes it.
AnyConfig = RunConfig | AnyPath | Iterable[AnyPath] | Mapping[str, Any] | None


def sweep(
    config: AnyConfig = None,
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
    given = {
        "vary": None if vary is None else dict(vary),
        "method": method,
        "draws": draws,
        "seed": seed,
        "trials": None if trials is None else [dict(trial) for trial in trials],
        "objective": _texts(objective),
        "constraints": _texts(constraints),
        "block": block,
    }
    base, settings = _asked(
        "tapewire.sweep", config, given, files=files, strategies=strategies, overrides=overrides,
        options={"symbols": symbols, "start": start, "end": end},
    )  # fmt: skip
    means = Means(output, executor, workers, force, resume, keep_runs, hooks or StudyHooks())
    return sweep_checked(base, settings, means)


def optimize(
    config: AnyConfig = None,
    vary: Mapping[str, Any] | None = None,
    *,
    output: AnyPath,
    method: str = "genetic",
    trials: int = 200,
    batch: int = 32,
    storage: str | None = None,
    prune: str | None = None,
    prune_after: int = 1,
    prune_factor: int = 2,
    prune_every: int | None = None,
    files: AnyPath | Iterable[AnyPath] | None = None,
    strategies: AnyStrategy | Iterable[AnyStrategy] | None = None,
    symbols: str | Iterable[str] | None = None,
    start: Time | None = None,
    end: Time | None = None,
    overrides: Mapping[str, Any] | None = None,
    seed: int | None = None,
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
    """Look for the best values: trials are asked for in batches, by what earlier ones came to.

    Parameters
    ----------
    method
        ``genetic``, ``random``, or of Optuna (extra ``optuna``) ``tpe`` or ``nsga2``, which takes
        several objectives.
    trials, batch
        At most so many trials, asked for so many at a time.
    storage
        Where Optuna keeps its study; in memory without.
    prune, prune_after, prune_factor, prune_every
        ``halving``, ``median``, ``quartile``, or with Optuna's methods also ``hyperband``: trials
        are looked at after so many days, then after `prune_factor` times as many, or each
        `prune_every` days, and those that are hopeless are not played to the end.
    config, vary, output, files, strategies, symbols, start, end, overrides, seed, objective, \
    constraints, block, workers, executor, force, resume, keep_runs, hooks
        As `sweep` takes them.

    Returns
    -------
    Study
        A row for each trial.

    Raises
    ------
    TapewireError
        See `tapewire.errors`.
    """
    given = {
        "vary": None if vary is None else dict(vary),
        "seed": seed,
        "objective": _texts(objective),
        "constraints": _texts(constraints),
        "block": block,
    }
    base, settings = _asked(
        "tapewire.optimize", config, given, files=files, strategies=strategies,
        overrides=overrides, options={"symbols": symbols, "start": start, "end": end},
    )  # fmt: skip
    means = Means(output, executor, workers, force, resume, keep_runs, hooks or StudyHooks())
    if prune_after < 1 or prune_factor < 2:
        raise ConfigError("prune_after: expected at least 1, and prune_factor at least 2")
    if prune_every is not None and prune_every < 1:
        raise ConfigError(f"prune_every: expected at least 1, found {prune_every}")
    pruning = None if prune is None else Pruning(prune, prune_after, prune_factor, prune_every)
    return optimize_checked(base, settings, Budget(method, trials, batch, storage, pruning), means)


def _texts(given: str | Iterable[str] | None) -> list[str] | None:
    if given is None:
        return None
    return [given] if isinstance(given, str) else list(given)


def _asked(
    called: str,
    config: AnyConfig,
    given: Mapping[str, Any],
    *,
    files: Any,
    strategies: Any,
    overrides: Any,
    options: Mapping[str, Any],
) -> tuple[RunConfig, StudySettings]:
    """Return what trials differ from, and what is tried."""
    request = request_of(
        config, Problems(Places(called)), files=files, strategies=strategies, overrides=overrides,
        options=options,
    )  # fmt: skip
    require_names(request)
    path = request.config if isinstance(request.config, Path) else None
    found, places = read_part(path, STUDY)
    if isinstance(request.config, Mapping):
        found = dict(request.config.get("study") or {})
    found |= {name: value for name, value in given.items() if value is not None}
    settings = settings_of(found, places)
    return base_of(request, settings, str), settings


def require_names(request: Request) -> None:
    """Refuse strategies that are objects.

    Raises
    ------
    ConfigError
        If there are any.
    """
    if any(not isinstance(strategy, (str, Mapping)) for strategy in request.strategies) or any(
        not isinstance(strategy.get("type"), str)
        for strategy in request.strategies
        if isinstance(strategy, Mapping)
    ):
        raise ConfigError(
            "strategies: expected names, found an object: workers are processes of their own, and "
            "find a strategy by its file ('file.py:Class')"
        )
