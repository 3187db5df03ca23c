"""Figures of a whole store for who watches a server: sums that are kept, never walks over rows."""

import datetime as dt
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from tapewire.store.opening import OpenedStore
from tapewire.store.schema import batches, datasets, jobs

#: Before every job; times of the store are UTC without a zone.
_NEVER: Final = dt.datetime.fromtimestamp(0, dt.UTC).replace(tzinfo=None)


@dataclass(frozen=True)
class StoreFigures:
    """What a store comes to.

    Attributes
    ----------
    strategies, results : int
        That searches have kept, those deleted since, too.
    datasets : int
    jobs_waiting, jobs_running : int
    workers : int
        Who holds a job whose lease lasts.
    """

    strategies: int
    results: int
    datasets: int
    jobs_waiting: int
    jobs_running: int
    workers: int


def figures_of(store: OpenedStore) -> StoreFigures:
    """Look them up in one transaction."""
    kept = sa.select(
        sa.func.coalesce(sa.func.sum(batches.c.strategies), 0),
        sa.func.coalesce(sa.func.sum(batches.c.results), 0),
    )
    states = (
        sa.select(jobs.c.state, sa.func.count())
        .where(jobs.c.state.in_(("waiting", "running")))
        .group_by(jobs.c.state)
    )
    holding = sa.select(sa.func.count(sa.distinct(jobs.c.lease_owner))).where(
        (jobs.c.state == "running") & (jobs.c.lease_until > sa.func.current_timestamp())
    )
    with store.reading("look at its figures") as connection:
        strategies, results = connection.execute(kept).one()
        known = connection.execute(sa.select(sa.func.count()).select_from(datasets)).scalar_one()
        counts = {row[0]: row[1] for row in connection.execute(states)}
        workers = connection.execute(holding).scalar_one()
    return StoreFigures(
        int(strategies), int(results), int(known), counts.get("waiting", 0),
        counts.get("running", 0), int(workers),
    )  # fmt: skip


def backtests_ended(
    store: OpenedStore, after: tuple[dt.datetime, int] | None, limit: int = 1_000
) -> tuple[tuple[dt.datetime, int], list[float]]:
    """Return how long jobs of backtests took that ended behind a place, s, and the next place.

    Parameters
    ----------
    after
        (when, id) of the last that was seen; None: only the place where they end now.
    """
    of_backtests = jobs.c.kind.like("%backtest%") & (jobs.c.state == "done")
    ended = sa.select(jobs.c.ended_at, jobs.c.id, jobs.c.started_at).where(
        of_backtests & jobs.c.ended_at.is_not(None) & jobs.c.started_at.is_not(None)
    )
    if after is None:
        newest = ended.order_by(jobs.c.ended_at.desc(), jobs.c.id.desc()).limit(1)
        with store.reading("look at jobs that ended") as connection:
            row = connection.execute(newest).one_or_none()
        return (_NEVER, 0) if row is None else (row[0], row[1]), []
    behind = (jobs.c.ended_at > after[0]) | ((jobs.c.ended_at == after[0]) & (jobs.c.id > after[1]))
    query = ended.where(behind).order_by(jobs.c.ended_at, jobs.c.id).limit(limit)
    with store.reading("look at jobs that ended") as connection:
        rows = connection.execute(query).all()
    took_s = [max(0.0, (row[0] - row[2]).total_seconds()) for row in rows]
    return ((rows[-1][0], rows[-1][1]) if rows else after), took_s
