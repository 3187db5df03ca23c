"""``tapewire.sweep``: every combination of some values, each a trial."""

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from tapewire.config.loading import STUDY
from tapewire.config.problems import Places, Problems
from tapewire.config.schema import RunConfig
from tapewire.config.yaml import KeyPath, load_yaml
from tapewire.errors import ConfigError, InterruptedRunError
from tapewire.executors import Executor, ProcessExecutor
from tapewire.processes.signals import interruptible
from tapewire.runs.requests import Request
from tapewire.runs.versions import versions
from tapewire.studies.axes import Trial, combinations, count
from tapewire.studies.base import Base
from tapewire.studies.folder import BLOCKS_FILE, REPORT, TRIALS, StudyFolder
from tapewire.studies.luck import luck_of
from tapewire.studies.parts import read_parts
from tapewire.studies.report import write_report
from tapewire.studies.session import Session, StudyHooks
from tapewire.studies.settings import StudySettings
from tapewire.studies.study import Study
from tapewire.studies.table import Ranking, check_metrics, digest_of, write_table, write_trials

#: Of the plan's layout.
PLAN_VERSION: Final = 1


def sweep_checked(
    base: RunConfig,
    settings: StudySettings,
    *,
    output: str | os.PathLike[str],
    executor: Executor | None = None,
    workers: int | None = None,
    force: bool = False,
    resume: bool = False,
    keep_runs: bool = False,
    hooks: StudyHooks | None = None,
) -> Study:
    """Try what a study says, each combination on the base configuration.

    The parameters are those of `tapewire.sweep`, which takes more.
    """
    check_metrics(settings)
    total = count(settings)
    trials = [Trial(k, values) for k, values in enumerate(combinations(settings), 1)]
    plan = plan_of("sweep", base, settings)
    first = Base(plan["base"], list(settings.vary))
    for trial in trials:  # what is wrong is said before anything is written
        first.planned(trial)
    ranking = Ranking(settings.objectives[0], settings.kept)
    hooks = hooks or StudyHooks()
    began_s = time.monotonic()
    path = Path(output)
    session: Session | None = None
    with (
        StudyFolder(path, plan, force=force, resume=resume) as folder,
        _workers(executor, workers) as workers_of,
    ):
        try:
            with interruptible():
                session = Session(
                    first, folder, workers_of, ranking, hooks, block_ns=settings.block_ns,
                    keep_runs=keep_runs, trials_total=total,
                )  # fmt: skip
                session.run(trials)
                _finish(folder, session, plan, trials, time.monotonic() - began_s, workers_of)
        except InterruptedRunError as error:
            raise stopped(error, session, total, path) from None
    return Study(path)


def _workers(
    executor: Executor | None, workers: int | None
) -> contextlib.AbstractContextManager[Executor]:
    """Return who does the work: somebody's own, who stays, or a pool for this study."""
    return ProcessExecutor(workers) if executor is None else contextlib.nullcontext(executor)


def stopped(
    error: InterruptedRunError, session: Session | None, total: int | None, path: Path
) -> InterruptedRunError:
    """Return the error of a study that its user stopped: what is done, and how to go on."""
    done = 0 if session is None else session.done
    of = "" if total is None else f" of {total:,}"
    said = InterruptedRunError(
        f"stopped: {done:,}{of} trials are done and kept in {path}; the same command with --resume "
        "goes on"
    )
    said.exit_code = error.exit_code
    return said


def plan_of(kind: str, base: RunConfig, settings: StudySettings) -> dict[str, Any]:
    """Return what a study is, as plain values."""
    return {
        "version": PLAN_VERSION,
        "kind": kind,
        "base": base.to_dict(),
        "study": settings.model_dump(mode="json", by_alias=True, exclude_none=True),
    }


def _finish(
    folder: StudyFolder,
    session: Session,
    plan: Mapping[str, Any],
    trials: Sequence[Trial],
    elapsed_s: float,
    executor: Executor,
) -> None:
    found, blocks = read_parts(folder.done())
    table = write_trials(folder.path / TRIALS, found, trials)
    write_table(folder.path / BLOCKS_FILE, blocks)
    best = session.best
    luck = luck_of(blocks, None if best is None else best["trial"])
    manifest = {
        "status": "complete",
        "kind": plan["kind"],
        "trials": table.num_rows,
        "failed": session.failed,
        "digest": digest_of(table),
        "objective": plan["study"]["objective"],
        "constraints": plan["study"]["constraints"],
        "best": None if best is None else {"trial": best["trial"]},
        "luck": luck.to_dict(),
        "inputs": [session.inputs[name] for name in sorted(session.inputs)],
        "warnings": list(session.warnings),
        "versions": versions(),
        "workers": executor.workers,
        "events": session.events,
        "elapsed_s": round(elapsed_s, 3),
        "worker_s": round(session.worker_s, 3),
    }
    settings = StudySettings.model_validate(plan["study"])
    write_report(folder.path / REPORT, table, blocks, settings, manifest, luck)
    folder.finish(manifest)


def settings_of(given: Mapping[str, Any], places: Places) -> StudySettings:
    """Return a study's settings, checked.

    Raises
    ------
    ConfigError
        With everything that is wrong.
    """
    problems = Problems(places)
    try:
        return StudySettings.model_validate(dict(given))
    except ValidationError as error:
        for item in error.errors(include_url=False):
            path = tuple(p for p in item["loc"] if p not in _KINDS)
            context = item.get("ctx", {})
            message = (
                f"expected {context['what']}" if item["type"] == "expected" else
                f"{item['msg'][:1].lower()}{item['msg'][1:]}"
            )  # fmt: skip
            problems.add((STUDY, *path), message)
    problems.raise_if_any()
    raise AssertionError("something is wrong with it")


#: What pydantic puts into a path of a value that may be one of two kinds.
_KINDS: Final = ("range", "list", "literal['day']", "constrained-int")


def read_study(path: Path | None) -> tuple[dict[str, Any], Places]:
    """Return the ``study`` of a configuration file, and where its keys are; empty without one."""
    if path is None:
        return {}, Places("the study")
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError):
        return {}, Places(str(path))  # what is wrong with it is said by who reads all of it
    document, lines = load_yaml(text, str(path))
    found = document.get(STUDY) if isinstance(document, Mapping) else None
    if found is None:
        return {}, Places(str(path))
    if not isinstance(found, Mapping):
        raise ConfigError(f"{path}: study: expected a mapping, found something else")
    return dict(found), Places(str(path), lines)


def base_of(request: Request, settings: StudySettings, label: Callable[[str], str]) -> RunConfig:
    """Return the configuration that trials differ from, checked.

    What it lacks and every trial has is the first trial's.

    Raises
    ------
    ConfigError
        With everything that is wrong.
    """
    try:
        return request.checked(label)
    except ConfigError:
        first = next(iter(combinations(settings)))
        values: dict[KeyPath, Any] = {
            ("strategy", "0", "parameters", name): value
            for name, value in first.items()
            if name in settings.vary and "." not in name
        }
        completed = replace(request, overrides={**request.overrides, **values})
        try:
            return completed.checked(label)
        except ConfigError:
            pass
        raise


def names_given(vary: Iterable[str]) -> dict[str, str]:
    """Read axes as they are typed: ``NAME=VALUES``, several.

    Raises
    ------
    ConfigError
        If one has no name.
    """
    found: dict[str, str] = {}
    for text in vary:
        name, sign, values = text.partition("=")
        if not sign or not name or not values:
            raise ConfigError(f"--vary: expected NAME=VALUES, like quantity=1,2,5, found {text!r}")
        found[name.strip()] = values.strip()
    return found
