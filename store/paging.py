"""A page of strategies, found along an index from where the page before ended.

Nothing is ever counted off (``OFFSET``): a page deep in the list costs what the first one does.
"""

import functools
from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa

from tapewire.store.asking import Sorting
from tapewire.store.bulk import in_utc
from tapewire.store.lookups import Asks, Lookup
from tapewire.store.records import StrategyRow
from tapewire.store.schema import backtest_results, strategies

#: Where a row has its moment, which the database keeps without a zone.
_AT: Final = StrategyRow._fields.index("created_at")
_IS_LATEST: Final[sa.ColumnElement[bool]] = sa.literal_column("backtest_results.is_latest = 1")


def page_rows(
    ask: Asks,
    sorting: Sorting,
    kind: str,
    place: tuple[float | str | None, int] | None,
    limit: int,
) -> list[StrategyRow]:
    """Return the rows behind a place.

    Parameters
    ----------
    ask
        Takes a part of the list and its values, and returns rows.
    sorting, kind
        Which list it is.
    place
        Value and strategy's id of the row before; None at the list's beginning.
    limit
        Rows at most.
    """
    behind = {} if place is None else {"value": place[0], "after": place[1]}
    if not sorting.of_results:
        return _rows(ask(_whole(sorting, place is not None), kind=kind, limit=limit, **behind))
    # Rows with a value, then those without: an index has each of the two together.
    rows = []
    if place is None or place[0] is not None:
        part = _with_value(sorting, place is not None)
        rows = _rows(ask(part, kind=kind, limit=limit, **behind))
        behind = {}
    if len(rows) < limit:
        behind.pop("value", None)
        part = _without_value(sorting, bool(behind))
        rows += _rows(ask(part, kind=kind, limit=limit - len(rows), **behind))
    return rows


# There are few such lists: each is built once.


@functools.cache
def _whole(sorting: Sorting, has_place: bool) -> Lookup:
    return _limited(_along(_listed(sorting), sorting, has_place))


@functools.cache
def _with_value(sorting: Sorting, has_place: bool) -> Lookup:
    asked = _listed(sorting).where(sorting.column.is_not(None))
    return _limited(_along(asked, sorting, has_place))


@functools.cache
def _without_value(sorting: Sorting, has_place: bool) -> Lookup:
    ids = backtest_results.c.strategy_id
    asked = _listed(sorting).where(sorting.column.is_(None)).order_by(_ordered(ids, sorting))
    if has_place:
        after = sa.bindparam("after", type_=ids.type)
        asked = asked.where(ids < after if sorting.descending else ids > after)
    return _limited(asked)


def _limited(asked: sa.Select[Any]) -> Lookup:
    return Lookup(asked.limit(sa.bindparam("limit", type_=sa.Integer())))


def _listed(sorting: Sorting) -> sa.Select[Any]:
    """Return the list without order or end: what has no result is there if no figure sorts it."""
    s, r = strategies.c, backtest_results.c
    is_of_kind = r.kind == sa.bindparam("kind", type_=r.kind.type)
    of_kind = (r.strategy_id == s.id) & is_of_kind & _IS_LATEST
    if sorting.of_results:
        joined = sa.join(backtest_results, strategies, r.strategy_id == s.id)
    else:
        joined = sa.outerjoin(strategies, backtest_results, of_kind)
    asked = sa.select(
        s.id, s.name, s.hash, s.format, s.complexity_score, s.generation_id, s.created_at,
        r.id.label("result_id"), r.dataset_id, r.sharpe_ratio, r.total_return, r.max_drawdown,
        r.total_trades,
    ).select_from(joined)  # fmt: skip
    return asked.where(is_of_kind, _IS_LATEST) if sorting.of_results else asked


def _along(asked: sa.Select[Any], sorting: Sorting, has_place: bool) -> sa.Select[Any]:
    """Sort by a value that is there, ties by id, and begin behind a place."""
    column = sorting.column
    ids = backtest_results.c.strategy_id if sorting.of_results else strategies.c.id
    if has_place:
        here, there = (
            sa.tuple_(column, ids),
            sa.tuple_(
                sa.bindparam("value", type_=column.type), sa.bindparam("after", type_=ids.type)
            ),
        )
        asked = asked.where(here < there if sorting.descending else here > there)
    return asked.order_by(_ordered(column, sorting), _ordered(ids, sorting))


def _ordered(column: sa.ColumnElement[Any], sorting: Sorting) -> sa.UnaryExpression[Any]:
    return column.desc() if sorting.descending else column.asc()


def _rows(found: Sequence[Any]) -> list[StrategyRow]:
    # Columns are in the order of the record's.
    return [StrategyRow._make((*row[:_AT], in_utc(row[_AT]), *row[_AT + 1 :])) for row in found]
