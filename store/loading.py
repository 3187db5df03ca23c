"""Very many results at once: indexes and keys are made afterwards, not row by row.

Four indexes, into which each row goes at another place, and two keys to look up cost a server
fifteen times what the row itself does; made of all rows at once they cost a quarter of that.
"""

import contextlib
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Final

import sqlalchemy as sa

from tapewire.store.bulk import copying_into, give_back_ids, next_ids
from tapewire.store.copying import BLOCK_ROWS, copy_block
from tapewire.store.keeping import (
    RESULT_COLUMNS,
    dataset_names,
    ids_of,
    keep_results,
    result_columns,
    strategy_ids,
)
from tapewire.store.records import NewResult
from tapewire.store.schema import backtest_results

#: Looked up together; on SQLite written and counted, too.
_BATCH_ROWS: Final = 10_000
#: Strategies whose ids are kept at hand: some 250 MB.
_KNOWN_MAX: Final = 1_000_000
#: Numbers of rows that are taken at once; what is left of them is given back.
_IDS_AT_ONCE: Final = 100_000
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
    """Insert results piece by piece, each of which is handed back when it is in.

    On SQLite, where an index costs less than a statement, as they are kept one by one.

    Raises
    ------
    StoreError
        As `keep_results`.
    """
    remaining = iter(results)
    if connection.dialect.name == "sqlite":
        while batch := list(islice(remaining, _BATCH_ROWS)):
            keep_results(connection, batch, generation_id, {}, shown)
            yield batch
        return
    with indexes_after(connection, "backtest_results"):
        yield from _Copied(connection, generation_id, shown).pieces(remaining)
        connection.exec_driver_sql("SET LOCAL enable_seqscan = on")
        connection.exec_driver_sql(f"SET LOCAL work_mem = '{_SORT_MEMORY}'")
        connection.exec_driver_sql(_RETIRE)


class _Copied:
    """Results on their way into a table, by as few ``COPY`` as can be.

    Nothing can be looked up while one goes on: it ends where a strategy or a dataset comes that is
    not known yet. Pieces are small, so that the server reads one while the next is made.
    """

    def __init__(self, connection: sa.Connection, generation_id: int | None, shown: str) -> None:
        self._connection = connection
        self._generation_id = generation_id
        self._shown = shown
        self._ids: dict[str, int] = {}
        self._names: dict[int, str] = {}
        #: Numbers that were taken and not given yet.
        self._free = range(0)

    def pieces(self, results: Iterator[NewResult]) -> Iterator[list[NewResult]]:
        """Copy all, and hand back each piece that was."""
        waiting = _pieces_of(results, _BATCH_ROWS)
        while waiting:
            self._look_up([one for piece in waiting for one in piece])
            coming = chain(waiting, iter(lambda: list(islice(results, BLOCK_ROWS)), []))
            waiting = []
            with copying_into(self._connection, backtest_results, RESULT_COLUMNS) as write:
                for piece in coming:
                    if not self._is_known(piece):
                        waiting = [piece]
                        break
                    write(self._block(piece))
                    yield piece
            if waiting:
                waiting += _pieces_of(results, _BATCH_ROWS - len(waiting[0]))
        if self._free:
            give_back_ids(self._connection, backtest_results, self._free.start)

    def _is_known(self, piece: list[NewResult]) -> bool:
        """Return whether nothing has to be looked up or taken for it."""
        return (
            len(piece) <= len(self._free)
            and all(one.dataset_id in self._names for one in piece)
            and all(one.strategy_hash in self._ids for one in piece)
        )

    def _look_up(self, results: list[NewResult]) -> None:
        """Know the strategies and datasets of these, refuse what is not there; take numbers."""
        if len(self._ids) > _KNOWN_MAX:
            self._ids.clear()
        hashes = {one.strategy_hash for one in results}
        # "Less its keys" would walk over every one that is known, this asks for each of these.
        self._ids |= strategy_ids(self._connection, hashes.difference(self._ids))
        ids_of(self._ids, [*hashes], self._shown)
        named = {one.dataset_id for one in results}.difference(self._names)
        self._names |= dataset_names(self._connection, named, self._shown)
        if len(self._free) < len(results):
            if self._free:
                give_back_ids(self._connection, backtest_results, self._free.start)
            self._free = next_ids(self._connection, backtest_results, _IDS_AT_ONCE)

    def _block(self, piece: list[NewResult]) -> bytes:
        numbers = ids_of(self._ids, [one.strategy_hash for one in piece], self._shown)
        new_ids, self._free = self._free[: len(piece)], self._free[len(piece) :]
        columns = result_columns(piece, numbers, self._names, self._generation_id)
        return copy_block([new_ids, *columns])


def _pieces_of(results: Iterator[NewResult], count: int) -> list[list[NewResult]]:
    """Take so many results, in pieces of a block each."""
    some = list(islice(results, max(count, 0)))
    return [some[first : first + BLOCK_ROWS] for first in range(0, len(some), BLOCK_ROWS)]


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
    # Whoever asks next shall not be answered by a plan for the table as it was.
    connection.exec_driver_sql(f"ANALYZE {table}")
