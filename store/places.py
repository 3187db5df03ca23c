"""Where a store is, and a connection to it."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine, make_url

from tapewire.atomic import kind_of_file
from tapewire.errors import ConfigError, NotAStoreError, StoreError

#: How long another process may hold the database before it is given up, s.
LOCK_TIMEOUT_S: Final = 10.0
#: How long a server may take to answer a connection, s.
CONNECT_TIMEOUT_S: Final = 10
#: PostgreSQL's major version at the least.
POSTGRESQL_MIN: Final = 16
_CACHE_KIB: Final = 64 << 10
_EXPECTED: Final = "a file like tapewire.db, sqlite:///FILE or postgresql://USER@HOST/DATABASE"
_PSYCOPG: Final = "pip install 'tapewire[postgres]'"
#: The execution option of a transaction that writes.
WRITES: Final = "tapewire_writes"


@dataclass(frozen=True)
class StorePlace:
    """Where a store is.

    Attributes
    ----------
    url : sqlalchemy.engine.URL
    path : Path or None
        Of SQLite's file; None on a server.
    """

    url: URL
    path: Path | None

    @property
    def shown(self) -> str:
        """The address as people see it: never a password."""
        if self.path is not None:
            return str(self.path)
        query = {
            key: "***" if "password" in key else value for key, value in self.url.query.items()
        }
        plain = self.url.set(drivername="postgresql", query=query)
        return plain.render_as_string(hide_password=True)


def place_of(text: str) -> StorePlace:
    """Read an address.

    Parameters
    ----------
    text
        A file's path, ``sqlite:///PATH`` or ``postgresql://USER:PASSWORD@HOST:PORT/DATABASE``.

    Raises
    ------
    ConfigError
        If it is none of those; the message does not repeat it, for there may be a password in it.
    """
    if "://" not in text:
        if not text or "\0" in text:
            raise ConfigError(f"--store: expected {_EXPECTED}, found no name")
        return StorePlace(URL.create("sqlite", database=text), Path(text))
    try:
        url = make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        raise ConfigError(f"--store: expected {_EXPECTED}, found no such address") from None
    kind = url.drivername.partition("+")[0]
    if kind == "sqlite":
        if not url.database or url.database == ":memory:" or url.query or url.host:
            raise ConfigError(f"--store: expected {_EXPECTED}, found sqlite without a file")
        return StorePlace(URL.create("sqlite", database=url.database), Path(url.database))
    if kind not in ("postgresql", "postgres"):
        raise ConfigError(f"--store: expected {_EXPECTED}, found {kind}://")
    if not url.database:
        raise ConfigError(f"--store: expected {_EXPECTED}, found no database's name")
    return StorePlace(url.set(drivername="postgresql+psycopg"), None)


def engine_of(place: StorePlace, *, lock_timeout_s: float = LOCK_TIMEOUT_S) -> Engine:
    """Return what connects to a store; nothing is connected yet.

    Raises
    ------
    ConfigError
        If the driver of PostgreSQL is not installed.
    """
    if place.path is not None:
        return _sqlite(place.url, lock_timeout_s)
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"--store postgresql://…: expected the package psycopg, found none ({error}): "
            f"{_PSYCOPG}"
        ) from None
    return _postgresql(place.url, lock_timeout_s)


def require_file(path: Path, *, create: bool) -> None:
    """See that SQLite's file is there, or make an empty one that nobody else may read.

    Raises
    ------
    StoreError
        If it is not there and not to be made, or cannot be.
    NotAStoreError
        If it is a folder, a device or the like.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if not create:
            raise StoreError(
                f"{path}: expected a store, found nothing there; name it by --store"
            ) from None
        _make(path)
        return
    except OSError as error:
        raise StoreError(f"{path}: cannot be opened: {error.strerror}") from error
    if not stat.S_ISREG(mode):
        raise NotAStoreError(f"{path}: expected a file, found {kind_of_file(mode)}")


def _make(path: Path) -> None:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return  # somebody else has just made it
    except OSError as error:
        raise StoreError(f"{path}: cannot be made: {error.strerror}") from error


def _sqlite(url: URL, lock_timeout_s: float) -> Engine:
    engine = sa.create_engine(url, connect_args={"timeout": lock_timeout_s})

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        # Transactions begin where SQLAlchemy says so, definitions of tables within them, too.
        connection.isolation_level = None
        for pragma in ("foreign_keys = ON", "synchronous = FULL", f"cache_size = -{_CACHE_KIB}"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # Who reads first and writes then may find that another one has written in between.
        writes = connection.get_execution_options().get(WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgresql(url: URL, lock_timeout_s: float) -> Engine:
    options = f"-c timezone=UTC -c lock_timeout={round(1e3 * lock_timeout_s)}"
    given = url.query.get("options")
    return sa.create_engine(
        url.difference_update_query(["options"]),
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_S,
            "application_name": "tapewire",
            "options": f"{given} {options}" if isinstance(given, str) else options,
        },
    )
