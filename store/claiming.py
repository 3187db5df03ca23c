"""Jobs as who does them sees them: claimed, held, ended, given back.

A worker claims a job for a while, its lease, and renews that while the work goes on. One whose
lease ended is claimed again with a higher attempt; what is written for an earlier attempt is
refused. All times are the database's own, so that hosts' clocks need not agree.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from tapewire.errors import StaleAttemptError, StoreError
from tapewire.store.bulk import strict_json, text_of
from tapewire.store.job_records import (
    JobEnd,
    JobProgress,
    JobRecord,
    database_time,
    job_of,
    job_query,
)
from tapewire.store.opening import OpenedStore
from tapewire.store.schema import jobs

#: Bytes of what came of a job.
RESULT_BYTES_MAX: Final = 2 << 20
#: Letters of a message or error that is kept.
_WORDS_LETTERS_MAX: Final = 2_000


class ClaimingStore(OpenedStore):
    """The part of a store that hands jobs out."""

    def claim_job(self, worker: str, kinds: Collection[str], *, lease_s: float) -> JobRecord | None:
        """Take the next job that waits, or one whose lease has ended; None: there is none.

        Parameters
        ----------
        worker
            Who takes it, for people.
        kinds
            What it can do.
        lease_s
            For how long, unless the lease is renewed.
        """
        if not self._has_work():
            return None
        with self.writing("claim a job", alone=False) as connection:
            now = database_time(connection)
            self._end_lost(connection, now)
            is_ready = (jobs.c.state == "waiting") | _is_lost(now)
            ready = (
                sa.select(jobs.c.id)
                .where(is_ready, jobs.c.kind.in_(sorted(kinds)))
                .order_by(jobs.c.priority.desc(), jobs.c.id)
                .limit(1)
            )
            found = connection.execute(
                jobs.update()
                .where(jobs.c.id == self._unlocked(ready).scalar_subquery())
                .values(
                    state="running", attempt=jobs.c.attempt + 1, lease_owner=worker,
                    lease_until=now + timedelta(seconds=lease_s), seq=jobs.c.seq + 1,
                    started_at=sa.func.coalesce(jobs.c.started_at, now), steps_done=0,
                    steps_total=None, progress=0.0, message=None,
                )
                .returning(jobs.c.id)
            ).scalar()  # fmt: skip
            if found is None:
                return None
            return job_of(connection.execute(job_query().where(jobs.c.id == found)).one())

    def renew_job(
        self, job_id: int, attempt: int, *, lease_s: float, progress: JobProgress | None = None
    ) -> bool:
        """Hold a job for longer, and say how far it is; return whether it is to be canceled.

        Raises
        ------
        StaleAttemptError
            If it was taken by somebody else, or has ended.
        """
        with self.writing("renew a lease", alone=False) as connection:
            values: dict[str, Any] = {
                "lease_until": database_time(connection) + timedelta(seconds=lease_s),
            }
            if progress is not None:
                values |= {
                    "steps_done": progress.done, "steps_total": progress.total,
                    "progress": progress.share, "message": _words(progress.message),
                    "seq": jobs.c.seq + 1,
                }  # fmt: skip
            asked = connection.execute(
                jobs.update()
                .where(_is_attempt(job_id, attempt))
                .values(values)
                .returning(jobs.c.is_cancel_asked)
            ).scalar()
            if asked is None:
                raise _stale(job_id, attempt)
            return bool(asked)

    def end_job(self, job_id: int, attempt: int, end: JobEnd) -> None:
        """Say what came of a job.

        Raises
        ------
        StaleAttemptError
            If it was taken by somebody else, or has ended.
        StoreError
            If the result is too large.
        """
        if end.result is not None:
            size = len(strict_json(end.result, f"job {job_id}: result").encode())
            if size > RESULT_BYTES_MAX:
                raise StoreError(
                    f"job {job_id}: result: expected at most {RESULT_BYTES_MAX:,} bytes, found "
                    f"{size:,}; ask for less at once"
                )
        with self.writing("end a job", alone=False) as connection:
            values: dict[str, Any] = {
                "state": end.state, "result": end.result, "error": _words(end.error),
                "reason": end.reason, "exit_code": end.exit_code, "lease_until": None,
                "ended_at": database_time(connection), "seq": jobs.c.seq + 1,
            }  # fmt: skip
            if end.state == "done":
                values["progress"] = 1.0
            change = jobs.update().where(_is_attempt(job_id, attempt)).values(values)
            if not connection.execute(change).rowcount:
                raise _stale(job_id, attempt)

    def release_job(self, job_id: int, attempt: int, *, why: str, counts: bool) -> str:
        """Give a job back, to be begun again by anybody; return the state that it is in then.

        Parameters
        ----------
        why
            Its last words, if it is not begun again.
        counts
            Whether this was one of its attempts: a worker that is to end has no fault in it.

        Raises
        ------
        StaleAttemptError
            If it was taken by somebody else, or has ended.
        """
        with self.writing("give a job back", alone=False) as connection:
            row = connection.execute(
                sa.select(jobs.c.attempt, jobs.c.attempts_max, jobs.c.is_cancel_asked)
                .where(_is_attempt(job_id, attempt))
                .with_for_update()
            ).one_or_none()
            if row is None:
                raise _stale(job_id, attempt)
            values: dict[str, Any] = {"lease_until": None, "seq": jobs.c.seq + 1}
            if row.is_cancel_asked:
                values |= _end_values("canceled", "was canceled", "CANCELED", 130)
            elif counts and row.attempt >= row.attempts_max:
                values |= _end_values("failed", why, "LOST", 5)
            else:
                values |= {"state": "waiting", "lease_owner": None}
                if not counts:
                    values["attempts_max"] = jobs.c.attempts_max + 1
            if values.get("state") != "waiting":
                values["ended_at"] = database_time(connection)
            connection.execute(jobs.update().where(jobs.c.id == job_id).values(values))
            return str(values["state"])

    def _has_work(self) -> bool:
        """Whether any job waits or is lost: who only looks keeps nobody from writing."""
        with self.reading("look for a job") as connection:
            now = database_time(connection)
            some = sa.select(jobs.c.id).where((jobs.c.state == "waiting") | _is_lost(now)).limit(1)
            return connection.execute(some).scalar() is not None

    def _end_lost(self, connection: sa.Connection, now: datetime) -> None:
        """End those whose workers are lost and that may not be begun again."""
        lost = sa.select(jobs.c.id).where(_is_lost(now))
        for condition, values in (
            (jobs.c.is_cancel_asked, _end_values("canceled", "was canceled", "CANCELED", 130)),
            (
                (jobs.c.attempts_max == 1) & (jobs.c.attempt == 1),
                _end_values(
                    "failed", "its worker was lost; such a job is not begun again", "LOST", 5
                ),
            ),
            (
                jobs.c.attempt >= jobs.c.attempts_max,
                _end_values("failed", "its worker was lost, each time it was begun", "LOST", 5),
            ),
        ):
            some = self._unlocked(lost.where(condition))
            connection.execute(
                jobs.update()
                .where(jobs.c.id.in_(some))
                .values(**values, ended_at=now, lease_until=None, seq=jobs.c.seq + 1)
            )

    def _unlocked(self, query: sa.Select[tuple[int]]) -> sa.Select[tuple[int]]:
        """Pass over rows that somebody else has just locked, where a database has such locks."""
        return query if self.is_sqlite else query.with_for_update(skip_locked=True)


def require_attempt(connection: sa.Connection, job_id: int, attempt: int) -> None:
    """Lock a job's row until the transaction ends, if the attempt is still the one that counts.

    Raises
    ------
    StaleAttemptError
        If it was taken by somebody else, or has ended.
    """
    query = sa.select(jobs.c.id).where(_is_attempt(job_id, attempt)).with_for_update()
    if connection.execute(query).scalar() is None:
        raise _stale(job_id, attempt)


def _is_attempt(job_id: int, attempt: int) -> sa.ColumnElement[bool]:
    return (jobs.c.id == job_id) & (jobs.c.attempt == attempt) & (jobs.c.state == "running")


def _is_lost(now: datetime) -> sa.ColumnElement[bool]:
    return (jobs.c.state == "running") & (jobs.c.lease_until < now)


def _stale(job_id: int, attempt: int) -> StaleAttemptError:
    return StaleAttemptError(
        f"job {job_id}: attempt {attempt} was taken over, or has ended; nothing more is kept of it"
    )


def _end_values(state: str, error: str, reason: str, exit_code: int) -> dict[str, Any]:
    return {"state": state, "error": _words(error), "reason": reason, "exit_code": exit_code}


def _words(text: str | None) -> str | None:
    return None if text is None else text_of(text[:_WORDS_LETTERS_MAX].replace("\0", ""), "words")
