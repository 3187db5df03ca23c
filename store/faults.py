"""What a database says goes wrong, as one sentence that names the store and what to do."""

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError, StatementError

from tapewire.errors import (
    NotAStoreError,
    StoreAwayError,
    StoreError,
    StoreFullError,
    StoreLockedError,
)

#: SQLSTATEs of PostgreSQL; a class of them ends in a star.
#: https://www.postgresql.org/docs/current/errcodes-appendix.html
_LOCKED: Final = ("55P03", "40P01")
_FULL: Final = ("53100",)
_REFUSED: Final = ("28000", "28P01")
#: A server that lets nobody in says why, and no code that the driver would hand on.
_REFUSED_WORDS: Final = (
    "authentication failed", "no password supplied", "not permitted to log in", "no pg_hba.conf",
)  # fmt: skip
_AWAY: Final = ("08*", "57P01", "57P02", "57P03", "53300")
_NO_RIGHT: Final = ("42501",)


@contextlib.contextmanager
def store_errors(shown: str, doing: str) -> Iterator[None]:
    """Raise what the database's driver raises as a `StoreError`.

    Parameters
    ----------
    shown
        The store's address, without a password.
    doing
        What was being done, like ``save batch 3``.
    """
    try:
        yield
    except SQLAlchemyError as error:
        original = error.orig if isinstance(error, DBAPIError | StatementError) else None
        if original is None:
            raise
        raise _told(original, shown, doing, broken=isinstance(error, IntegrityError)) from error
    except sqlite3.Error as error:
        raise _told(
            error, shown, doing, broken=isinstance(error, sqlite3.IntegrityError)
        ) from error
    except Exception as error:
        # The driver of PostgreSQL is imported only where there is one.
        if not hasattr(error, "sqlstate"):
            raise
        raise _told(error, shown, doing, broken=False) from error


def _told(error: BaseException, shown: str, doing: str, *, broken: bool) -> StoreError:
    said = " ".join(str(error).split("\n", 1)[0].split()) or type(error).__name__
    if broken:
        return StoreError(f"{shown}: cannot {doing}: {said}")
    if isinstance(error, sqlite3.Error):
        return _told_by_sqlite(error, said, shown, doing)
    return _told_by_postgresql(error, shown, doing)


def _told_by_sqlite(error: sqlite3.Error, said: str, shown: str, doing: str) -> StoreError:
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return locked(shown, doing)
    if name == "SQLITE_FULL":
        return StoreFullError(f"{shown}: cannot {doing}: its disk is full; free some space")
    if name == "SQLITE_NOTADB":
        return NotAStoreError(f"{shown}: expected an SQLite database, found another kind of file")
    if name.startswith("SQLITE_CORRUPT"):
        return NotAStoreError(
            f"{shown}: the database is damaged ({said}); restore a backup of it: "
            "tapewire store restore"
        )
    if name.startswith("SQLITE_IOERR"):
        return StoreError(
            f"{shown}: cannot {doing}: its disk fails ({said}, {name}); look at the space on it"
        )
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH")):
        return StoreError(
            f"{shown}: cannot {doing}: {said}; the file and its folder have to be writable"
        )
    return StoreError(f"{shown}: cannot {doing}: {said}")


def _told_by_postgresql(error: Any, shown: str, doing: str) -> StoreError:
    code = getattr(error, "sqlstate", None) or ""
    said = said_by_postgresql(error)
    if _is_of(code, _LOCKED):
        return locked(shown, doing)
    if _is_of(code, _FULL):
        return StoreFullError(
            f"{shown}: cannot {doing}: the server's disk is full; free some space"
        )
    if _is_of(code, _REFUSED) or any(words in said for words in _REFUSED_WORDS):
        return StoreAwayError(f"{shown}: the server lets this user not in: {said}")
    if code == "3D000" or ("database" in said and "does not exist" in said):
        return StoreAwayError(f"{shown}: no such database; make it first: createdb NAME")
    if _is_of(code, _AWAY) or not code:
        return StoreAwayError(f"{shown}: cannot {doing}: the server is not reachable: {said}")
    if _is_of(code, _NO_RIGHT):
        return StoreError(f"{shown}: cannot {doing}: this user may not: {said}")
    return StoreError(f"{shown}: cannot {doing}: {said}")


def said_by_postgresql(error: BaseException) -> str:
    """Return a server's own sentence: the last line that says something, without its prefixes."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # Where a name has several addresses, each is tried and told of.
    told = next((line for line in lines if "failed" in line or "FATAL" in line), "")
    text = told or (lines[0] if lines else type(error).__name__)
    return text.rpartition("FATAL:")[2].strip()


def locked(shown: str, doing: str) -> StoreLockedError:
    """Return the error of a database that somebody else does not let go."""
    return StoreLockedError(
        f"{shown}: cannot {doing}: another process holds the database; wait for it, or end it"
    )


def _is_of(code: str, codes: tuple[str, ...]) -> bool:
    return any(code.startswith(one[:-1]) if one.endswith("*") else code == one for one in codes)
