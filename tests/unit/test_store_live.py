"""Live sessions of a store: what they tell, what is wished of them; on both databases."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from typing import Any, cast

import pytest

from stores import Databases
from tapewire.errors import ConfigError, StaleAttemptError, StoreError
from tapewire.services.server.measures import Measures
from tapewire.services.server.store_figures import watch_store
from tapewire.store import JobStore, Store
from tapewire.store.jobs import ONCE
from tapewire.store.live import STATE_BYTES_MAX


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    if request.param == "postgresql":
        databases: Databases = request.getfixturevalue("databases")
        return databases.new()
    path = str(tmp_path_factory.mktemp("live") / "store.db")
    Store.open(path).close()
    return path


def begun(store: Store) -> int:
    """A session that a worker has begun."""
    owner = store.add_user("ada", "trader", "hash", by="test").id
    job = store.add_job("live", {"config": ""}, owner, attempts_max=1)
    assert store.claim_job("w", ONCE, lease_s=60) is not None
    return job.id


def test_what_is_told_is_seen_and_what_is_wished_is_heard(url: str) -> None:
    with Store.open(url) as store:
        job_id = begun(store)
        with pytest.raises(StoreError, match="found none, or one that has not begun"):
            store.wish_live(job_id, "pause", by="ada")
        with JobStore.of_job(url, job_id, 1) as session:
            assert session.tell_live(job_id, None) == ("", True)
            assert session.tell_live(job_id, json.dumps({"é": 1})) == ("", False)
            seen = store.live_among([job_id, 99], looks=True)[job_id]
            assert (json.loads(seen.state), seen.seq, seen.wish) == ({"é": 1}, 2, "")
            assert session.tell_live(job_id, None) == ("", True)
            assert store.live_among([job_id])[job_id].seq == 2  # nothing is to be seen of that
            wished = store.wish_live(job_id, "pause", by="ada")
            assert (wished.wish, wished.wished_by, wished.seq) == ("pause", "ada", 3)
            assert store.wish_live(job_id, "pause", by="eve") == wished
            assert session.tell_live(job_id, "{}")[0] == "pause"
            with pytest.raises(StoreError, match=f"at most {STATE_BYTES_MAX:,} bytes, found"):
                session.tell_live(job_id, "x" * (STATE_BYTES_MAX + 1))
        noted = [one.action for one in store.audit(limit=9)]
        assert noted.count("pause_session") == 1


def test_what_sessions_that_go_on_hold_and_made_is_on_the_page(url: str) -> None:
    class Asked:
        async def ask(self, _: str, question: Callable[[Store], Any]) -> Any:
            return question(store)

    async def look() -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(watch_store(cast("Any", Asked()), measures), 0.5)

    def figure(name: str) -> float | None:
        return measures.registry.get_sample_value(f"trading_live_{name}")

    measures = Measures()
    with Store.open(url) as store:
        owner = store.add_user("ada", "trader", "hash", by="test").id
        jobs = [store.add_job("live", {"k": k}, owner, attempts_max=1).id for k in range(4)]
        for _ in jobs[:3]:  # the last one waits
            assert store.claim_job("w", ONCE, lease_s=60) is not None
        store.tell_live(jobs[0], json.dumps({"positions_open": 2, "pnl": -1.5}))
        store.tell_live(jobs[1], json.dumps({"positions_open": 1, "pnl": 4.0}))
        store.tell_live(jobs[2], None)
        asyncio.run(look())
        assert (figure("positions_open"), figure("pnl_total")) == (3, 2.5)
        with JobStore.of_job(url, jobs[1], 1) as session:
            session.finish({"run": "x"})
        asyncio.run(look())
        assert (figure("positions_open"), figure("pnl_total")) == (2, -1.5)


def test_a_wish_is_not_undone_by_a_lesser_one(url: str) -> None:
    with Store.open(url) as store:
        job_id = begun(store)
        store.tell_live(job_id, None)
        for wish in ("go", "pause", "go", "stop", "kill"):
            assert store.wish_live(job_id, wish, by="ada").wish == wish
        for wish in ("stop", "pause", "go"):
            with pytest.raises(StoreError, match="not told to kill, found that it is"):
                store.wish_live(job_id, wish, by="ada")
        with pytest.raises(ConfigError, match="wish: expected one of go, pause, stop, kill"):
            store.wish_live(job_id, "jump", by="ada")


def test_a_session_that_ended_hears_and_tells_nothing_more(url: str) -> None:
    with Store.open(url) as store:
        job_id = begun(store)
        with JobStore.of_job(url, job_id, 1) as session:
            session.tell_live(job_id, "{}")
            session.finish({"run": "x"})
            with pytest.raises(StaleAttemptError):
                session.tell_live(job_id, "{}")
        with pytest.raises(StoreError, match="expected one that goes on, found it done"):
            store.wish_live(job_id, "kill", by="ada")
        assert store.live_among([job_id])[job_id].state == "{}"
