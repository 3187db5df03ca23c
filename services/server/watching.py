"""Jobs that are watched: one look at the store for all who watch, four times a second."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import structlog

from tapewire.errors import StoreError
from tapewire.services.server.callers import Refused
from tapewire.services.server.database import Database
from tapewire.services.server.failures import CallFailure
from tapewire.store import JobRecord

#: What has changed; what kept it from being looked for; None: the server is about to end.
News = JobRecord | Exception | None
#: Between two looks, s: no stream has more than four messages a second.
LOOK_S: Final = 0.25


class JobWatch:
    """Tells those who watch jobs of what has changed.

    Parameters
    ----------
    database
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._log = structlog.get_logger("tapewire.server")
        self._watched: dict[int, set[asyncio.Queue[News]]] = {}
        self._ends = False
        self._looking: asyncio.Task[None] | None = None

    def drain(self) -> None:
        """End what watches: the server is about to, and another one can tell what comes next."""
        self._ends = True
        if self._looking is not None:
            self._looking.cancel()
        for watching in self._watched.values():
            for news in watching:
                _put(news, None)

    async def changes(self, job_id: int, after_seq: int) -> AsyncIterator[JobRecord]:
        """Give a job whenever it has changed since; its end is always given, and the last.

        What changes between two looks is given as one.

        Parameters
        ----------
        job_id
        after_seq
            ``seq`` of what was seen last.

        Raises
        ------
        StoreError
            If there is no such job.
        Refused
            If the server is about to end; it says where to go on.
        Exception
            Whatever a look failed of, but that there is no store now: that is waited for.
        """
        # One place: what was not fetched yet is replaced by what is newer.
        news: asyncio.Queue[News] = asyncio.Queue(1)
        self._watched.setdefault(job_id, set()).add(news)
        if self._looking is None and not self._ends:
            self._looking = asyncio.create_task(self._look())
        try:
            job = await self._database.look_up("job", lambda store: store.job(job_id))
            while True:
                if job.seq > after_seq or job.has_ended:
                    yield job
                    after_seq = job.seq
                if job.has_ended:
                    return
                found = None if self._ends else await news.get()
                if found is None:
                    raise Refused(_drained(job_id, after_seq))
                if isinstance(found, Exception):
                    raise found
                job = found
        finally:
            self._watched[job_id].discard(news)
            if not self._watched[job_id]:
                del self._watched[job_id]

    async def _look(self) -> None:
        """Look at all that are watched until none is; a look that fails is told to all."""
        try:
            while self._watched:
                await asyncio.sleep(LOOK_S)
                await self._look_once()
        except Exception as error:
            for watching in self._watched.values():
                for news in watching:
                    _put(news, error)
        finally:
            self._looking = None

    async def _look_once(self) -> None:
        ids = list(self._watched)
        try:
            found = await self._database.ask("watch", lambda store: store.jobs_among(ids))
        except StoreError as error:
            # Who watches waits as long as they like to: the store may be back by then.
            self._log.warning("no store", error=str(error))
            return
        for job_id, job in found.items():
            for news in self._watched.get(job_id, ()):
                _put(news, job)


def _put(news: "asyncio.Queue[News]", what: News) -> None:
    if news.full():
        news.get_nowait()
    news.put_nowait(what)


def _drained(job_id: int, after_seq: int) -> CallFailure:
    sentence = (
        f"the server is about to end: watch job {job_id} again behind seq {after_seq}, another "
        "one takes over"
    )
    return CallFailure("UNAVAILABLE", "DRAINING", sentence)
