"""Questions that are built once, against the same asked by SQLAlchemy each time."""

import itertools
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stores import filled, result, strategy
from tapewire.errors import StoreError, StoreLockedError
from tapewire.store import Store, jobs, people
from tapewire.store.asking import SORTS
from tapewire.store.lookups import Lookup


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Strategies, of which some have no result and some no figure, users, logins and jobs."""
    with Store.open(str(tmp_path_factory.mktemp("lookups") / "store.db")) as opened:
        dataset_id, search = filled(opened, 7)
        more = [strategy(k) for k in range(20, 26)]
        results = [
            result(k, dataset_id, sharpe_ratio=None if k % 2 else 0.1) for k in range(20, 24)
        ]
        opened.save_batch(search, 1, more, results, trials=6, state={})
        ada = opened.add_user("ada", "admin", "kept", email="a@b", by="test")
        opened.add_user("☃", "viewer", "kept", by="test")
        until = ada.created_at.replace(tzinfo=None, year=2100)
        opened.open_session(ada.id, "digest", until, version=0)
        opened.add_job("generate", {"count": 3, "é": [1.5, None]}, ada.id, key="one")
        yield opened


@pytest.mark.parametrize(
    ("lookup", "values"),
    [
        (people._USER, {"key": 1}),
        (people._USER, {"key": 99}),
        (people._USER_NAMED, {"key": "☃"}),
        (people._USER_NAMED, {"key": "'; DROP TABLE users; --"}),
        (people._SESSION_ENDS, {"session_id": 1, "user_id": 1}),
        (people._SESSION_ENDS, {"session_id": 1, "user_id": 2}),
        (jobs._JOB, {"key": 1}),
    ],
)
def test_rows_are_those_of_sqlalchemy(store: Store, lookup: Lookup, values: dict[str, Any]) -> None:
    found = store.rows("x", lookup, **values)
    with store.reading("x") as connection:
        slow = connection.execute(lookup.statement, values).all()
    assert [one._asdict() for one in found] == [one._asdict() for one in slow]
    for one, other in zip(found, slow, strict=True):
        assert [*map(type, one)] == [*map(type, other)]


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("descending", [True, False])
def test_a_list_is_the_same_by_either_way(store: Store, sort: str, descending: bool) -> None:
    """Conditions, which are true of all, make it one that SQLAlchemy builds each time."""
    for limit in (1, 2, 3, 5, 30):
        pages: list[Any] = []
        for where in ("", "id > 0"):
            after = None
            for _ in itertools.count():
                page = store.strategies(
                    sort, descending=descending, where=where, after=after, limit=limit
                )
                pages.append((where, page.rows, page.after))
                if (after := page.after) is None:
                    break
        one = [page[1:] for page in pages if not page[0]]
        assert one == [page[1:] for page in pages if page[0]]
        count = 13 if sort in ("id", "name") else 11
        assert sum(len(rows) for rows, _ in one) == count


def test_what_a_transaction_has_written_is_seen_within_it_alone(store: Store) -> None:
    with store.writing("x"):
        made = store.add_user("late", "viewer", "kept", by="test")
        assert store.user("late") == made
        seen: list[Any] = []
        other = threading.Thread(target=lambda: seen.append(store.user("late")))
        other.start()
        other.join(30)
    assert seen == [None]
    assert store.user("late") == made


def test_questions_of_one_asking_see_one_state(store: Store) -> None:
    lookup = people._USER_NAMED
    with store.asking("x") as ask:
        assert not ask(lookup, key="later")
        writer = threading.Thread(
            target=lambda: store.add_user("later", "viewer", "kept", by="test")
        )
        writer.start()
        writer.join(30)
        assert not ask(lookup, key="later")
    assert store.user("later") is not None


def test_each_thread_has_a_connection_which_closes_with_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[sqlite3.Connection] = []
    real = sqlite3.connect

    def connect(*given: Any, **how: Any) -> sqlite3.Connection:
        opened.append(real(*given, **how))
        return opened[-1]

    with Store.open(str(tmp_path / "s.db")) as store:
        monkeypatch.setattr(sqlite3, "connect", connect)
        for _ in range(3):
            assert store.user("ada") is None
        assert len(opened) == 1
        thread = threading.Thread(target=store.user, args=("ada",))
        thread.start()
        thread.join(30)
        assert len(opened) == 2
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            opened[0].execute("DELETE FROM users")
        store.close()
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            opened[0].execute("SELECT 1")
        assert store.user("ada") is None
        assert len(opened) == 3


def test_who_cannot_wait_does_not(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with Store.open(str(path), lock_timeout_s=20.0) as store:
        with store.at_once():
            assert store.user("ada") is None
            with pytest.raises(RuntimeError, match="list datasets: takes its time"):
                store.datasets()
            with pytest.raises(RuntimeError, match="takes its time"):
                store.note("a", "b", "c", {})
        assert store.datasets() == []
        holder = sqlite3.connect(path, isolation_level=None)
        try:
            # Who writes keeps nobody from reading; who has the file alone does.
            holder.execute("BEGIN IMMEDIATE")
            with store.at_once():
                assert store.user("ada") is None
            holder.execute("ROLLBACK")
            store.close()
            holder.execute("PRAGMA locking_mode = EXCLUSIVE")
            holder.execute("BEGIN EXCLUSIVE")
            with store.at_once(), pytest.raises(StoreLockedError, match="look a user up: another"):
                store.user("ada")
        finally:
            holder.close()
        assert store.user("ada") is None


def test_a_file_that_is_gone_is_not_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with Store.open(str(path)) as store:
        store.close()
        for one in tmp_path.iterdir():
            one.unlink()
        with pytest.raises(StoreError, match="cannot look a user up: unable to open"):
            store.user("ada")
        assert not path.exists()
