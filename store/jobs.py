"""Jobs as who asks for them sees them: what was asked for, how far it is, what came of it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import sqlalchemy as sa

from tapewire.errors import (
    ConfigError,
    QueueFullError,
    StoreError,
)
from tapewire.store.bulk import among, strict_json
from tapewire.store.job_records import JobRecord, database_time, job_of, job_query
from tapewire.store.keeping import log
from tapewire.store.lookups import Lookup
from tapewire.store.opening import OpenedStore
from tapewire.store.requests import content_hash, require_key, require_same
from tapewire.store.schema import JOB_STATES, jobs

#: Jobs that have not ended: of all, and of one owner.
QUEUE_MAX: Final = 1_000
OWNED_MAX: Final = 200
#: Bytes of what is asked for.
ASKED_BYTES_MAX: Final = 64 << 10
#: How often a job is begun whose workers are lost.
ATTEMPTS: Final = 3
#: Kinds that are begun once: a live session's data do not come again.
ONCE: Final = ("live",)
#: Days that a job is kept after it has ended.
KEPT_DAYS: Final = 30
_ROWS_MAX: Final = 1_000
_UNFINISHED: Final = ("waiting", "running")
_JOB: Final = Lookup(job_query().where(jobs.c.id == sa.bindparam("key")))


class JobsStore(OpenedStore):
    """The part of a store that knows what is to be done."""

    def add_job(
        self,
        kind: str,
        asked: dict[str, Any],
        owner_id: int,
        *,
        key: str = "",
        attempts_max: int = ATTEMPTS,
    ) -> JobRecord:
        """Ask for something; the same key of the same owner asks once.

        Parameters
        ----------
        kind
            What is to be done.
        asked
            JSON: with what.
        owner_id
            Of the user who asks.
        key
            Of the owner's choice; empty: none, and each call asks anew.
        attempts_max
            How often it may be begun; 1 for what must not be done again.

        Raises
        ------
        KeyReuseError
            If the key was another request's.
        QueueFullError
            If too many jobs wait or run.
        StoreError
            If what is asked for is too large.
        """
        text = strict_json(asked, f"a job ({kind})")
        if len(text.encode()) > ASKED_BYTES_MAX:
            raise StoreError(
                f"a job ({kind}): expected at most {ASKED_BYTES_MAX:,} bytes, found "
                f"{len(text.encode()):,}"
            )
        require_key(key)
        digest = content_hash(kind, asked)
        with self.writing("add a job") as connection:
            if key:
                of_key = (jobs.c.owner_id == owner_id) & (jobs.c.idempotency_key == key)
                known = connection.execute(job_query().where(of_key)).one_or_none()
                if known is not None:
                    require_same(known.content_hash == digest, key)
                    return job_of(known)
            now = database_time(connection)
            ended = jobs.c.ended_at < now - timedelta(days=KEPT_DAYS)
            connection.execute(jobs.delete().where(ended & jobs.c.state.not_in(_UNFINISHED)))
            _require_room(connection, owner_id)
            row = {
                "kind": kind, "owner_id": owner_id, "payload": asked, "content_hash": digest,
                "idempotency_key": key or None, "attempts_max": attempts_max, "created_at": now,
                "seq": 1,
            }  # fmt: skip
            found = connection.execute(jobs.insert().values(row).returning(jobs.c.id)).scalar_one()
            return job_of(connection.execute(job_query().where(jobs.c.id == found)).one())

    def job(self, job_id: int) -> JobRecord:
        """Return a job.

        Raises
        ------
        StoreError
            If there is none of this id.
        """
        found = self.rows("look a job up", _JOB, key=job_id)
        if not found:
            raise StoreError(f"{self.url}: expected a job, found none with id {job_id}")
        return job_of(found[0])

    def jobs(
        self,
        *,
        before: int | None = None,
        state: str = "",
        kind: str = "",
        limit: int = 100,
    ) -> list[JobRecord]:
        """Return jobs, the newest first, before one's id; `asked` and `result` are left out.

        Raises
        ------
        ConfigError
            If there is no such state.
        """
        if state and state not in JOB_STATES:
            raise ConfigError(f"state: expected one of {', '.join(JOB_STATES)}, found {state!r}")
        query = job_query(is_whole=False).order_by(jobs.c.id.desc()).limit(min(limit, _ROWS_MAX))
        if before is not None:
            query = query.where(jobs.c.id < before)
        if state:
            query = query.where(jobs.c.state == state)
        if kind:
            query = query.where(jobs.c.kind == kind)
        with self.reading("list jobs") as connection:
            return [job_of(row) for row in connection.execute(query)]

    def jobs_among(self, ids: Sequence[int]) -> dict[int, JobRecord]:
        """Return id → job of those that are there; `asked` and `result` are left out."""
        if not ids:
            return {}
        with self.reading("look at jobs") as connection:
            query = job_query(is_whole=False)
            rows = connection.execute(query.where(among(connection, jobs.c.id, list(ids))))
            return {row.id: job_of(row) for row in rows}

    def cancel_job(self, job_id: int, *, by: str) -> JobRecord:
        """Have a job end: at once if it waits, soon if somebody does it; one that ended stays.

        Raises
        ------
        StoreError
            If there is none of this id.
        """
        with self.writing("cancel a job") as connection:
            now = database_time(connection)
            waits = (jobs.c.id == job_id) & (jobs.c.state == "waiting")
            change = jobs.update().values(seq=jobs.c.seq + 1, is_cancel_asked=True)
            ended = {
                "state": "canceled",
                "ended_at": now,
                "error": f"was canceled by {by}",
                "reason": "CANCELED",
                "exit_code": 130,
            }
            if not connection.execute(change.where(waits).values(ended)).rowcount:
                runs = (jobs.c.id == job_id) & (jobs.c.state == "running")
                connection.execute(change.where(runs & ~jobs.c.is_cancel_asked))
            row = connection.execute(job_query().where(jobs.c.id == job_id)).one_or_none()
            if row is None:
                raise StoreError(f"{self.url}: expected a job, found none with id {job_id}")
            log(connection, by, "cancel_job", str(job_id), {"state": row.state})
            return job_of(row)


def _require_room(connection: sa.Connection, owner_id: int) -> None:
    unfinished = jobs.c.state.in_(_UNFINISHED)
    counted = sa.select(sa.func.count()).select_from(jobs)
    for most, whose, condition in (
        (QUEUE_MAX, "all users", unfinished),
        (OWNED_MAX, "one user", unfinished & (jobs.c.owner_id == owner_id)),
    ):
        if connection.execute(counted.where(condition)).scalar_one() >= most:
            raise QueueFullError(
                f"jobs: expected fewer than {most:,} of {whose} that wait or run, found as many; "
                "wait for some to end, or cancel some"
            )
