"""Stores that are locked, away, full, of another version, damaged or none: one sentence each."""

import os
import shutil
import sqlite3
import stat
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from stores import Databases, filled, result, strategy
from tapewire.errors import (
    ConfigError,
    NotAStoreError,
    OutputError,
    StoreAwayError,
    StoreError,
    StoreFullError,
    StoreLockedError,
    StoreVersionError,
)
from tapewire.store import NewTrade, Store
from tapewire.store.backups import back_up, restore
from tapewire.store.checking import check_store
from tapewire.store.faults import store_errors
from tapewire.store.migrating import differences, newest, versions
from tapewire.store.places import place_of
from tapewire.store.schema import metadata


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "made.db"
    Store.open(str(path)).close()
    return path


@pytest.fixture
def file(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(made, tmp_path / "store.db"))


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path, made: Path) -> str:
    if request.param == "postgresql":
        databases: Databases = request.getfixturevalue("databases")
        return databases.new()
    return str(shutil.copy(made, tmp_path / "store.db"))


def other_than(url: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place for another store of the same kind, that is empty."""
    if "://" in url:
        databases: Databases = request.getfixturevalue("databases")
        return databases.empty()
    return str(tmp_path / "other.db")


def content(store: Store) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables."""
    with store.reading("read all") as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(
                sa.select(*sorted(table.c, key=lambda c: c.name)).order_by(*table.primary_key)
            )]
            for table in metadata.sorted_tables
        }  # fmt: skip


def test_a_file_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    with Store.open(f"sqlite:///{path}") as store:
        filled(store, 1)
        beside = [path, *tmp_path.glob("new.db-*")]
        assert len(beside) == 3
        assert {stat.S_IMODE(one.stat().st_mode) for one in beside} == {0o600}
        assert store.url == str(path)
    assert list(tmp_path.iterdir()) == [path]


def test_tables_go_up_and_down_and_up_and_are_those_of_the_schema(url: str) -> None:
    with Store.open(url) as store:
        dataset_id, _ = filled(store, 3)
        store.add_trades(1, [NewTrade(0, 1, 1.0)])
        store.open_holdout(dataset_id, None, "me", "why")
        before = content(store)
        ways = [(newest(), "0001"), ("0001", newest()), (newest(), newest())]
        for was, to in ways:
            assert store.migrate(to) == (was, to)
        assert content(store) == before
        with store.reading("compare") as connection:
            assert differences(connection) == []
        for version in reversed(versions()[:-1]):
            store.migrate(version)
        store.migrate("base")
        with store.reading("look") as connection:
            assert sa.inspect(connection).get_table_names() == []
        store.migrate()
        filled(store, 1)
        assert check_store(store).faults == ()


def test_older_and_newer_tables_are_told_apart(url: str) -> None:
    with Store.open(url) as store:
        store.migrate("0001")
    with pytest.raises(
        StoreVersionError, match="older 0001: back it up, then tapewire store migrate"
    ):
        Store.open(url)
    with Store.unchecked(url) as store:
        with pytest.raises(StoreVersionError, match=r"expected version 0001, 0002, .*head or base"):
            store.migrate("0009")
        store.migrate()
        with store.writing("forge") as connection:
            connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
        for ask in (lambda: Store.open(url), lambda: store.migrate()):
            with pytest.raises(StoreVersionError, match="found 9999, of a newer Tapewire"):
                ask()


def test_a_store_that_another_holds_is_given_up_and_read_all_the_same(url: str) -> None:
    with Store.open(url) as holder, Store.open(url, lock_timeout_s=0.2) as store:
        filled(holder, 2)
        with holder.writing("hold it") as connection:
            connection.execute(sa.text("UPDATE datasets SET trials = 99"))
            with pytest.raises(
                StoreLockedError, match="cannot add a dataset: another process holds"
            ):
                store.add_dataset("f" * 64, {})
            assert store.trial_count(1) == 3
        assert store.trial_count(1) == 99
        store.add_dataset("f" * 64, {})


def test_a_backup_is_what_was_there_and_goes_into_what_is_empty(
    url: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    other = other_than(url, request, tmp_path)
    backup = tmp_path / "a.backup"
    with Store.open(url) as store:
        dataset_id, generation_id = filled(store, 3)
        store.add_trades(1, [NewTrade(10**18, None, 1.0, {"t": "tab\tline\nslash\\"})])
        store.open_holdout(dataset_id, None, "me", "ñ")
        before = content(store)
        assert back_up(store, backup) == backup.stat().st_size
        assert stat.S_IMODE(backup.stat().st_mode) == 0o600
        with pytest.raises(StoreError, match="expected an empty store, found rows in strategies"):
            restore(url, backup)
        store.save_batch(generation_id, 1, [strategy(9)], [], trials=1, state={})
    assert "***" in restore(other, backup) or "://" not in other
    with Store.open(other) as store:
        assert content(store) == before
        assert check_store(store).faults == ()
        store.save_batch(generation_id, 1, [strategy(7)], [result(7, 1)], trials=1, state={})
        assert store.strategy("drawn-00007").id == 4
        assert store.add_trades(1, [NewTrade(5, 6, 1.0)]) == 1
        assert back_up(store, tmp_path / "b.backup") > 0
    restore(url, tmp_path / "b.backup", force=True)
    with Store.open(url) as store:
        assert store.strategy(4).name == "drawn-00007"
        with pytest.raises(StoreError, match="found no such: 'drawn-00009'"):
            store.strategy("drawn-00009")


def test_a_store_that_another_holds_is_not_restored(url: str, tmp_path: Path) -> None:
    with Store.open(url) as store:
        filled(store, 3)
        back_up(store, tmp_path / "a.backup")
        with store.writing("hold it") as connection:
            connection.execute(sa.text("UPDATE datasets SET trials = 99"))
            with pytest.raises(StoreLockedError, match="another process holds the database"):
                restore(url, tmp_path / "a.backup", force=True, lock_timeout_s=0.2)
        assert store.trial_count(1) == 99
        restore(url, tmp_path / "a.backup", force=True, lock_timeout_s=0.2)
        assert store.trial_count(1) == 4


def test_a_backup_that_is_none_leaves_the_store_as_it_is(
    url: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    other = other_than(url, request, tmp_path)
    backup = tmp_path / "a.backup"
    with Store.open(url) as store:
        filled(store, 200)
        back_up(store, backup)
        with pytest.raises(OutputError, match="is there already; choose another name, or --force"):
            back_up(store, backup)
    whole = backup.read_bytes()
    half = len(whole) // 2
    damaged = {
        "cut": whole[: len(whole) // 2],
        "changed": whole[:half] + b"\xa5" * 8_192 + whole[half + 8_192 :],
        "another": b"SQLite format 3\0" + bytes(100) if "://" not in url else b"PK\3\4" + bytes(99),
    }
    for what, data in damaged.items():
        (tmp_path / what).write_bytes(data)
        for place in (url, other):
            with pytest.raises(NotAStoreError):
                restore(place, tmp_path / what, force=True)
    with Store.open(url) as store:
        assert check_store(store).rows["strategies"] == 200
    assert not (tmp_path / "other.db").exists()
    (tmp_path / "text").write_text("hello")
    with pytest.raises(NotAStoreError):
        restore(str(tmp_path / "new.db"), tmp_path / "text")
    assert not (tmp_path / "new.db").exists()


def test_what_contradicts_itself_is_found(url: str) -> None:
    forged = {
        "UPDATE generations SET batches = 5": "searches whose batches are not those",
        "UPDATE generations SET trials = trials + 1": "searches whose trials are not those",
        "UPDATE datasets SET trials = 0": "datasets with fewer trials",
        "UPDATE backtest_results SET is_latest = 0": "none of which is the latest",
        "DROP INDEX ix_backtest_results_sharpe_ratio": "tables are not as they should be",
    }
    with Store.open(url) as store:
        filled(store, 2)
        assert check_store(store).faults == ()
        for k, (statement, said) in enumerate(forged.items()):
            with store.writing("forge") as connection:
                connection.execute(sa.text(statement))
            faults = check_store(store).faults
            assert any(said in one for one in faults), (said, faults)
            assert len(faults) >= min(k, 3)


def test_a_result_without_a_strategy_is_found(file: Path) -> None:
    with Store.open(str(file)) as store:
        filled(store, 2)
    raw = sqlite3.connect(file)
    raw.execute("DELETE FROM strategies WHERE id = 1")
    raw.commit()
    raw.close()
    with Store.open(str(file)) as store:
        (fault,) = check_store(store).faults
    assert fault == "backtest_results: row 1 belongs to a row of strategies that is not there"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "found no name"),
        ("mysql://me:secret@h/db", "found mysql://"),
        ("postgresql://me:secret@h", "found no database's name"),
        ("://secret", "found no such address"),
        ("postgresql://me:secret@h:port/db", "found no such address"),
        ("sqlite://", "found sqlite without a file"),
        ("sqlite:///:memory:", "found sqlite without a file"),
    ],
)
def test_an_address_that_is_none(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        place_of(text)
    assert said in str(error.value)
    assert "secret" not in str(error.value)


def test_a_password_is_never_shown() -> None:
    shown = place_of("postgresql://me:hidden@host/db?password=hidden&sslmode=require").shown
    assert "hidden" not in shown
    assert shown == "postgresql://me:***@host/db?password=%2A%2A%2A&sslmode=require"


def test_what_is_no_store_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("these are no pages of a database" * 40)
    raw = sqlite3.connect(tmp_path / "theirs.db")
    raw.execute("CREATE TABLE songs (title)")
    raw.close()
    (tmp_path / "folder.db").mkdir()
    os.mkfifo(tmp_path / "pipe.db")
    said = {
        "text.db": "expected an SQLite database, found another kind of file",
        "theirs.db": "found tables of another program (songs)",
        "folder.db": "expected a file, found a folder",
        "pipe.db": "expected a file, found a pipe",
    }
    before = {one: one.read_bytes() for one in tmp_path.glob("t*.db")}
    for name, words in said.items():
        with pytest.raises(NotAStoreError) as error:
            Store.open(str(tmp_path / name))
        assert words in str(error.value)
    assert {one: one.read_bytes() for one in tmp_path.glob("t*.db")} == before
    assert len(list(tmp_path.iterdir())) == 4
    for path, words in ((tmp_path / "no.db", "found nothing there"), (tmp_path / "x" / "y.db", "")):
        with pytest.raises(StoreError, match=words):
            Store.open(str(path), create=False)
    with pytest.raises(StoreError, match="cannot be made: No such file or directory"):
        Store.open(str(tmp_path / "x" / "y.db"))
    assert len(list(tmp_path.iterdir())) == 4


def test_a_damaged_file_is_told_of(file: Path) -> None:
    with Store.open(str(file)) as store:
        filled(store, 300)
    data = bytearray(file.read_bytes())
    data[8_192 : 8_192 * 30] = b"\xa5" * (8_192 * 29)
    file.write_bytes(data)
    with pytest.raises(NotAStoreError, match="is damaged") as error, Store.open(str(file)) as store:
        check_store(store)
    assert "restore a backup of it: tapewire store restore" in str(error.value)


def test_a_full_disk_loses_the_batch_in_flight_alone(file: Path) -> None:
    with Store.open(str(file)) as store:
        _, generation_id = filled(store, 5)
        pages = sqlite3.connect(file).execute("PRAGMA page_count").fetchone()[0]

        @sa.event.listens_for(store._engine, "checkout")
        def _fill_up(connection: sqlite3.Connection, *_: object) -> None:
            connection.execute(f"PRAGMA max_page_count = {pages + 20}")

        large = [strategy(k, source_code="x" * 9_000) for k in range(5, 50)]
        with pytest.raises(
            StoreFullError, match="cannot save batch 1 of search 1: its disk is full"
        ):
            store.save_batch(generation_id, 1, large, [], trials=1, state={})
        assert store.generation(generation_id).batches == 1
        assert check_store(store).faults == ()
        store.save_batch(generation_id, 1, large[:1], [], trials=1, state={})


class _Said(Exception):
    def __init__(self, text: str, sqlstate: str | None) -> None:
        super().__init__(text)
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("state", "text", "kind", "said"),
    [
        ("53100", "could not extend file", StoreFullError, "the server's disk is full"),
        ("55P03", "canceling statement due to lock timeout", StoreLockedError, "another process"),
        (
            "28P01",
            "password authentication failed for user",
            StoreAwayError,
            "lets this user not in",
        ),
        (None, 'FATAL:  password authentication failed for user "x"', StoreAwayError, "lets this"),
        (None, 'FATAL:  database "x" does not exist', StoreAwayError, "no such database"),
        (None, "connection refused", StoreAwayError, "the server is not reachable"),
        ("57P01", "terminating connection", StoreAwayError, "not reachable"),
        ("42501", "permission denied for table x", StoreError, "this user may not"),
        ("22003", "integer out of range", StoreError, "cannot try: integer out of range"),
    ],
)
def test_what_a_server_says_becomes_one_sentence(
    state: str | None, text: str, kind: type[StoreError], said: str
) -> None:
    with pytest.raises(kind) as error, store_errors("here", "try"):
        raise _Said(text, state)
    assert type(error.value) is kind
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_server_that_is_away_or_lets_nobody_in(databases: Databases, tmp_path: Path) -> None:
    url = databases.new()
    away = f"postgresql://me:hidden@/db?host={tmp_path}"
    with pytest.raises(StoreAwayError, match="the server is not reachable") as error:
        Store.open(away)
    assert "hidden" not in str(error.value)
    with pytest.raises(StoreAwayError, match="no such database; make it first: createdb NAME"):
        Store.open(databases.address("nothing_there"))
    databases.run("DROP ROLE IF EXISTS nobody; CREATE ROLE nobody NOLOGIN")
    with pytest.raises(StoreAwayError, match=r"lets this user not in: .*not permitted to log in"):
        Store.open(url.replace("postgres:@", "nobody:hidden@"))
    databases.run("DROP ROLE nobody")


def test_a_connection_that_the_server_ends_is_told_of_and_made_anew(databases: Databases) -> None:
    url = databases.new()
    end = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tapewire'"
    )
    change = sa.text("UPDATE datasets SET trials = trials + 50")

    def go_on(store: Store) -> None:
        with store.writing("go on") as connection:
            connection.execute(change)
            databases.run(end)
            connection.execute(change)

    with Store.open(url) as store:
        filled(store, 1)
        with pytest.raises(StoreAwayError, match="cannot go on: the server is not reachable"):
            go_on(store)
        assert store.trial_count(1) == 2


def test_two_who_make_the_same_store_at_once(tmp_path: Path, databases: Databases) -> None:
    for url in (str(tmp_path / "new.db"), databases.empty()):
        failed: list[BaseException] = []

        def make(url: str = url, failed: list[BaseException] = failed) -> None:
            try:
                with Store.open(url) as store:
                    store.add_dataset("d" * 64, {})
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=make) for _ in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        assert failed == []
        with Store.open(url) as store:
            assert len(store.datasets()) == 1
