"""Jobs of a store: claimed, renewed, taken over, ended; on both databases."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from stores import Databases, result, strategy
from tapewire.errors import (
    ConfigError,
    KeyReuseError,
    QueueFullError,
    StaleAttemptError,
    StoreError,
)
from tapewire.store import JobEnd, JobProgress, JobStore, NewVerdict, Store, claiming
from tapewire.store import jobs as job_table

KINDS = ("work",)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    if request.param == "postgresql":
        databases: Databases = request.getfixturevalue("databases")
        return databases.new()
    path = str(tmp_path_factory.mktemp("jobs") / "store.db")
    Store.open(path).close()
    return path


def owner_of(store: Store) -> int:
    return store.add_user("ada", "researcher", "hash", by="test").id


def test_a_job_from_asking_to_its_end(url: str) -> None:
    with Store.open(url) as store:
        owner = owner_of(store)
        asked = store.add_job("work", {"count": 3, "bars": {"data": "é"}}, owner)
        assert (asked.state, asked.owner, asked.attempt, asked.seq) == ("waiting", "ada", 0, 1)
        assert store.claim_job("w", ("other",), lease_s=60) is None
        taken = store.claim_job("w", KINDS, lease_s=60)
        assert taken is not None
        assert (taken.id, taken.state, taken.attempt, taken.lease_owner) == (
            asked.id, "running", 1, "w",
        )  # fmt: skip
        assert taken.asked == {"count": 3, "bars": {"data": "é"}}
        assert store.claim_job("w", KINDS, lease_s=60) is None
        half = JobProgress(5, 10, "half")
        assert not store.renew_job(asked.id, 1, lease_s=60, progress=half)
        seen = store.job(asked.id)
        assert (seen.progress, seen.steps_done, seen.steps_total, seen.message, seen.seq) == (
            0.5, 5, 10, "half", 3,
        )  # fmt: skip
        store.renew_job(asked.id, 1, lease_s=60)
        assert store.job(asked.id).seq == 3  # nothing is to be seen of it
        store.end_job(asked.id, 1, JobEnd("done", {"digest": "abc"}))
        ended = store.job(asked.id)
        assert (ended.state, ended.result, ended.progress) == ("done", {"digest": "abc"}, 1.0)
        assert ended.has_ended
        for late in (
            lambda: store.renew_job(asked.id, 1, lease_s=60),
            lambda: store.end_job(asked.id, 1, JobEnd("failed", error="late")),
            lambda: store.release_job(asked.id, 1, why="late", counts=True),
        ):
            with pytest.raises(StaleAttemptError, match="attempt 1 was taken over, or has ended"):
                late()
        assert store.job(asked.id) == ended


def test_a_lease_that_ended_is_taken_over_and_the_older_attempt_refused(url: str) -> None:
    with Store.open(url) as store:
        job = store.add_job("work", {}, owner_of(store))
        dataset = store.add_dataset("d" * 64, {})
        first = store.claim_job("first", KINDS, lease_s=0.01)
        assert first is not None
        time.sleep(0.05)
        with JobStore.of_job(url, job.id, 1) as slow:
            assert slow.begin_generation({"by": "first"}, dataset) == 1  # nobody took it yet
            second = store.claim_job("second", KINDS, lease_s=60)
            assert second is not None
            assert (second.id, second.attempt, second.generation_id) == (job.id, 2, 1)
            for write in (
                lambda: slow.begin_generation({}, dataset),
                lambda: slow.add_dataset("e" * 64, {}),
                lambda: slow.save_batch(1, 0, [strategy(1)], [], trials=1, state={}),
                lambda: slow.finish({}),
            ):
                with pytest.raises(StaleAttemptError):
                    write()
        assert [one.batches for one in store.generations()] == [0]
        assert len(store.datasets()) == 1
        with JobStore.of_job(url, job.id, 2) as good:
            good.save_batch(1, 0, [strategy(1)], [], trials=1, state={})
            good.add_results([result(1, dataset, "test")], generation_id=1)
            good.add_verdicts([NewVerdict(strategy(1).hash, "luck", True, "fine")])
            assert store.strategy(1).results == ()
            good.finish({"generation": 1})
        found = store.strategy(1)
        assert (len(found.results), len(found.verdicts)) == (1, 1)
        assert found.results[0].generation_id == 1
        assert store.trial_count(dataset) == 2
        assert store.job(job.id).result == {"generation": 1}


def test_results_of_a_job_whose_end_fails_are_not_kept(url: str) -> None:
    with Store.open(url) as store:
        job = store.add_job("work", {}, owner_of(store))
        dataset = store.add_dataset("d" * 64, {})
        store.add_strategies([strategy(1)])
        store.claim_job("w", KINDS, lease_s=60)
        with JobStore.of_job(url, job.id, 1) as own:
            own.add_results([result(1, dataset, "test")])
            with pytest.raises(StoreError, match="expected at most 2,097,152 bytes, found"):
                own.finish({"rows": "x" * claiming.RESULT_BYTES_MAX})
        assert store.strategy(1).results == ()
        assert store.trial_count(dataset) == 0
        assert store.job(job.id).state == "running"


def test_attempts_are_bounded(url: str) -> None:
    with Store.open(url) as store:
        owner = owner_of(store)
        job = store.add_job("work", {}, owner, attempts_max=2)
        for attempt in (1, 2):
            taken = store.claim_job("w", KINDS, lease_s=0.001)
            assert taken is not None
            assert taken.attempt == attempt
            time.sleep(0.02)
        assert store.claim_job("w", KINDS, lease_s=60) is None
        ended = store.job(job.id)
        assert (ended.state, ended.reason, ended.exit_code) == ("failed", "LOST", 5)
        assert "its worker was lost" in ended.error
        # One that is given back is begun again at once; by a worker that is to end, for nothing.
        once = store.add_job("work", {}, owner, attempts_max=1)
        assert store.claim_job("w", KINDS, lease_s=60) is not None
        assert store.release_job(once.id, 1, why="ends", counts=False) == "waiting"
        assert store.claim_job("w", KINDS, lease_s=60) is not None
        assert store.release_job(once.id, 2, why="it was killed", counts=True) == "failed"
        assert store.job(once.id).error == "it was killed"


def test_lists_leave_out_what_is_large(url: str) -> None:
    with Store.open(url) as store:
        job = store.add_job("work", {"count": 3}, owner_of(store))
        store.claim_job("w", KINDS, lease_s=60)
        store.end_job(job.id, 1, JobEnd("done", {"rows": ["x" * 1_000]}))
        whole = store.job(job.id)
        assert (whole.asked, whole.result) == ({"count": 3}, {"rows": ["x" * 1_000]})
        listed = replace(whole, asked={}, result=None)
        assert store.jobs() == [listed]
        assert store.jobs_among([job.id]) == {job.id: listed}


def test_jobs_are_canceled(url: str) -> None:
    with Store.open(url) as store:
        owner = owner_of(store)
        waits, runs = (store.add_job("work", {"k": k}, owner) for k in range(2))
        assert store.cancel_job(waits.id, by="ada").state == "canceled"
        assert store.cancel_job(waits.id, by="ada").seq == 2  # nothing changed
        taken = store.claim_job("w", KINDS, lease_s=60)
        assert taken is not None
        assert taken.id == runs.id
        asked = store.cancel_job(runs.id, by="ada")
        assert (asked.state, asked.is_cancel_asked) == ("running", True)
        assert store.renew_job(runs.id, 1, lease_s=60)
        assert store.release_job(runs.id, 1, why="", counts=True) == "canceled"
        assert [one.state for one in store.jobs()] == ["canceled", "canceled"]
        assert [one.action for one in store.audit()][:3] == ["cancel_job"] * 3
        with pytest.raises(StoreError, match="expected a job, found none with id 99"):
            store.cancel_job(99, by="ada")
        # Its worker is lost before it could end it: nobody begins it again.
        lost = store.add_job("work", {}, owner)
        store.claim_job("w", KINDS, lease_s=0.001)
        store.cancel_job(lost.id, by="ada")
        time.sleep(0.02)
        assert store.claim_job("w", KINDS, lease_s=60) is None
        assert store.job(lost.id).state == "canceled"


def test_the_same_key_asks_once(url: str) -> None:
    with Store.open(url) as store:
        owner = owner_of(store)
        other = store.add_user("bob", "trader", "hash", by="test").id
        first = store.add_job("work", {"a": 1, "b": 2}, owner, key="k")
        assert store.add_job("work", {"b": 2, "a": 1}, owner, key="k") == first
        with pytest.raises(KeyReuseError, match="'k' was another request's"):
            store.add_job("work", {"a": 2}, owner, key="k")
        assert store.add_job("work", {"a": 2}, other, key="k").id != first.id
        assert store.add_job("work", {"a": 1, "b": 2}, owner).id != first.id
        with pytest.raises(ConfigError, match="expected at most 128 printable"):
            store.add_job("work", {}, owner, key="x" * 129)


def test_an_answer_is_given_again_and_nothing_done(url: str) -> None:
    with Store.open(url) as store:
        owner = owner_of(store)
        made: list[int] = []

        def change() -> bytes:
            made.append(store.add_user(f"user{len(made)}", "viewer", "hash", by="ada").id)
            return str(made[-1]).encode()

        first = store.answered_once(owner, "k", "digest", change)
        assert store.answered_once(owner, "k", "digest", change) == first
        assert len(made) == 1
        with pytest.raises(KeyReuseError):
            store.answered_once(owner, "k", "another", change)

        def fails() -> bytes:
            change()
            raise ConfigError("wrong")

        with pytest.raises(ConfigError):
            store.answered_once(owner, "l", "digest", fails)
        assert store.user("user1") is None  # all of it, or nothing
        made.pop()
        assert store.answered_once(owner, "l", "digest", change) != first


def test_what_is_asked_and_how_many_ask_is_bounded(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_table, "OWNED_MAX", 3)
    monkeypatch.setattr(job_table, "QUEUE_MAX", 4)
    with Store.open(url) as store:
        owner = owner_of(store)
        other = store.add_user("bob", "trader", "hash", by="test").id
        with pytest.raises(StoreError, match="expected at most 65,536 bytes, found 65,54"):
            store.add_job("work", {"x": "y" * 65_536}, owner)
        for k in range(3):
            store.add_job("work", {"k": k}, owner)
        with pytest.raises(QueueFullError, match="fewer than 3 of one user"):
            store.add_job("work", {}, owner)
        last = store.add_job("work", {}, other)
        with pytest.raises(QueueFullError, match="fewer than 4 of all users"):
            store.add_job("work", {}, other)
        store.cancel_job(last.id, by="bob")
        store.add_job("work", {}, other)


def test_many_who_claim_at_a_time_get_one_job_each(url: str) -> None:
    count = 24
    with Store.open(url) as store:
        owner = owner_of(store)
        ids = [store.add_job("work", {"k": k}, owner).id for k in range(count)]
        begin = threading.Barrier(4)

        def claim(name: str) -> list[int]:
            taken = []
            begin.wait()
            while (job := store.claim_job(name, KINDS, lease_s=60)) is not None:
                taken.append(job.id)
            return taken

        with ThreadPoolExecutor(4) as threads:
            lists = list(threads.map(claim, "abcd"))
        assert sorted(one for some in lists for one in some) == ids
        assert all(one.attempt == 1 for one in store.jobs())
        assert all(some == sorted(some) for some in lists)  # the oldest first
