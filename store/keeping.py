"""Rows of strategies and results, within a transaction that is open already."""

import datetime as dt
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import repeat
from operator import attrgetter
from typing import Any, Final

import sqlalchemy as sa

from tapewire.errors import StoreError
from tapewire.store.bulk import (
    among,
    as_text,
    count_of,
    figures_json,
    float_of,
    insert_rows,
    next_ids,
    strict_json,
    text_of,
    time_of,
)
from tapewire.store.columns import are_counts, are_floats, are_texts, columns_of, json_of
from tapewire.store.records import NewResult, NewStrategy, NewTrade
from tapewire.store.schema import audit_log, backtest_results, datasets, strategies, trades

#: Letters of its hash that tell a strategy from another of its name.
_HASH_LETTERS: Final = 12
_STRATEGY_COLUMNS: Final = (
    "id", "name", "source_code", "format", "parameters", "complexity_score", "hash",
    "generation_id",
)  # fmt: skip
RESULT_COLUMNS: Final = (
    "id", "strategy_id", "dataset", "sharpe_ratio", "total_return", "max_drawdown",
    "total_trades", "dataset_id", "generation_id", "kind", "is_latest", "metrics", "digest",
)  # fmt: skip
#: Where ``is_latest`` is among them, the id left out.
_LATEST: Final = RESULT_COLUMNS.index("is_latest") - 1
_NEW_STRATEGY: Final = attrgetter("source_code", "format", "parameters", "complexity_score", "hash")
_NEW_RESULT: Final = attrgetter(
    "sharpe_ratio", "total_return", "max_drawdown", "total_trades", "dataset_id", "kind",
    "metrics", "digest",
)  # fmt: skip
_is_hash: Final = re.compile("[0-9a-f]{1,128}").fullmatch
_TRADE_COLUMNS: Final = (
    "backtest_result_id", "entry_time", "exit_time", "pnl", "entry_time_ns", "exit_time_ns",
    "details",
)  # fmt: skip


def keep_strategies(
    connection: sa.Connection, given: Sequence[NewStrategy], generation_id: int | None
) -> tuple[dict[str, int], range]:
    """Insert those that are not known.

    Returns
    -------
    dict
        Hash → id, of all that were given.
    range
        Ids of those that were not known.
    """
    by_hash = {one.hash: one for one in reversed(given)}
    for text in by_hash:
        if not _is_hash(text):
            raise StoreError(f"a strategy's hash: expected hexadecimal, found {text[:64]!r}")
    found = strategy_ids(connection, by_hash)
    fresh = [one for one in reversed(by_hash.values()) if one.hash not in found]
    if not fresh:
        return found, range(0)
    names = _names(connection, fresh)
    ids = next_ids(connection, strategies, len(fresh))
    columns = (ids, names, *_strategy_values(fresh), repeat(generation_id, len(fresh)))
    insert_rows(connection, strategies, _STRATEGY_COLUMNS, zip(*columns, strict=True))
    return found | {one.hash: new_id for one, new_id in zip(fresh, ids, strict=True)}, ids


def _strategy_values(given: Sequence[NewStrategy]) -> tuple[Sequence[Any], ...]:
    """Return columns: source code, format, parameters, complexity, hash."""
    codes, formats, parameters, scores, hashes = columns_of(given, _NEW_STRATEGY)
    if not (are_texts(codes) and are_texts(formats) and are_floats(scores)):
        named = [(one, f"strategy {one.name!r}") for one in given]
        codes = [text_of(one.source_code, f"{what}: source code") for one, what in named]
        formats = [text_of(one.format, f"{what}: format") for one, what in named]
        scores = [*map(float_of, scores)]
    written: Sequence[str | None] | None = json_of(parameters)
    if written is None:
        written = [
            None
            if one.parameters is None
            else strict_json(one.parameters, f"strategy {one.name!r}: parameters")
            for one in given
        ]
    return codes, formats, written, scores, hashes


def _names(connection: sa.Connection, fresh: Sequence[NewStrategy]) -> list[str]:
    """Return a name for each that nobody else has."""
    wanted = [one.name for one in fresh]
    if not are_texts(wanted):
        wanted = [text_of(name, "a strategy's name") for name in wanted]
    condition = among(connection, strategies.c.name, wanted)
    taken = set(connection.execute(sa.select(strategies.c.name).where(condition)).scalars())
    names = []
    for name, one in zip(wanted, fresh, strict=True):
        if not name:
            raise StoreError(f"a strategy's name: expected one, found none (hash {one.hash[:12]})")
        free = name if name not in taken else f"{name}~{one.hash[:_HASH_LETTERS]}"
        taken.add(free)
        names.append(free)
    return names


def strategy_ids(connection: sa.Connection, hashes: Collection[str]) -> dict[str, int]:
    """Return hash → id of those that are known."""
    if not hashes:
        return {}
    condition = among(connection, strategies.c.hash, list(hashes))
    rows = connection.execute(sa.select(strategies.c.hash, strategies.c.id).where(condition))
    return {row[0]: row[1] for row in rows.all()}


def keep_results(
    connection: sa.Connection,
    results: Sequence[NewResult],
    generation_id: int | None,
    known: Mapping[str, int],
    shown: str,
    *,
    fresh: Collection[int] = (),
) -> list[int]:
    """Insert results, which become the latest of their strategy and kind; return their ids.

    Parameters
    ----------
    known
        Hash → id, of strategies that need not be looked up.
    shown
        The store's address.
    fresh
        Ids of strategies that have no results yet.

    Raises
    ------
    StoreError
        If one is of a strategy or dataset that is not stored, or a value can't be kept.
    """
    if not results:
        return []
    hashes = [one.strategy_hash for one in results]
    ids = {**known, **strategy_ids(connection, {*hashes}.difference(known))}
    numbers = ids_of(ids, hashes, shown)
    kinds = [text_of(kind, "a result's kind") for kind in (one.kind for one in results)]
    last = dict(zip(zip(numbers, kinds, strict=True), range(len(results)), strict=True))
    _retire(connection, (one for one in last if one[0] not in fresh))
    names = dataset_names(connection, {one.dataset_id for one in results}, shown)
    columns = result_columns(results, numbers, names, generation_id)
    if len(last) < len(results):
        latest = {*last.values()}
        columns[_LATEST] = [int(place in latest) for place in range(len(results))]
    new_ids = next_ids(connection, backtest_results, len(results))
    rows = zip(new_ids, *columns, strict=True)
    insert_rows(connection, backtest_results, RESULT_COLUMNS, rows)
    return list(new_ids)


def result_columns(
    results: Sequence[NewResult],
    strategies_of: Sequence[int],
    names: Mapping[int, str],
    generation_id: int | None,
) -> list[Sequence[Any]]:
    """Return the columns of results but for their ids, each told the latest.

    Parameters
    ----------
    strategies_of
        Ids of their strategies.
    names
        Dataset's id → name, of all that they are of.

    Raises
    ------
    StoreError
        If a value can't be kept.
    """
    sharpe, returned, drawdown, counts, dataset_ids, kinds, metrics, digests = columns_of(
        results, _NEW_RESULT
    )
    floats = [
        column if are_floats(column) else [*map(float_of, column)]
        for column in (sharpe, returned, drawdown)
    ]
    if not are_counts(counts):
        counts = [count_of(one, "a result's total_trades") for one in counts]
    if not are_texts(kinds):
        kinds = [text_of(one, "a result's kind") for one in kinds]
    if not are_texts(digests):
        digests = [text_of(one, "a result's digest") for one in digests]
    written = json_of(metrics)
    if written is None:
        written = [figures_json(one, "a result's metrics") for one in metrics]
    return [
        strategies_of, [names[one] for one in dataset_ids], *floats, counts, dataset_ids,
        [generation_id] * len(results), kinds, [1] * len(results), written, digests,
    ]  # fmt: skip


def ids_of(ids: Mapping[str, int], hashes: Sequence[str], shown: str) -> list[int]:
    """Return the ids of strategies by their hashes.

    Raises
    ------
    StoreError
        If one is not among them.
    """
    try:
        return [ids[one] for one in hashes]
    except KeyError as error:
        raise StoreError(
            f"{shown}: a result: expected the hash of a stored strategy, found "
            f"{error.args[0][:64]!r}"
        ) from None


def _retire(connection: sa.Connection, replaced: Iterable[tuple[int, str]]) -> None:
    """Have results of these strategies and kinds be the latest no more."""
    by_kind: dict[str, list[int]] = {}
    for strategy_id, kind in replaced:
        by_kind.setdefault(kind, []).append(strategy_id)
    for kind, strategies_of_kind in by_kind.items():
        connection.execute(
            backtest_results.update()
            .where(
                among(connection, backtest_results.c.strategy_id, strategies_of_kind),
                backtest_results.c.kind == kind,
                backtest_results.c.is_latest == 1,
            )
            .values(is_latest=0)
        )


def dataset_names(connection: sa.Connection, ids: set[int], shown: str) -> dict[int, str]:
    """Return id → name of datasets.

    Raises
    ------
    StoreError
        If one is not there.
    """
    condition = among(connection, datasets.c.id, sorted(ids))
    rows = connection.execute(sa.select(datasets.c.id, datasets.c.name).where(condition))
    found = {row[0]: row[1] for row in rows}
    _require_all(datasets, ids, set(found), shown)
    return found


def require_known(connection: sa.Connection, table: sa.Table, ids: set[int], shown: str) -> None:
    """Refuse numbers of rows that are not there.

    Raises
    ------
    StoreError
        Naming one of them.
    """
    if ids:
        condition = among(connection, table.c.id, sorted(ids))
        found = set(connection.execute(sa.select(table.c.id).where(condition)).scalars())
        _require_all(table, ids, found, shown)


def _require_all(table: sa.Table, ids: set[int], found: set[int], shown: str) -> None:
    missing = sorted(ids - found)
    if missing:
        raise StoreError(
            f"{shown}: {table.name}: expected a stored one, found none with id {missing[0]}"
        )


def log(
    connection: sa.Connection, who: str, action: str, subject: str, details: dict[str, Any]
) -> None:
    """Note who did what, in the transaction in which it is done."""
    row = {"who": text_of(who, "who"), "action": action, "subject": subject, "details": details}
    strict_json(details, action)
    connection.execute(audit_log.insert().values(row))


def trade_row(result_id: int, one: NewTrade) -> tuple[Any, ...]:
    """Return a trade as a row of its table.

    Raises
    ------
    StoreError
        If a time or a detail can't be kept.
    """
    ended = None if one.exit_time_ns is None else time_of(one.exit_time_ns, "a trade's exit")
    return (
        result_id,
        as_text(time_of(one.entry_time_ns, "a trade's entry")),
        None if ended is None else as_text(ended),
        float_of(one.pnl),
        one.entry_time_ns,
        one.exit_time_ns,
        None if one.details is None else figures_json(one.details, "a trade's details"),
    )


def keep_trades(connection: sa.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows of `trade_row`; on PostgreSQL into months that are made where they are not."""
    if connection.dialect.name == "sqlite":
        # A key of two columns, of which SQLite numbers none by itself.
        last = connection.execute(sa.select(sa.func.max(trades.c.id))).scalar() or 0
        numbered = ((last + k, *row) for k, row in enumerate(rows, 1))
        insert_rows(connection, trades, ("id", *_TRADE_COLUMNS), numbered)
    else:
        make_partitions(connection, {row[1][:7] for row in rows})
        insert_rows(connection, trades, _TRADE_COLUMNS, rows)


def make_partitions(connection: sa.Connection, months: set[str]) -> None:
    """Make the months of trades, like ``2024-03``, that are not there yet (PostgreSQL)."""
    for month in sorted(months):
        first = dt.date.fromisoformat(f"{month}-01")
        following = (first + dt.timedelta(days=32)).replace(day=1)
        connection.exec_driver_sql(
            f"CREATE TABLE IF NOT EXISTS trades_{first:%Y_%m} PARTITION OF trades "
            f"FOR VALUES FROM ('{first}') TO ('{following}')"
        )
