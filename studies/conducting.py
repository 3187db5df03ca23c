"""A study from its plan to its manifest, whoever says which trials there are."""

import contextlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tapewire.config.schema import RunConfig
from tapewire.errors import InterruptedRunError
from tapewire.executors import Executor, ProcessExecutor
from tapewire.processes.signals import interruptible
from tapewire.runs.versions import versions
from tapewire.studies.axes import Trial
from tapewire.studies.base import Base
from tapewire.studies.contents import made_by
from tapewire.studies.folder import BLOCKS_FILE, REPORT, TRIALS, StudyFolder
from tapewire.studies.luck import luck_of
from tapewire.studies.parts import read_parts
from tapewire.studies.pruning import PRUNED
from tapewire.studies.report import write_report
from tapewire.studies.session import StudyHooks, StudySession
from tapewire.studies.settings import StudySettings
from tapewire.studies.study import Study
from tapewire.studies.table import Ranking, digest_of, write_table, write_trials

#: Of the plan's layout.
PLAN_VERSION: Final = 1


@dataclass
class Means:
    """Where a study goes, and who does it.

    Attributes
    ----------
    output
        Its folder.
    executor
        Who does the work; it is not closed. None: a pool of so many `workers`.
    workers
        By default one for each core.
    force, resume
        Replace a study in the folder; go on with one that was stopped.
    keep_runs
        Leave the run folders of passes.
    hooks
        Who is told.
    """

    output: str | os.PathLike[str]
    executor: Executor | None = None
    workers: int | None = None
    force: bool = False
    resume: bool = False
    keep_runs: bool = False
    hooks: StudyHooks = field(default_factory=StudyHooks)

    def team(self) -> contextlib.AbstractContextManager[Executor]:
        """Return who does the work."""
        if self.executor is None:
            return ProcessExecutor(self.workers)
        return contextlib.nullcontext(self.executor)


def plan_of(kind: str, base: RunConfig, settings: StudySettings) -> dict[str, Any]:
    """Return what a study is, as plain values."""
    return {
        "version": PLAN_VERSION,
        "kind": kind,
        **made_by(base),
        "base": base.to_dict(),
        "study": settings.model_dump(mode="json", by_alias=True, exclude_none=True),
    }


def conduct(
    plan: Mapping[str, Any],
    settings: StudySettings,
    base: Base,
    means: Means,
    *,
    total: int | None,
    work: Callable[[StudySession], Sequence[Trial]],
) -> Study:
    """Have the trials of a study done, and write what they came to.

    Parameters
    ----------
    plan
        What the study is, see `plan_of`.
    settings, base
        Of the plan.
    means
        Where it goes, and who does it.
    total
        How many trials there will be, where that is known.
    work
        Has trials done by a session; returns all of them.

    Raises
    ------
    InterruptedRunError
        Where its user stopped it: what is done stays, and can be gone on with.
    TapewireError
        See `StudyFolder` and `StudySession`.
    """
    began_s = time.monotonic()
    path = Path(means.output)
    ranking = Ranking(settings.objectives[0], settings.kept)
    session: StudySession | None = None
    with (
        StudyFolder(path, plan, force=means.force, resume=means.resume) as folder,
        means.team() as team,
    ):
        try:
            with interruptible():
                session = StudySession(
                    base, folder, team, ranking, means.hooks, block_ns=settings.block_ns,
                    keep_runs=means.keep_runs, trials_total=total,
                )  # fmt: skip
                trials = work(session)
                _finish(folder, session, plan, trials, time.monotonic() - began_s, team)
        except InterruptedRunError as error:
            said = InterruptedRunError(folder.stopped(session.done if session else 0, total))
            said.exit_code = error.exit_code
            raise said from None
    return Study(path)


def _finish(
    folder: StudyFolder,
    session: StudySession,
    plan: Mapping[str, Any],
    trials: Sequence[Trial],
    elapsed_s: float,
    executor: Executor,
) -> None:
    """Write the tables, the page and the manifest of a study whose trials are done."""
    found, blocks = read_parts(folder.done())
    prunes = "prune" in plan
    if session.early:
        import pyarrow as pa

        found = pa.concat_tables([found, *(rows for rows, _ in session.early)]).sort_by("trial")
        order = [("trial", "ascending"), ("block", "ascending")]
        blocks = pa.concat_tables([blocks, *(own for _, own in session.early)]).sort_by(order)
    table = write_trials(folder.path / TRIALS, found, trials, session.days if prunes else None)
    write_table(folder.path / BLOCKS_FILE, blocks)
    best = session.best
    pruned = table["status"].to_pylist().count(PRUNED)
    luck = luck_of(blocks, None if best is None else best["trial"], pruned)
    manifest = {
        "status": "complete",
        "kind": plan["kind"],
        **({"search": plan["search"]["method"]} if "search" in plan else {}),
        "trials": table.num_rows,
        "failed": session.failed,
        **({"pruned": pruned} if prunes else {}),
        "digest": digest_of(table),
        "objective": plan["study"]["objective"],
        "constraints": plan["study"]["constraints"],
        "best": None if best is None else {"trial": best["trial"]},
        "luck": luck.to_dict(),
        "inputs": [session.inputs[name] for name in sorted(session.inputs)],
        "warnings": sorted(session.warnings),
        "versions": versions(),
        "workers": executor.workers,
        **({"nodes": dict(sorted(session.nodes.items()))} if session.nodes else {}),
        "events": session.events,
        "elapsed_s": round(elapsed_s, 3),
        "worker_s": round(session.worker_s, 3),
    }
    settings = StudySettings.model_validate(plan["study"])
    write_report(folder.path / REPORT, table, blocks, settings, manifest, luck)
    folder.finish(manifest)
