"""Very many results at once: indexes and keys are made afterwards, not row by row.

Four indexes, into which each row goes at another place, and two keys to look up cost a server
fifteen times what the row itself does; made of all rows at once they cost a quarter of that.
"""

import contextlib
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

import sqlalchemy as sa

from tapewire.store.keeping import insert_results, keep_results, strategy_ids
from tapewire.store.records import NewResult

#: Looked up, written and counted together.
_BATCH_ROWS: Final = 10_000
#: Strategies whose ids are kept at hand: some 250 MB.
_KNOWN_MAX: Final = 1_000_000
#: What an index is sorted in, of which each process that takes part has a share.
_SORT_MEMORY: Final = "256MB"
#: Of each strategy and kind the last one alone is the latest.
_RETIRE: Final = """
    UPDATE backtest_results SET is_latest = 0 FROM (
        SELECT strategy_id, kind, max(id) AS last FROM backtest_results WHERE is_latest = 1
        GROUP BY strategy_id, kind HAVING count(*) > 1) AS several
    WHERE backtest_results.strategy_id = several.strategy_id
        AND backtest_results.kind = several.kind
        AND backtest_results.id < several.last AND is_latest = 1"""
_INDEXES: Final = """
    SELECT relname, pg_get_indexdef(indexrelid) FROM pg_index
    JOIN pg_class ON pg_class.oid = indexrelid
    WHERE indrelid = %s::regclass AND NOT indisunique ORDER BY relname"""
_KEYS: Final = """
    SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE conrelid = %s::regclass AND contype = 'f' ORDER BY conname"""


def load(
    connection: sa.Connection, results: Iterable[NewResult], generation_id: int | None, shown: str
) -> Iterator[list[NewResult]]:
    """Insert results by batches, each of which is handed back when it is in.

    On SQLite, where an index costs less than a statement, as they are kept one by one.

    Raises
    ------
    StoreError
        As `keep_results`.
    """
    remaining = iter(results)
    with contextlib.ExitStack() as stack:
        is_sqlite = connection.dialect.name == "sqlite"
        if not is_sqlite:
            stack.enter_context(indexes_after(connection, "backtest_results"))
        known: dict[str, int] = {}
        while batch := list(islice(remaining, _BATCH_ROWS)):
            if is_sqlite:
                keep_results(connection, batch, generation_id, {}, shown)
            else:
                if len(known) > _KNOWN_MAX:
                    known.clear()
                wanted = {one.strategy_hash for one in batch}
                known |= strategy_ids(connection, wanted - known.keys())
                insert_results(connection, batch, generation_id, known, shown)
            yield batch
        if not is_sqlite:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = on")
            connection.exec_driver_sql(f"SET LOCAL work_mem = '{_SORT_MEMORY}'")
            connection.exec_driver_sql(_RETIRE)


@contextlib.contextmanager
def indexes_after(connection: sa.Connection, table: str) -> Iterator[None]:
    """Take a table's indexes and its keys of others away, and make them again at the end.

    All within the transaction that is open: if it fails, nothing has happened. Until it ends
    nobody else reads the table, or those that its keys are of. Numbers and what has to be unique
    stay as they are. PostgreSQL only.
    """
    indexes = connection.exec_driver_sql(_INDEXES, (table,)).all()
    keys = connection.exec_driver_sql(_KEYS, (table,)).all()
    for name, _ in keys:
        connection.exec_driver_sql(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
    for name, _ in indexes:
        connection.exec_driver_sql(f'DROP INDEX "{name}"')
    yield
    connection.exec_driver_sql("SET LOCAL enable_seqscan = on")
    connection.exec_driver_sql(f"SET LOCAL maintenance_work_mem = '{_SORT_MEMORY}'")
    for _, definition in indexes:
        connection.exec_driver_sql(definition)
    # Each looks all rows up at once, and refuses what leads nowhere.
    for name, definition in keys:
        connection.exec_driver_sql(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}')
