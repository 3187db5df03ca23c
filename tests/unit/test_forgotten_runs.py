"""Folders of runs whose jobs are forgotten: which ones go, and that it is said."""

import datetime as dt
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tapewire.errors import StoreError
from tapewire.runs.forgotten import forgotten_runs, remove_forgotten
from tapewire.runs.served_run import run_name
from tapewire.services.jobs import JobWorker, WorkerSettings
from tapewire.store import JobRecord, Store

NOW = dt.datetime.now(dt.UTC)
OLD = NOW - dt.timedelta(days=100)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(str(tmp_path / "store.db")) as opened:
        opened.add_user("ada", "researcher", "hash", by="test")
        yield opened


def job_of(store: Store, days: int) -> JobRecord:
    """A job that was asked for so many days ago."""
    job = store.add_job("run", {}, 1)
    asked_at = (NOW - dt.timedelta(days=days)).replace(tzinfo=None)
    with store.writing("make a job older") as connection:
        connection.execute(
            sa.text("UPDATE jobs SET created_at = :at WHERE id = :id"),
            {"at": asked_at.isoformat(" "), "id": job.id},
        )
    return store.job(job.id)


def folder_of(runs: Path, name: str) -> Path:
    folder = runs / name
    (folder / "days").mkdir(parents=True)
    (folder / "manifest.json").write_bytes(b"12345")
    (folder / "days" / "one").write_bytes(b"123")
    return folder


def test_only_an_old_run_that_no_job_names_is_forgotten(store: Store, tmp_path: Path) -> None:
    runs, kept = tmp_path / "runs", job_of(store, 100)
    assert forgotten_runs(store, runs, NOW) == []
    named = folder_of(runs, run_name(kept.id, kept.created_at))
    # A number that another job has by now, and one that nobody has.
    reused = folder_of(runs, run_name(kept.id, OLD - dt.timedelta(microseconds=1)))
    gone = folder_of(runs, run_name(77, OLD))
    recorded = folder_of(runs, gone.name + ".recording")
    failed = [folder_of(runs, f"{gone.name}{end}") for end in (".failed", ".failed-2")]
    asked_about = folder_of(runs, named.name + ".recording")
    young = folder_of(runs, run_name(78, NOW - dt.timedelta(days=39)))
    others = [folder_of(runs, name) for name in ("declared", "mine", "job-9", "job-9-2024", ".x")]
    others.append(folder_of(runs, "job-9-20241399T000000000000"))
    (runs / run_name(79, OLD)).symlink_to(young)
    (runs / run_name(80, OLD)).write_bytes(b"a file")
    found = forgotten_runs(store, runs, NOW - dt.timedelta(days=40))
    assert [(one.path, one.size_bytes) for one in found] == [
        (path, 8) for path in (reused, gone, *failed, recorded)
    ]
    assert found[1].asked_at == OLD
    assert remove_forgotten(store, runs, 40, "a worker") == found
    assert not reused.exists()
    assert not gone.exists()
    assert not any(path.exists() for path in (recorded, *failed))
    for path in (
        named,
        asked_about,
        young,
        *others,
        runs / run_name(79, OLD),
        runs / run_name(80, OLD),
    ):
        assert path.exists()
    said = [one for one in store.audit() if one.action == "remove_run"]
    assert [(one.who, one.subject, one.details["size_bytes"]) for one in reversed(said)] == [
        ("a worker", path.name, 8) for path in (reused, gone, *failed, recorded)
    ]
    assert remove_forgotten(store, runs, 40, "a worker") == []


def test_a_run_that_can_not_be_noted_stays(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = folder_of(tmp_path, run_name(77, OLD))

    def fails(*_: object) -> None:
        raise StoreError("no room")

    monkeypatch.setattr(Store, "note", fails)
    with pytest.raises(StoreError, match="no room"):
        remove_forgotten(store, tmp_path, 40, "a worker")
    assert (gone / "manifest.json").exists()


def test_a_worker_tidies_at_its_start_and_goes_on_where_it_can_not(store: Store) -> None:
    ending, tidied = threading.Event(), []

    def tidy() -> None:
        tidied.append(1)
        threading.Timer(1.0, ending.set).start()
        raise StoreError("no room")

    settings = WorkerSettings(store.url, "tapewire.executors.trials:echo", ("none",), "w")
    JobWorker(store, settings, tidy).run(ending, threading.Event())
    assert tidied == [1]
