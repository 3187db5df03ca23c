"""Who watches a job is told of it, or why not: nobody waits for a look that nobody takes."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tapewire.errors import StoreLockedError
from tapewire.services.server import watching
from tapewire.services.server.database import Database
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
