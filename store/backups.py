"""A store in one file, and back: of SQLite a database, of PostgreSQL an archive of tables.

An archive is a ZIP file with a member a table, as ``COPY`` writes it as text, and ``store.json``,
which says the tables' version, how many rows each has and which months of trades there are. All of
it is one state of the database, whoever writes meanwhile.
"""

import contextlib
import json
import re
import sqlite3
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from tapewire.atomic import AtomicFile, output_errors
from tapewire.errors import MissingFileError, NotAStoreError, OutputError, StoreError
from tapewire.store.faults import locked, store_errors
from tapewire.store.keeping import make_partitions
from tapewire.store.loading import indexes_after
from tapewire.store.migrating import migrate, newer, version_of, versions
from tapewire.store.opening import OpenedStore
from tapewire.store.places import LOCK_TIMEOUT_S, place_of
from tapewire.store.schema import APPLICATION_ID, metadata

#: Gets how much is done and how much there is.
Progress = Callable[[int, int], None]
_FORMAT: Final = "tapewire store, PostgreSQL, 1"
_CONTENTS: Final = "store.json"
_STEP_PAGES: Final = 4_096
_CHUNK_BYTES: Final = 1 << 20
_MONTH: Final = re.compile(r"trades_(\d{4})_(\d{2})")
_SQLITE_MAGIC: Final = b"SQLite format 3\0"
_ZIP_MAGIC: Final = b"PK\3\4"


def back_up(
    store: OpenedStore, path: Path, *, force: bool = False, progress: Progress = lambda *_: None
) -> int:
    """Write a store into a file, readable by its owner alone; return its size in bytes.

    Raises
    ------
    OutputError
        If the file is there (without ``force``) or can't be written; nothing is left then.
    StoreError
        If the store can't be read.
    """
    if path.exists() and not force:
        raise OutputError(
            f"{path}: is there already; choose another name, or --force to replace it"
        )
    target = AtomicFile(path, mode=0o600)
    try:
        if store.is_sqlite:
            _copy_out(store, target, progress)
        else:
            _archive(store, target, progress)
        target.publish()
        return path.stat().st_size
    finally:
        target.discard()


def restore(
    url: str,
    path: Path,
    *,
    force: bool = False,
    progress: Progress = lambda *_: None,
    lock_timeout_s: float = LOCK_TIMEOUT_S,
) -> str:
    """Fill a store from a backup, all of it or not at all; return its address as it is shown.

    Parameters
    ----------
    url
        Where to; a file is made where there is none.
    path
        The backup.
    force
        Whether what is in the store may go.
    progress
        Gets how much is done.
    lock_timeout_s
        How long another process may hold the store before it is given up, s.

    Raises
    ------
    MissingFileError, NotAStoreError, StoreVersionError
        If the backup can't be used.
    StoreError
        If the store holds something (without ``force``), or can't be written.
    """
    found, place = _kind_of(path), place_of(url)
    expected = "SQLite" if place.path is not None else "PostgreSQL"
    if found != expected:
        other = f"one of {found}" if found else "another kind of file"
        raise NotAStoreError(
            f"{path}: expected a backup of {expected}, as {place.shown} is, found {other}"
        )
    is_new = place.path is not None and not place.path.exists()
    with OpenedStore.unchecked(url, create=True, lock_timeout_s=lock_timeout_s) as store:
        try:
            if expected == "SQLite":
                _copy_in(store, path, force=force, progress=progress)
            else:
                _unpack(store, path, force=force, progress=progress)
        except BaseException:
            if is_new and place.path is not None:
                place.path.unlink(missing_ok=True)
            raise
    return store.url


def _copy_out(store: OpenedStore, target: AtomicFile, progress: Progress) -> None:
    with store.reading("back it up") as connection:
        # A state that is being read is held: others may write while pages are copied.
        connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar()
        source = connection.connection.driver_connection
        assert isinstance(source, sqlite3.Connection)
        with output_errors(target.path), contextlib.closing(_plain(target.temporary)) as copy:
            try:
                source.backup(copy, pages=_STEP_PAGES, progress=_by_pages(progress, store.url))
                # One file, with nothing beside it.
                copy.execute("PRAGMA journal_mode = DELETE")
            except sqlite3.Error as error:
                raise OutputError(f"cannot write {target.path}: {error}") from error


def _copy_in(store: OpenedStore, path: Path, *, force: bool, progress: Progress) -> None:
    with contextlib.closing(_backup(path)) as source:
        _require_empty(store, force=force)
        with store_errors(store.url, "restore it"), store.raw() as copy:
            source.backup(copy, pages=_STEP_PAGES, progress=_by_pages(progress, store.url))


def _backup(path: Path) -> sqlite3.Connection:
    """Open a backup of SQLite's, and see that it is whole, and one of ours."""
    source = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        with store_errors(str(path), "read it"):
            ours = source.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
            if not ours:
                raise NotAStoreError(
                    f"{path}: expected a backup of a store, found another database"
                )
            said = source.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if said != "ok":
                raise NotAStoreError(f"{path}: the backup is damaged: {said}")
            found = source.execute("SELECT version_num FROM alembic_version").fetchone()[0]
        if found not in versions():
            raise newer(str(path), found)
    except BaseException:
        source.close()
        raise
    return source


def _archive(store: OpenedStore, target: AtomicFile, progress: Progress) -> None:
    tables = [table.name for table in metadata.sorted_tables]
    with store.reading("back it up") as connection, output_errors(target.path):
        found = version_of(connection, store.url)
        there = set(sa.inspect(connection).get_table_names())
        with zipfile.ZipFile(
            target.file, "w", zipfile.ZIP_DEFLATED, allowZip64=True, compresslevel=1
        ) as archive:
            counts = {}
            for done, name in enumerate(one for one in tables if one in there):
                progress(done, len(tables))
                counts[name] = _copy_table_out(connection, name, archive)
            months = sorted(filter(None, map(_month_of, there)))
            contents = {"format": _FORMAT, "version": found, "rows": counts, "months": months}
            archive.writestr(_CONTENTS, json.dumps(contents, indent=1))


def _copy_table_out(connection: sa.Connection, name: str, archive: zipfile.ZipFile) -> int:
    raw: Any = connection.connection.driver_connection
    columns = ", ".join(_columns(connection, name))
    # A partitioned table is copied by a query.
    asked = f"COPY (SELECT {columns} FROM {name}) TO STDOUT"
    with raw.cursor() as cursor, archive.open(name, "w", force_zip64=True) as member:
        with cursor.copy(asked) as copy:
            for data in copy:
                member.write(data)
        return int(cursor.rowcount)


def _unpack(store: OpenedStore, path: Path, *, force: bool, progress: Progress) -> None:
    with _opened_archive(path) as (archive, contents), store.writing("restore it") as connection:
        if _require_empty(store, force=force):
            migrate(connection, store.url, "base")
        migrate(connection, store.url, contents["version"])
        connection.exec_driver_sql("DELETE FROM store_info")
        make_partitions(connection, set(contents["months"]))
        tables = [t.name for t in metadata.sorted_tables if t.name in contents["rows"]]
        for done, name in enumerate(tables):
            progress(done, len(tables))
            slow = name == "backtest_results"
            with indexes_after(connection, name) if slow else contextlib.nullcontext():
                found = _copy_table_in(connection, name, archive)
            if found != contents["rows"][name]:
                raise NotAStoreError(
                    f"{path}: {name}: expected {contents['rows'][name]:,} rows, found {found:,}"
                )
        _go_on_counting(connection, tables)


@contextlib.contextmanager
def _opened_archive(path: Path) -> Iterator[tuple[zipfile.ZipFile, dict[str, Any]]]:
    try:
        with zipfile.ZipFile(path) as archive:
            contents = json.loads(archive.read(_CONTENTS))
            if contents["format"] != _FORMAT:
                raise NotAStoreError(f"{path}: expected {_FORMAT!r}, found {contents['format']!r}")
            if contents["version"] not in versions():
                raise newer(str(path), contents["version"])
            if not all(re.fullmatch(r"\d{4}-\d{2}", one) for one in contents["months"]):
                raise NotAStoreError(f"{path}: the backup is damaged: {_CONTENTS} has odd months")
            yield archive, contents
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
        raise NotAStoreError(f"{path}: the backup is damaged or none: {error}") from error


def _copy_table_in(connection: sa.Connection, name: str, archive: zipfile.ZipFile) -> int:
    raw: Any = connection.connection.driver_connection
    columns = ", ".join(_columns(connection, name))
    with raw.cursor() as cursor, archive.open(name) as member:
        with cursor.copy(f"COPY {name} ({columns}) FROM STDIN") as copy:
            while data := member.read(_CHUNK_BYTES):
                copy.write(data)
        return int(cursor.rowcount)


def _go_on_counting(connection: sa.Connection, tables: list[str]) -> None:
    """Have the next row of each table get the number behind the largest."""
    for name in tables:
        sequence = connection.exec_driver_sql(
            "SELECT pg_get_serial_sequence(%s, 'id') WHERE EXISTS (SELECT 1 FROM "
            "information_schema.columns WHERE table_name = %s AND column_name = 'id')",
            (name, name),
        ).scalar()
        if sequence:
            connection.exec_driver_sql(
                f"SELECT setval('{sequence}', (SELECT coalesce(max(id), 0) + 1 FROM {name}), false)"
            )


def _columns(connection: sa.Connection, name: str) -> list[str]:
    """Return a table's columns in the order of their names: that of an archive."""
    return sorted(str(one["name"]) for one in sa.inspect(connection).get_columns(name))


def _month_of(name: str) -> str | None:
    match = _MONTH.fullmatch(name)
    return None if match is None else f"{match[1]}-{match[2]}"


def _require_empty(store: OpenedStore, *, force: bool) -> bool:
    """Return whether there are tables; refuse to let go what is in them unless it is forced."""
    with store.reading("look what is there") as connection:
        if version_of(connection, store.url) is None:
            return False
        kept = [
            name
            for name in ("strategies", "datasets", "generations", "audit_log")
            if connection.exec_driver_sql(f"SELECT 1 FROM {name} LIMIT 1").first()
        ]
    if kept and not force:
        raise StoreError(
            f"{store.url}: expected an empty store, found rows in {', '.join(kept)}; restore into "
            "another one, or --force to replace all that is there"
        )
    return True


def _kind_of(path: Path) -> str | None:
    """Return of which database a backup is, by how it begins; None if it is none."""
    try:
        with path.open("rb") as file:
            begin = file.read(len(_SQLITE_MAGIC))
    except OSError as error:
        raise MissingFileError(f"{path}: cannot be read: {error.strerror}") from error
    if begin == _SQLITE_MAGIC:
        return "SQLite"
    return "PostgreSQL" if begin.startswith(_ZIP_MAGIC) else None


def _plain(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


def _by_pages(progress: Progress, shown: str) -> Callable[[int, int, int], None]:
    """Return what is called after each step of a copy; it ends one that would wait for ever.

    A step has waited for the lock as long as a connection may by then.
    """

    def step(status: int, remaining: int, total: int) -> None:
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise locked(shown, "copy it")
        progress(total - remaining, total)

    return step
