"""Live sessions: what the process that trades tells of itself, and what it is wished to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from tapewire.errors import ConfigError, StoreError
from tapewire.store.bulk import among, in_utc, text_of
from tapewire.store.job_records import database_time
from tapewire.store.keeping import log
from tapewire.store.opening import OpenedStore
from tapewire.store.schema import LIVE_WISHES, jobs, live_sessions

#: Bytes of a state.
STATE_BYTES_MAX: Final = 64 << 10
#: Who has looked within so many s is taken to look.
LOOKED_S: Final = 6.0
#: How often that is noted, s.
NOTED_S: Final = 2.0
#: A wish is not undone by one that is less.
_WEIGHTS: Final = {"": 0, "go": 0, "pause": 0, "stop": 1, "kill": 2}


@dataclass(frozen=True)
class LiveRecord:
    """A live session.

    Attributes
    ----------
    job_id : int
    seq : int
        Grows with every state and wish.
    state : str
        JSON; empty before there is one.
    wish : str
        ``go``, ``pause``, ``stop`` or ``kill``; empty: none was told yet.
    wished_by : str
    told_at : datetime
        When its process told something last.
    """

    job_id: int
    seq: int
    state: str
    wish: str
    wished_by: str
    told_at: datetime


class LiveStore(OpenedStore):
    """The part of a store that knows live sessions."""

    def tell_live(self, job_id: int, state: str | None) -> tuple[str, bool]:
        """Say what is to be seen of a session, and that it is there.

        Parameters
        ----------
        job_id
        state
            JSON; None: nothing new.

        Returns
        -------
        str
            What is wished of it.
        bool
            Whether anybody looks.

        Raises
        ------
        StoreError
            If the state is too long, or there is no such job.
        """
        if state is not None and len(state.encode()) > STATE_BYTES_MAX:
            raise StoreError(
                f"session {job_id}: expected a state of at most {STATE_BYTES_MAX:,} bytes, found "
                f"{len(state.encode()):,}"
            )
        with self.writing("tell of a session") as connection:
            now = database_time(connection)
            table = live_sessions
            values: dict[str, Any] = {"told_at": now}
            if state is not None:
                values |= {"state": text_of(state, "state"), "seq": table.c.seq + 1}
            change = table.update().where(table.c.job_id == job_id).values(values)
            row = connection.execute(change.returning(table.c.wish, table.c.looked_at)).first()
            if row is not None:
                looked = row.looked_at
                return row.wish, looked is not None and now - looked < timedelta(seconds=LOOKED_S)
            fresh = {"job_id": job_id, "state": state or "", "seq": 1, "told_at": now}
            connection.execute(table.insert().values(fresh))
            return "", True

    def wish_live(self, job_id: int, wish: str, *, by: str) -> LiveRecord:
        """Wish something of a session that goes on; the same again changes nothing.

        Who wishes it, and what, is in the audit log. One that is to stop does not pause any more,
        and of one that was killed nothing else is wished.

        Raises
        ------
        ConfigError
            If it is no wish.
        StoreError
            If there is no such session, or it has ended.
        """
        if wish not in LIVE_WISHES[1:]:
            raise ConfigError(f"wish: expected one of {', '.join(LIVE_WISHES[1:])}, found {wish!r}")
        with self.writing("wish something of a session") as connection:
            found = _records(connection, [job_id])
            if job_id not in found:
                raise StoreError(
                    f"session {job_id}: expected one that goes on, found none, or one that has not "
                    "begun"
                )
            state = connection.execute(
                sa.select(jobs.c.state).where(jobs.c.id == job_id)
            ).scalar_one()
            if state != "running":
                raise StoreError(f"session {job_id}: expected one that goes on, found it {state}")
            was = found[job_id].wish
            if was == wish:
                return found[job_id]
            if _WEIGHTS[wish] < _WEIGHTS[was]:
                raise StoreError(
                    f"session {job_id}: expected one that is not told to {was}, found that it is"
                )
            change = live_sessions.update().where(live_sessions.c.job_id == job_id)
            values = {"wish": wish, "wished_by": by, "seq": live_sessions.c.seq + 1}
            connection.execute(change.values(values))
            log(connection, by, f"{wish}_session", str(job_id), {"was": was})
            return _records(connection, [job_id])[job_id]

    def live_among(self, ids: Sequence[int], *, looks: bool = False) -> dict[int, LiveRecord]:
        """Return id → session of those that are there.

        Parameters
        ----------
        ids
            Of jobs.
        looks
            Whether somebody looks at them, which they are told.
        """
        if not ids:
            return {}
        with self.reading("look at sessions") as connection:
            found = _records(connection, ids)
            now = database_time(connection)
            table = live_sessions
            old = table.c.looked_at.is_(None) | (
                table.c.looked_at < now - timedelta(seconds=NOTED_S)
            )
            those = among(connection, table.c.job_id, list(found)) & old
            stale = found and connection.execute(sa.select(table.c.job_id).where(those)).all()
        if looks and stale:
            with self.writing("look at sessions", alone=False) as connection:
                change = table.update().where(table.c.job_id.in_([row.job_id for row in stale]))
                connection.execute(change.values(looked_at=database_time(connection)))
        return found


def live_states(store: OpenedStore) -> list[str]:
    """Return what sessions that go on told last, each as JSON; those that told nothing are not."""
    told = (
        sa.select(live_sessions.c.state)
        .join(jobs, jobs.c.id == live_sessions.c.job_id)
        .where((jobs.c.state == "running") & (live_sessions.c.state != ""))
    )
    with store.reading("look at sessions") as connection:
        return list(connection.execute(told).scalars())


def _records(connection: sa.Connection, ids: Sequence[int]) -> dict[int, LiveRecord]:
    query = sa.select(live_sessions).where(among(connection, live_sessions.c.job_id, list(ids)))
    return {
        row.job_id: LiveRecord(
            row.job_id, row.seq, row.state, row.wish, row.wished_by or "", in_utc(row.told_at)
        )
        for row in connection.execute(query)
    }
