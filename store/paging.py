"""A page of strategies, found along an index from where the page before ended.

Nothing is ever counted off (``OFFSET``): a page deep in the list costs what the first one does.
"""

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa

from tapewire.store.asking import Sorting
from tapewire.store.bulk import in_utc
from tapewire.store.records import StrategyRow
from tapewire.store.schema import backtest_results, strategies

_IS_LATEST: Final[sa.ColumnElement[bool]] = sa.literal_column("backtest_results.is_latest = 1")


def page_rows(
    connection: sa.Connection,
    sorting: Sorting,
    conditions: Sequence[sa.ColumnElement[bool]],
    kind: str,
    place: tuple[float | str | None, int] | None,
    limit: int,
) -> list[StrategyRow]:
    """Return the rows behind a place.

    Parameters
    ----------
    connection
        In a transaction.
    sorting, conditions, kind
        Which list it is.
    place
        Value and strategy's id of the row before; None at the list's beginning.
    limit
        Rows at most.
    """
    asked = _listed(sorting, kind).where(*conditions)
    if not sorting.of_results:
        return _rows(connection, _along(asked, sorting, place).limit(limit))
    # Rows with a value, then those without: an index has each of the two together.
    column, rows = sorting.column, []
    if place is None or place[0] is not None:
        with_value = _along(asked.where(column.is_not(None)), sorting, place)
        rows = _rows(connection, with_value.limit(limit))
        place = None
    if len(rows) < limit:
        ids = backtest_results.c.strategy_id
        without = asked.where(column.is_(None)).order_by(_ordered(ids, sorting))
        if place is not None:
            without = without.where(ids < place[1] if sorting.descending else ids > place[1])
        rows += _rows(connection, without.limit(limit - len(rows)))
    return rows


def _listed(sorting: Sorting, kind: str) -> sa.Select[Any]:
    """Return the list without order or end: what has no result is there if no figure sorts it."""
    s, r = strategies.c, backtest_results.c
    of_kind = (r.strategy_id == s.id) & (r.kind == kind) & _IS_LATEST
    if sorting.of_results:
        joined = sa.join(backtest_results, strategies, r.strategy_id == s.id)
    else:
        joined = sa.outerjoin(strategies, backtest_results, of_kind)
    asked = sa.select(
        s.id, s.name, s.hash, s.format, s.complexity_score, s.generation_id, s.created_at,
        r.id.label("result_id"), r.dataset_id, r.sharpe_ratio, r.total_return, r.max_drawdown,
        r.total_trades,
    ).select_from(joined)  # fmt: skip
    return asked.where(r.kind == kind, _IS_LATEST) if sorting.of_results else asked


def _along(
    asked: sa.Select[Any], sorting: Sorting, place: tuple[Any, int] | None
) -> sa.Select[Any]:
    """Sort by a value that is there, ties by id, and begin behind a place."""
    column = sorting.column
    ids = backtest_results.c.strategy_id if sorting.of_results else strategies.c.id
    if place is not None:
        here, there = (
            sa.tuple_(column, ids),
            sa.tuple_(sa.literal(place[0], column.type), sa.literal(place[1], ids.type)),
        )
        asked = asked.where(here < there if sorting.descending else here > there)
    return asked.order_by(_ordered(column, sorting), _ordered(ids, sorting))


def _ordered(column: sa.ColumnElement[Any], sorting: Sorting) -> sa.UnaryExpression[Any]:
    return column.desc() if sorting.descending else column.asc()


def _rows(connection: sa.Connection, asked: sa.Select[Any]) -> list[StrategyRow]:
    return [
        StrategyRow(
            r.id, r.name, r.hash, r.format, r.complexity_score, r.generation_id,
            in_utc(r.created_at), r.result_id, r.dataset_id, r.sharpe_ratio, r.total_return,
            r.max_drawdown, r.total_trades,
        )
        for r in connection.execute(asked).all()
    ]  # fmt: skip
