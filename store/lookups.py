"""Questions that are always the same but for their values: built once, asked without detours.

What SQLAlchemy does for each question (a connection of its pool, a transaction, a statement that is
built, looked up among those that were compiled, and rows of its own) takes ten times as long as
SQLite takes to answer a short one. A `Lookup` has its text ready, and a store of SQLite's answers
it over a connection that its thread keeps. A server of PostgreSQL's is asked by SQLAlchemy.
"""

import sqlite3
import threading
import weakref
from collections import namedtuple
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

_DIALECT: Final = sqlite.dialect(paramstyle="named")
#: Pages that such a connection keeps; the system keeps the file, too.
_CACHE_KIB: Final = 8 << 10

#: Takes a `Lookup` and its values by name, and returns rows.
Asks = Callable[..., Sequence[Any]]


class Lookup:
    """A question.

    Parameters
    ----------
    statement
        Its values are named by ``sa.bindparam``.
    """

    def __init__(self, statement: sa.Select[Any]) -> None:
        self.statement = statement
        compiled = statement.compile(dialect=_DIALECT)
        self._text, self._own = str(compiled), dict(compiled.params)
        columns = list(statement.selected_columns)
        names = [str(one.key) for one in columns]
        self._row: Callable[..., Any] = namedtuple("Row", names)  # type: ignore[misc]
        kinds = [one.type.dialect_impl(_DIALECT) for one in columns]
        made = [one.result_processor(_DIALECT, None) for one in kinds]
        self._made = [(place, make) for place, make in enumerate(made) if make is not None]

    def fetched(self, connection: sqlite3.Connection, values: dict[str, Any]) -> list[Any]:
        """Ask SQLite; rows have the statement's columns by name, as SQLAlchemy would give them."""
        row, made = self._row, self._made
        found = []
        for plain in connection.execute(self._text, {**self._own, **values}).fetchall():
            parts = list(plain)
            for place, make in made:
                parts[place] = make(parts[place])
            found.append(row(*parts))
        return found


class KeptConnections:
    """A connection to a file of SQLite's for each thread that asks, which only reads.

    Parameters
    ----------
    path
    timeout_s
        How long it waits for who has locked the file.
    """

    def __init__(self, path: Path, timeout_s: float) -> None:
        self._path, self._timeout_s = path, timeout_s
        self._own = _PerThread()
        # Of a thread that has ended its connection goes with it.
        self._all: weakref.WeakSet[_Kept] = weakref.WeakSet()

    def own(self) -> sqlite3.Connection:
        """Return this thread's; it is opened by its first question."""
        kept = self._own.kept
        if kept is None or kept.is_closed:
            kept = self._own.kept = _Kept(self._opened())
            self._all.add(kept)
        return kept.connection

    def close(self) -> None:
        """Let all go."""
        for kept in list(self._all):
            kept.is_closed = True
            kept.connection.close()

    def _opened(self) -> sqlite3.Connection:
        # A file that is not there is none; it is closed by another thread than its own.
        connection = sqlite3.connect(
            f"{self._path.absolute().as_uri()}?mode=rw", uri=True, timeout=self._timeout_s,
            isolation_level=None, check_same_thread=False,
        )  # fmt: skip
        try:
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            connection.execute("PRAGMA query_only = ON")
        except BaseException:
            connection.close()
            raise
        return connection


class _Kept:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection, self.is_closed = connection, False


class _PerThread(threading.local):
    kept: _Kept | None = None
