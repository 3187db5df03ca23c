"""Who watches a job is told of it, or why not: nobody waits for a look that nobody takes."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tapewire.errors import StoreLockedError
from tapewire.services.auth.tokens import BadTokenError, Claims
from tapewire.services.server import guarding, watching
from tapewire.services.server.database import Database
from tapewire.services.server.guarding import CallGuard
from tapewire.services.server.measures import Measures
from tapewire.services.server.watching import JobWatch
from tapewire.store import Store


def test_a_look_that_fails_is_told_to_all_and_the_next_one_looks_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "LOOK_S", 0.01)
    real = Store.jobs_among
    broken: list[Exception] = []

    def among(store: Store, ids: list[int]) -> Any:
        if broken:
            raise broken[0]
        return real(store, ids)

    monkeypatch.setattr(Store, "jobs_among", among)

    async def watched(watch: JobWatch, job_id: int, seq: int) -> int:
        async for job in watch.changes(job_id, seq):
            return job.seq
        return -1

    async def play(store: Store, database: Database) -> None:
        user = store.add_user("ada", "trader", "kept", by="test")
        job = store.add_job("generate", {}, user.id)
        watch = JobWatch(database)
        broken[:] = [StoreLockedError("for a while")]
        waits = asyncio.create_task(watched(watch, job.id, job.seq))
        await asyncio.sleep(0.2)
        assert not waits.done()
        broken[:] = [ValueError("a bug")]
        also = asyncio.create_task(watched(watch, job.id, job.seq))
        for one in (waits, also):
            with pytest.raises(ValueError, match="a bug"):
                await asyncio.wait_for(one, 20)
        broken.clear()
        later = asyncio.create_task(watched(watch, job.id, job.seq))
        store.cancel_job(job.id, by="test")
        assert await asyncio.wait_for(later, 20) > job.seq

    with Store.open(str(tmp_path / "s.db")) as store:
        database = Database(store, Measures(), b"of the server")
        asyncio.run(play(store, database))
        database.close()


class Known:
    """Knows everybody until they are out."""

    is_out = False
    asked = 0

    async def claims_of(self, token: str) -> Claims:
        raise NotImplementedError

    async def user_of(self, claims: Claims) -> object:
        self.asked += 1
        if self.asked == 2:
            raise StoreLockedError("for a while")
        if self.is_out:
            raise BadTokenError("token: was revoked; log in again")
        return claims


@pytest.mark.parametrize("pause_s", [0.005, 1_000.0])
def test_who_is_out_hears_no_more_of_a_stream_whether_something_comes_or_not(
    monkeypatch: pytest.MonkeyPatch, pause_s: float
) -> None:
    monkeypatch.setattr(guarding, "HEARS_S", 0.02)
    limits, known, ended = Limited(), Known(), []
    guard = CallGuard(
        known, per_user=limits, per_address=limits, measures=Measures(), calls_max=1, streams_max=1
    )

    async def parts() -> AsyncIterator[int]:
        try:
            yield 1
            while True:
                await asyncio.sleep(pause_s)
                yield 2
        finally:
            ended.append(True)

    async def play() -> None:
        heard = guard.heard(parts(), Claims("1", "ada", "", "trader", "t", 0, 0, 0, 0))
        assert await anext(heard) == 1
        hearing = asyncio.create_task(_all(heard))
        await asyncio.sleep(0.2)
        assert known.asked > 2
        assert not hearing.done()
        known.is_out = True
        with pytest.raises(BadTokenError, match="was revoked"):
            await asyncio.wait_for(hearing, 20)

    asyncio.run(play())
    assert ended == [True]


async def _all(parts: AsyncIterator[int]) -> list[int]:
    return [part async for part in parts]


class Limited:
    """Lets everybody call."""

    def wait_s(self, key: str) -> float:
        return 0.0

    def give_back(self, key: str) -> None:
        pass
