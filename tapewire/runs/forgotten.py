"""Folders of a server's runs that nobody can ask for any more: their jobs are forgotten."""

import datetime as dt
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tapewire.atomic import output_errors

if TYPE_CHECKING:
    from tapewire.store import Store

#: As `tapewire.runs.served_run.run_name` has it;
#: its session's recording, and what it left of an attempt that failed, are beside it.
_NAME: Final = re.compile(r"job-(\d{1,18})-(\d{8}T\d{12})(\.failed(-\d{1,6})?|\.recording)?")


@dataclass(frozen=True)
class ForgottenRun:
    """A folder of a run whose job the store does not have.

    Attributes
    ----------
    path : Path
    asked_at : datetime
        When its job was asked for.
    size_bytes : int
        Of its files.
    """

    path: Path
    asked_at: dt.datetime
    size_bytes: int


def forgotten_runs(store: "Store", runs: Path, before: dt.datetime) -> list[ForgottenRun]:
    """Return folders of runs that no job of a store names.

    Parameters
    ----------
    store
    runs
        A server's folder of runs; what has another name than a job's run is nobody's here.
    before
        Runs that were asked for later stay.
    """
    named: list[tuple[Path, int, dt.datetime]] = []
    for path in sorted(runs.iterdir()) if runs.is_dir() else ():
        found = _NAME.fullmatch(path.name)
        if found is None or path.is_symlink() or not path.is_dir():
            continue
        try:
            asked_at = dt.datetime.strptime(f"{found[2]}+0000", "%Y%m%dT%H%M%S%f%z")
        except ValueError:
            continue
        if asked_at < before:
            named.append((path, int(found[1]), asked_at))
    known = store.jobs_among([job_id for _, job_id, _ in named])
    # A number may be given again once its job is forgotten: then it is another moment's.
    return [
        ForgottenRun(path, asked_at, _size_of(path))
        for path, job_id, asked_at in named
        if job_id not in known or known[job_id].created_at != asked_at
    ]


def remove_forgotten(store: "Store", runs: Path, days: int, who: str) -> list[ForgottenRun]:
    """Remove folders of runs that old whose jobs are forgotten; each is noted in the audit log.

    Parameters
    ----------
    store, runs
        See `forgotten_runs`.
    days
        Since a run was asked for.
    who
        Of the audit log.

    Raises
    ------
    OutputError
        If one can't be removed.
    StoreError
        If it can't be noted; it stays then.
    """
    before = dt.datetime.now(dt.UTC) - dt.timedelta(days=days)
    found = forgotten_runs(store, runs, before)
    for one in found:
        details = {"asked_at": one.asked_at.isoformat(), "size_bytes": one.size_bytes}
        store.note(who, "remove_run", one.path.name, details)
        with output_errors(one.path, "remove"):
            # Another worker may be at it, too.
            while one.path.exists():
                try:
                    shutil.rmtree(one.path)
                except FileNotFoundError:
                    continue
    return found


def _size_of(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())
