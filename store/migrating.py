"""The version of a store's tables: which it is, and the way to another one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory

from tapewire.errors import NotAStoreError, StoreVersionError
from tapewire.store.schema import APPLICATION_ID, metadata

_FOLDER: Final = Path(__file__).parent / "migrations"
_PARTITION: Final = "trades_"


def newest() -> str:
    """Return the version that this Tapewire works with, like ``0002``."""
    head = _scripts().get_current_head()
    assert head is not None
    return head


def versions() -> list[str]:
    """Return all versions, oldest first."""
    return [script.revision for script in _scripts().walk_revisions()][::-1]


def version_of(connection: sa.Connection, shown: str) -> str | None:
    """Return which version a database's tables have; None if it has no tables at all.

    Raises
    ------
    NotAStoreError
        If it has tables, and they are not Tapewire's.
    """
    names = set(sa.inspect(connection).get_table_names())
    if not names:
        return None
    if not {"alembic_version", "store_info"} <= names or not _is_ours(connection):
        some = ", ".join(sorted(names)[:3])
        raise NotAStoreError(
            f"{shown}: expected a store of Tapewire's or an empty database, found tables of "
            f"another program ({some})"
        )
    return MigrationContext.configure(connection).get_current_revision()


def require_newest(connection: sa.Connection, shown: str) -> None:
    """Refuse tables of another version than this Tapewire's.

    Raises
    ------
    StoreVersionError
        Saying which there is, and what to do.
    NotAStoreError
        As `version_of`, or if there are no tables.
    """
    found, wanted = version_of(connection, shown), newest()
    if found == wanted:
        return
    if found is None:
        raise NotAStoreError(f"{shown}: expected a store of Tapewire's, found an empty database")
    if found in versions():
        raise StoreVersionError(
            f"{shown}: expected tables of version {wanted}, found the older {found}: "
            "back it up, then tapewire store migrate"
        )
    raise newer(shown, found)


def newer(shown: str, found: str) -> StoreVersionError:
    """Return the error of tables that this Tapewire is too old for."""
    return StoreVersionError(
        f"{shown}: expected tables of version {newest()} or older, found {found}, of a newer "
        "Tapewire: pip install --upgrade tapewire"
    )


def migrate(connection: sa.Connection, shown: str, to: str = "head") -> tuple[str | None, str]:
    """Bring tables to a version, up or down, within the connection's transaction.

    Parameters
    ----------
    connection
        In a transaction that writes.
    shown
        The store's address, for messages.
    to
        ``head``, ``base`` (no tables) or a version.

    Returns
    -------
    tuple of (str or None, str)
        From and to which version it went.

    Raises
    ------
    StoreVersionError
        If there is no such version, or the tables are of a newer one.
    NotAStoreError
        As `version_of`.
    """
    found = version_of(connection, shown)
    known = versions()
    if found is not None and found not in known:
        raise newer(shown, found)
    if to not in ("head", "base", *known):
        raise StoreVersionError(
            f"{shown}: expected version {', '.join(known)}, head or base, found {to}"
        )
    if to == "base":
        if found is not None:
            _walk(connection, to, is_up=False)
            connection.exec_driver_sql("DROP TABLE alembic_version")
        return found, to
    target = known[-1] if to == "head" else to
    is_up = found is None or known.index(target) >= known.index(found)
    _walk(connection, target, is_up=is_up)
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
    return found, target


def differences(connection: sa.Connection) -> list[str]:
    """Return how the tables differ from those that this Tapewire works with, in words."""
    context = MigrationContext.configure(connection, opts={"include_name": _is_of_schema})
    return [_in_words(one) for one in compare_metadata(context, metadata)]


def _walk(connection: sa.Connection, target: str, *, is_up: bool) -> None:
    scripts = _scripts()

    def steps(revision: Any, _context: MigrationContext) -> Any:
        way: Callable[..., Any] = scripts._upgrade_revs if is_up else scripts._downgrade_revs
        return way(target, revision)

    with EnvironmentContext(Config(), scripts, fn=steps) as environment:
        environment.configure(connection=connection, target_metadata=metadata)
        environment.run_migrations()


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(_FOLDER))


def _is_ours(connection: sa.Connection) -> bool:
    said = connection.exec_driver_sql("SELECT value FROM store_info WHERE key = 'application'")
    return said.scalar() == "tapewire"


def _is_of_schema(name: str | None, kind: str, _parents: Any) -> bool:
    return kind != "table" or not (name or "").startswith(_PARTITION)


def _in_words(difference: Any) -> str:
    if isinstance(difference, list):
        return "; ".join(map(_in_words, difference))
    what, *about = difference
    names = [getattr(one, "name", one) for one in about if one is not None]
    return f"{what.replace('_', ' ')} {' '.join(str(name) for name in names)}"
