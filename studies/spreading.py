"""How far the results of a run spread: draws of its own trades and days, other runs, one study."""

import contextlib
import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tapewire.atomic import atomic_write
from tapewire.errors import ConfigError, FormatError, InterruptedRunError, MissingFileError
from tapewire.executors import Executor
from tapewire.processes.signals import interruptible
from tapewire.runs.hooks import Hooks, RunProgress
from tapewire.runs.result import RunResult
from tapewire.runs.versions import versions
from tapewire.studies import spreads
from tapewire.studies.bands import write_bands
from tapewire.studies.base import Base
from tapewire.studies.conducting import Means
from tapewire.studies.factors import Perturbation
from tapewire.studies.folder import (
    BANDS_FILE,
    BLOCKS_FILE,
    DRAWS_FILE,
    REPORT,
    RESULT,
    TRIALS,
    StudyFolder,
)
from tapewire.studies.markets import MarketMaker, keep_model
from tapewire.studies.parts import read_parts
from tapewire.studies.passes import inputs_of, placed
from tapewire.studies.session import StudyHooks, StudyProgress, StudySession
from tapewire.studies.settings import StudySettings
from tapewire.studies.spread_asked import STUDY, Spreading, strategies_of
from tapewire.studies.spread_page import write_page
from tapewire.studies.table import Ranking, digest_of, write_table, write_trials


def spread(asked: Spreading, means: Means, *, keep_markets: bool = False) -> Path:
    """Have everything drawn and run, and write what it came to; return the study's folder.

    Raises
    ------
    InterruptedRunError
        Where its user stopped it: what is done stays, and can be gone on with.
    TapewireError
        See `StudyFolder` and `StudySession`.
    """
    began_s = time.monotonic()
    path = Path(means.output)
    settings = asked.settings
    if settings.markets and means.executor is not None and not means.executor.here:
        raise ConfigError(
            "--markets: expected workers of this machine with it, found a cluster's: markets are "
            "made where the study's folder is"
        )
    hooks = _without_best(means.hooks)
    session: StudySession | None = None
    with (
        StudyFolder(path, asked.plan, force=means.force, resume=means.resume) as folder,
        means.team() as team,
    ):
        maker = MarketMaker(
            keep_model(asked.model, path), settings.market_hours, settings.market_records,
            str(folder.markets) if keep_markets else None,
        )  # fmt: skip
        if settings.markets:
            maker.check()
        try:
            with interruptible():
                if asked.trials:
                    assert asked.config is not None
                    base = Base(asked.config.to_dict(), [])
                    for trial in asked.trials:  # what is wrong is said before anything is run
                        base.planned(trial)
                    ranking = Ranking(StudySettings.model_validate(asked.plan[STUDY]).objectives[0])
                    session = StudySession(
                        base, folder, team, ranking, hooks, block_ns=settings.block_ns,
                        keep_runs=means.keep_runs, trials_total=len(asked.trials), markets=maker,
                    )  # fmt: skip
                run = asked.run or _own_run(asked, folder, hooks)
                if session is not None:
                    session.note({"inputs": inputs_of(run.manifest)}, 0)
                    session.run(asked.trials)
                _finish(asked, folder, session, run, hooks.announce, began_s, team)
        except InterruptedRunError as error:
            done = 0 if session is None else session.done
            said = InterruptedRunError(folder.stopped(done, len(asked.trials)))
            said.exit_code = error.exit_code
            raise said from None
    return path


def _without_best(hooks: StudyHooks) -> StudyHooks:
    """Tell of no best trial: trials that are drawn are not chosen from."""
    return StudyHooks(hooks.announce, lambda told: hooks.progress(replace(told, best=None)))


def _own_run(asked: Spreading, folder: StudyFolder, hooks: StudyHooks) -> RunResult:
    """Run the configuration as it is, unless that was done before the study was stopped."""
    from tapewire.runs.assembly import run_checked

    assert asked.config is not None
    with contextlib.suppress(MissingFileError, FormatError):
        there = RunResult.load(folder.own)
        if there.status == "complete":
            return there
    total = len(asked.trials)

    def progress(told: RunProgress) -> None:
        share = told.events / told.events_total if told.events_total else 0.0
        share /= 1 + total
        hooks.progress(StudyProgress(0, total, 0, 0, total, share, told.elapsed_s, None))

    return run_checked(
        placed(asked.config, alone=False), name="run", output=folder.own, force=True,
        hooks=Hooks(hooks.announce, progress),
    )  # fmt: skip


def _finish(
    asked: Spreading,
    folder: StudyFolder,
    session: StudySession | None,
    run: RunResult,
    announce: Callable[[str], None],
    began_s: float,
    executor: Executor,
) -> None:
    """Draw what is drawn of the run, write tables, page and manifest."""
    settings = asked.settings
    names = strategies_of(run) if asked.strategy is None else [asked.strategy]
    own = spreads.own_figures(run, asked.strategy)
    methods = spreads.trade_draws(run, asked.strategy, settings, announce)
    methods.append(spreads.block_draws(run, names, settings, announce))
    digest = hashlib.sha256(str(run.manifest["digest"]).encode())
    if session is not None:
        found, blocks = read_parts(folder.done())
        table = write_trials(folder.path / TRIALS, found, asked.trials)
        write_table(folder.path / BLOCKS_FILE, blocks)
        digest.update(digest_of(table).encode())
        methods += _of_trials(asked, found, blocks, run, own, names)
    for one in methods:
        for name, values in one.figures.items():
            digest.update(f"{one.method} {name}".encode() + values.tobytes())
    bands = [band for one in methods for band in one.bands]
    write_bands(folder.path / BANDS_FILE, bands)
    spreads.write_draws(folder.path / DRAWS_FILE, methods)
    manifest: dict[str, Any] = {
        "status": "complete",
        "kind": "montecarlo",
        "trials": 0 if session is None else session.done,
        "failed": 0 if session is None else session.failed,
        "digest": digest.hexdigest(),
        "best": None,
        "run": {"path": "run" if asked.run is None else str(run.path.absolute()),
                "digest": run.manifest["digest"], "strategy": asked.strategy},
        "methods": {
            one.method: one.facts | ({"why_not": one.why_not} if one.why_not else {})
            for one in methods
        },
        "unused": dict(asked.unused or {}),
        "inputs": [] if session is None else [session.inputs[k] for k in sorted(session.inputs)],
        "warnings": [] if session is None else list(session.warnings),
        "versions": versions(),
        "workers": executor.workers,
        "events": int(run.manifest["events"]) * (asked.run is None)
        + (0 if session is None else session.events),
        "elapsed_s": round(time.monotonic() - began_s, 3),
    }  # fmt: skip
    told = {
        key: manifest[key] for key in ("digest", "run", "trials", "failed", "methods", "unused")
    }
    told["bands"] = [band.to_dict() for band in bands]
    atomic_write(folder.path / RESULT, json.dumps(told, indent=1))
    failed = [] if session is None else [
        row for row in table.select(["trial", "status", "error"]).to_pylist()
        if row["status"] == "failed"
    ]  # fmt: skip
    write_page(folder.path / REPORT, methods, manifest, settings, failed)
    folder.finish(manifest)


def _of_trials(
    asked: Spreading, found: Any, blocks: Any, run: RunResult, own: Mapping[str, Any],
    names: Sequence[str],
) -> list[spreads.MethodDraws]:  # fmt: skip
    """Return what trials came to: the perturbed ones, and those over markets."""
    import pyarrow.compute as pc

    settings = asked.settings
    mine = spreads.own_blocks(run, names, settings.block_ns)
    methods = []
    last = settings.draws
    if last:
        facts = {"perturb": {k: _words(v) for k, v in (asked.perturb or {}).items()}}
        methods.append(spreads.trial_draws(
            spreads.PERTURBED, found.filter(pc.less_equal(found["trial"], last)),
            blocks.filter(pc.less_equal(blocks["trial"], last)), own, mine, facts,
            settings.block_ns,
        ))  # fmt: skip
    if settings.markets:
        like = settings.like or settings.calibration or "the model that comes along"
        methods.append(spreads.trial_draws(
            spreads.MARKETS, found.filter(pc.greater(found["trial"], last)),
            blocks.filter(pc.greater(blocks["trial"], last)), own, None, {"like": like},
            settings.block_ns,
        ))  # fmt: skip
    return methods


def _words(given: Perturbation) -> str:
    if given is True:
        return "a new one for each trial"
    if isinstance(given, list):
        return "one of " + ", ".join(map(str, given))
    text = str(given)
    return text if text.startswith("times") else f"from {given.start} to {given.to}"  # type: ignore[union-attr]
