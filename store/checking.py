"""Whether a store is sound: its file, its tables, what they say of each other."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from tapewire.store.migrating import differences, version_of
from tapewire.store.opening import OpenedStore
from tapewire.store.schema import metadata

#: What must have no rows, by what it would mean.
_CONTRADICTIONS: Final = {
    "searches whose batches are not those that they count": """
        SELECT count(*) FROM generations g WHERE g.batches <>
        (SELECT count(*) FROM batches b WHERE b.generation_id = g.id)""",
    "searches whose trials are not those of their batches": """
        SELECT count(*) FROM generations g WHERE g.trials <>
        (SELECT coalesce(sum(b.trials), 0) FROM batches b WHERE b.generation_id = g.id)""",
    "datasets with fewer trials than their searches have": """
        SELECT count(*) FROM datasets d WHERE d.trials <
        (SELECT coalesce(sum(g.trials), 0) FROM generations g WHERE g.dataset_id = d.id)""",
    "strategies with several latest results of a kind": """
        SELECT count(*) FROM (SELECT strategy_id FROM backtest_results WHERE is_latest = 1
        GROUP BY strategy_id, kind HAVING count(*) > 1) doubled""",
    "strategies with results of a kind, none of which is the latest": """
        SELECT count(*) FROM (SELECT strategy_id FROM backtest_results
        GROUP BY strategy_id, kind HAVING max(is_latest) = 0) lost""",
}
_FAULTS_SHOWN_MAX: Final = 20


@dataclass(frozen=True)
class StoreCheck:
    """What a check of a store has found.

    Attributes
    ----------
    url : str
        Its address, without a password.
    version : str
        Of its tables.
    rows : dict
        Table → how many.
    faults : tuple of str
        What is wrong, a sentence each; empty where nothing is.
    """

    url: str
    version: str
    rows: dict[str, int]
    faults: tuple[str, ...]


def check_store(store: OpenedStore, tell: Callable[[str], None] = lambda _: None) -> StoreCheck:
    """Look at all of a store that can be looked at.

    Parameters
    ----------
    store
        An open one.
    tell
        Gets what is looked at next.

    Raises
    ------
    StoreError
        If it can't be read.
    """
    faults: list[str] = []
    with store.reading("check it") as connection:
        version = version_of(connection, store.url) or ""
        tell("tables")
        faults += [f"tables are not as they should be: {one}" for one in differences(connection)]
        if store.is_sqlite:
            faults += _file_faults(connection, tell)
        for what, asked in _CONTRADICTIONS.items():
            tell(what)
            count = connection.exec_driver_sql(asked).scalar_one()
            faults += [f"{what}: {count:,}"] * bool(count)
        rows = {}
        for table in metadata.sorted_tables:
            tell(f"rows of {table.name}")
            counted = sa.select(sa.func.count()).select_from(table)
            rows[table.name] = int(connection.execute(counted).scalar_one())
    return StoreCheck(store.url, version, rows, tuple(faults))


def _file_faults(connection: sa.Connection, tell: Callable[[str], None]) -> list[str]:
    """Return what SQLite finds wrong with its file, and with keys that lead nowhere.

    A server sees to both by itself.
    """
    tell("the file")
    said = connection.exec_driver_sql(f"PRAGMA integrity_check({_FAULTS_SHOWN_MAX})").scalars()
    faults = [f"the file: {one}" for one in said if one != "ok"]
    tell("keys of other tables")
    for table, row, parent, _ in connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(
        _FAULTS_SHOWN_MAX
    ):
        faults.append(f"{table}: row {row} belongs to a row of {parent} that is not there")
    return faults
