"""A store that is open: its transactions, and what is looked at before the first of them."""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Final, Self

import sqlalchemy as sa

from tapewire.errors import StoreError
from tapewire.store.faults import store_errors
from tapewire.store.lookups import Asks, KeptConnections, Lookup
from tapewire.store.migrating import migrate, require_newest, version_of
from tapewire.store.places import (
    LOCK_TIMEOUT_S,
    POSTGRESQL_MIN,
    WRITES,
    StorePlace,
    engine_of,
    place_of,
    require_file,
)

#: Of PostgreSQL's advisory locks, the one that who writes into a store holds: ``TAPW``.
_WRITERS_LOCK: Final = 0x54415057
_POLL_S: Final = 0.01


class _OfThread(threading.local):
    #: Its transaction that writes.
    connection: sa.Connection | None = None
    #: Whether it cannot wait; as long as a ``with`` of this lasts.
    hurries = False

    def __enter__(self) -> None:
        self.hurries = True

    def __exit__(self, *_: object) -> None:
        self.hurries = False


class OpenedStore:
    """A connection to a store; see `tapewire.store.Store`, which adds what it can do.

    Parameters
    ----------
    place
        Where it is.
    engine
        What connects to it.
    lock_timeout_s
        How long another process may hold it.
    """

    def __init__(self, place: StorePlace, engine: sa.Engine, lock_timeout_s: float) -> None:
        self._place, self._shown = place, place.shown
        self._engine = engine
        self._lock_timeout_s = lock_timeout_s
        self._own = _OfThread()
        self._patient = self._hurried = None
        if place.path is not None:
            self._patient = KeptConnections(place.path, lock_timeout_s)
            self._hurried = KeptConnections(place.path, 0.0)

    @classmethod
    def unchecked(
        cls, url: str, *, create: bool = False, lock_timeout_s: float = LOCK_TIMEOUT_S
    ) -> Self:
        """Open a store without a look at its tables: to migrate, restore or check it."""
        place = place_of(url)
        if place.path is not None:
            require_file(place.path, create=create)
        return cls(place, engine_of(place, lock_timeout_s=lock_timeout_s), lock_timeout_s)

    @classmethod
    def open(cls, url: str, *, create: bool = True, lock_timeout_s: float = LOCK_TIMEOUT_S) -> Self:
        """Open a store; make its tables where there are none.

        Parameters
        ----------
        url
            A file of SQLite's (``tapewire.db`` or ``sqlite:///tapewire.db``), or a database of a
            PostgreSQL server (``postgresql://USER:PASSWORD@HOST/DATABASE``).
        create
            Whether to make it where it is not there; else that is an error.
        lock_timeout_s
            How long another process may hold it before it is given up, s.

        Raises
        ------
        ConfigError
            If the address is none, or a package is missing.
        StoreError
            If it is locked, away, full, not there, no store, of another version.
        """
        store = cls.unchecked(url, create=create, lock_timeout_s=lock_timeout_s)
        try:
            store._prepare(create=create)
        except BaseException:
            store.close()
            raise
        return store

    @property
    def url(self) -> str:
        """Its address, with ``***`` for a password."""
        return self._shown

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file of SQLite's, not a database of a server."""
        return self._place.path is not None

    def close(self) -> None:
        """Let the database go; a store that is closed opens again when it is asked something."""
        for kept in (self._patient, self._hurried):
            if kept is not None:
                kept.close()
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextlib.contextmanager
    def reading(self, doing: str) -> Iterator[sa.Connection]:
        """Begin a transaction that reads: all of it sees one state of the database.

        Within one of this thread that writes, it is that one.
        """
        if (joined := self._joined()) is not None:
            yield joined
            return
        self._require_time(doing)
        with store_errors(self.url, doing), self._engine.connect() as connection:
            if not self.is_sqlite:
                connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
            with connection.begin():
                yield connection

    @contextlib.contextmanager
    def writing(self, doing: str, *, alone: bool = True) -> Iterator[sa.Connection]:
        """Begin a transaction that writes: all of it is done, or nothing.

        Within another one of this thread it is a part of that one.

        Parameters
        ----------
        doing
            What, for messages.
        alone
            Whether nobody else may write meanwhile. SQLite never lets anybody; on PostgreSQL,
            who changes rows that it has locked itself need not wait for all others.
        """
        if (joined := self._joined()) is not None:
            yield joined
            return
        self._require_time(doing)
        with store_errors(self.url, doing), self._engine.connect() as connection:
            connection.execution_options(**{WRITES: True})
            with connection.begin():
                if not self.is_sqlite and alone:
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITERS_LOCK})")
                    # What was copied a moment ago has no statistics yet: without them a look-up
                    # of many rows would be a walk through all.
                    connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
                self._admit(connection)
                self._own.connection = connection
                try:
                    yield connection
                finally:
                    self._own.connection = None

    def rows(self, doing: str, lookup: Lookup, **values: Any) -> Sequence[Any]:
        """Return the rows of one question; see `asking`."""
        if self._patient is None or self._joined() is not None:
            with self.reading(doing) as connection:
                return connection.execute(lookup.statement, values).all()
        try:
            return lookup.fetched(self._kept(), values)
        except sqlite3.Error:
            with store_errors(self.url, doing):
                raise

    @contextlib.contextmanager
    def asking(self, doing: str) -> Iterator[Asks]:
        """Ask several questions, all of which see one state of the database.

        Yields
        ------
        callable
            Takes a `Lookup` and its values by name, and returns rows.
        """
        if self._patient is None or self._joined() is not None:
            with self.reading(doing) as joined:
                yield lambda lookup, **values: joined.execute(lookup.statement, values).all()
            return
        with store_errors(self.url, doing):
            connection = self._kept()
            connection.execute("BEGIN")
            try:
                yield lambda lookup, **values: lookup.fetched(connection, values)
            finally:
                connection.execute("ROLLBACK")

    def at_once(self) -> contextlib.AbstractContextManager[None]:
        """Have `rows` and `asking` answer this thread at once or, where SQLite's file is locked,
        not at all: an event loop cannot wait. Anything that takes its time is refused.
        """
        return self._own

    def _kept(self) -> sqlite3.Connection:
        kept = self._hurried if self._own.hurries else self._patient
        assert kept is not None
        return kept.own()

    def _require_time(self, doing: str) -> None:
        if self._own.hurries:
            raise RuntimeError(f"{doing}: takes its time, and was to be answered at once")

    def _joined(self) -> sa.Connection | None:
        return self._own.connection

    def _admit(self, connection: sa.Connection) -> None:
        """Refuse a transaction that is to write, before it does; nobody is refused here."""

    def migrate(self, to: str = "head") -> tuple[str | None, str]:
        """Bring its tables to a version; see `tapewire.store.migrating.migrate`."""
        with self.writing("migrate its tables") as connection:
            return migrate(connection, self.url, to)

    def _prepare(self, *, create: bool) -> None:
        with self.reading("open it") as connection:
            if not self.is_sqlite:
                _require_server(connection, self.url)
            found = version_of(connection, self.url)
        if found is None and create:
            with self.writing("make its tables") as connection:
                # Another process may have made them while this one waited.
                if version_of(connection, self.url) is None:
                    migrate(connection, self.url)
        with self.reading("open it") as connection:
            require_newest(connection, self.url)
        self._use_log()

    @contextlib.contextmanager
    def raw(self) -> Iterator[Any]:
        """Lend the driver's own connection, outside of any transaction."""
        connection = self._engine.raw_connection()
        try:
            yield connection.driver_connection
        finally:
            connection.close()

    def _use_log(self) -> None:
        """Have SQLite write ahead: then who reads never waits for who writes."""
        if not self.is_sqlite:
            return
        with store_errors(self.url, "open it"), self.raw() as raw:
            mode = _written_ahead(raw, self._lock_timeout_s)
        if mode != "wal":
            raise StoreError(
                f"{self.url}: expected a disk on which SQLite can write ahead, found mode {mode}; "
                "keep it on a local disk"
            )


def _require_server(connection: sa.Connection, shown: str) -> None:
    version = int(connection.exec_driver_sql("SHOW server_version_num").scalar_one())
    if version < 10_000 * POSTGRESQL_MIN:
        raise StoreError(
            f"{shown}: expected PostgreSQL {POSTGRESQL_MIN} or later, found {version // 10_000}"
        )


def _written_ahead(connection: Any, timeout_s: float) -> str:
    """Ask SQLite to write ahead; return the mode that it is in.

    While another one asks the same, SQLite says at once that it is busy, whatever its timeout.
    """
    until_s = time.monotonic() + timeout_s
    while True:
        try:
            mode: str = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() >= until_s:
                raise
            time.sleep(_POLL_S)
        else:
            return mode
