"""What is known of a job, and what its worker says of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from tapewire.store.bulk import in_utc
from tapewire.store.schema import jobs, users

#: Columns that lists leave out.
_LARGE: Final = ("payload", "result")


@dataclass(frozen=True)
class JobRecord:
    """A job.

    Attributes
    ----------
    id : int
    kind : str
    asked : dict
        Empty in a list of jobs.
    owner_id : int or None
    owner : str
        The owner's name.
    content_hash : str
        Of kind and asked.
    state : str
        ``waiting``, ``running``, ``done``, ``failed`` or ``canceled``.
    attempt, attempts_max : int
        How often it was begun, and how often it may be.
    lease_owner : str
        Who does it, or did last.
    lease_until : datetime or None
    is_cancel_asked : bool
    seq : int
        Grows with everything that is to be seen of it.
    steps_done : int
    steps_total : int or None
    progress : float
        0 to 1.
    message : str
    result : dict or None
        Of one that is done; None in a list of jobs.
    error, reason : str
        Of one that is not: for people, and for programs.
    exit_code : int
        What a command ends with that waited for it.
    generation_id : int or None
        The search that it began or went on with.
    created_at : datetime
    started_at, ended_at : datetime or None
    """

    id: int
    kind: str
    asked: dict[str, Any]
    owner_id: int | None
    owner: str
    content_hash: str
    state: str
    attempt: int
    attempts_max: int
    lease_owner: str
    lease_until: datetime | None
    is_cancel_asked: bool
    seq: int
    steps_done: int
    steps_total: int | None
    progress: float
    message: str
    result: dict[str, Any] | None
    error: str
    reason: str
    exit_code: int
    generation_id: int | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state not in ("waiting", "running")


@dataclass(frozen=True)
class JobProgress:
    """How far a job is: steps done, of how many (None: nobody knows), and what they are."""

    done: int
    total: int | None
    message: str

    @property
    def share(self) -> float:
        """From 0 to 1; 0 where nobody knows."""
        return min(self.done / self.total, 1.0) if self.total else 0.0


@dataclass(frozen=True)
class JobEnd:
    """How a job ended.

    Attributes
    ----------
    state : str
        ``done``, ``failed`` or ``canceled``.
    result : dict, optional
    error, reason : str
        Why it is not done: for people, and for programs.
    exit_code : int
        What a command ends with that waited for it.
    """

    state: str
    result: dict[str, Any] | None = None
    error: str = ""
    reason: str = ""
    exit_code: int = 0


def job_of(row: Any) -> JobRecord:
    """Return the record of a row of jobs, with its owner's name."""
    return JobRecord(
        row.id, row.kind, row.payload or {}, row.owner_id, row.owner or "", row.content_hash,
        row.state, row.attempt, row.attempts_max, row.lease_owner or "", _moment(row.lease_until),
        row.is_cancel_asked, row.seq, row.steps_done, row.steps_total, row.progress,
        row.message or "", row.result, row.error or "", row.reason or "", row.exit_code or 0,
        row.generation_id, in_utc(row.created_at), _moment(row.started_at), _moment(row.ended_at),
    )  # fmt: skip


def _moment(value: datetime | None) -> datetime | None:
    return None if value is None else in_utc(value)


def job_query(*, is_whole: bool = True) -> sa.Select[Any]:
    """Return what asks for rows that `job_of` takes.

    Parameters
    ----------
    is_whole
        Whether with what was asked for and what came of it, which may be 2 MiB.
    """
    columns: list[sa.ColumnElement[Any]] = [
        one if is_whole or one.name not in _LARGE else sa.null().label(one.name) for one in jobs.c
    ]
    return sa.select(*columns, users.c.name.label("owner")).join_from(
        jobs, users, jobs.c.owner_id == users.c.id, isouter=True
    )


def database_time(connection: sa.Connection) -> datetime:
    """Return the database's time, UTC without a zone."""
    if connection.dialect.name == "sqlite":
        text = connection.exec_driver_sql("SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')")
        return datetime.fromisoformat(text.scalar_one())
    found: datetime = connection.exec_driver_sql(
        "SELECT clock_timestamp() AT TIME ZONE 'UTC'"
    ).scalar_one()
    return found
