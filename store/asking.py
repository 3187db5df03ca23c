"""What is asked of a list of strategies: ``trades > 100 and sharpe >= 1``, and where it goes on."""

import base64
import binascii
import json
import math
import re
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from tapewire.errors import ConfigError
from tapewire.store.bulk import INT_MAX
from tapewire.store.schema import backtest_results, strategies

#: What may be asked for and sorted by; the second names are the tables' own.
COLUMNS: Final[dict[str, sa.Column[Any]]] = {
    "sharpe": backtest_results.c.sharpe_ratio,
    "return": backtest_results.c.total_return,
    "drawdown": backtest_results.c.max_drawdown,
    "trades": backtest_results.c.total_trades,
    "dataset": backtest_results.c.dataset_id,
    "id": strategies.c.id,
    "name": strategies.c.name,
    "hash": strategies.c.hash,
    "format": strategies.c.format,
    "complexity": strategies.c.complexity_score,
    "generation": strategies.c.generation_id,
}
_ALSO: Final = {
    "sharpe_ratio": "sharpe",
    "total_return": "return",
    "max_drawdown": "drawdown",
    "total_trades": "trades",
    "dataset_id": "dataset",
    "complexity_score": "complexity",
    "generation_id": "generation",
}
#: Those that pages are sorted by: along an index each.
SORTS: Final = ("sharpe", "return", "drawdown", "trades", "id", "name")
_OPERATORS: Final = {
    "=": sa.Column.__eq__,
    "==": sa.Column.__eq__,
    "!=": sa.Column.__ne__,
    "<": sa.Column.__lt__,
    "<=": sa.Column.__le__,
    ">": sa.Column.__gt__,
    ">=": sa.Column.__ge__,
}
_CONDITION: Final = re.compile(
    r"\s*(?P<column>\w+)\s*(?P<operator>[=<>!]+)\s*"
    r"(?:(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?![\w.])|'(?P<text>(?:[^']|'')*)')\s*"
)
_AND: Final = re.compile(r"and\b", re.IGNORECASE)
_EXPECTED: Final = "COLUMN OPERATOR VALUE, like trades > 100 and sharpe >= 1"
_WHERE_LETTERS_MAX: Final = 4_000
#: Whole numbers that both databases have.
_WHOLE_MAX: Final = 2**63 - 1


@dataclass(frozen=True)
class Sorting:
    """What a list is sorted by.

    Attributes
    ----------
    name : str
        Of `COLUMNS`.
    descending : bool
    """

    name: str
    descending: bool

    @property
    def column(self) -> sa.Column[Any]:
        """The column of that name."""
        return COLUMNS[self.name]

    @property
    def of_results(self) -> bool:
        """Whether it is a figure of results."""
        return self.column.table is backtest_results


def sorting_of(name: str, *, descending: bool) -> Sorting:
    """Look a column to sort by up.

    Raises
    ------
    ConfigError
        If there is no such, listing those that there are.
    """
    found = _ALSO.get(name, name)
    if found not in SORTS:
        raise ConfigError(f"sort: expected one of {', '.join(SORTS)}, found {name!r}")
    return Sorting(found, descending)


def conditions_of(where: str) -> list[sa.ColumnElement[bool]]:
    """Read conditions that all have to be true.

    Parameters
    ----------
    where
        A column, an operator (``= != < <= > >=``) and a number or a text in single quotes, and
        more of them joined by ``and``; empty for none. Where a strategy has no value in a column,
        no condition on it is true.

    Raises
    ------
    ConfigError
        If it is none, saying from where on.
    """
    if not where.strip():
        return []
    if len(where) > _WHERE_LETTERS_MAX:
        raise ConfigError(
            f"where: expected at most {_WHERE_LETTERS_MAX:,} letters, found {len(where):,}"
        )
    found: list[sa.ColumnElement[bool]] = []
    at = 0
    while True:
        match = _CONDITION.match(where, at)
        if match is None:
            raise ConfigError(f"where: expected {_EXPECTED}, found {where[at:].strip()!r}")
        found.append(_condition(match))
        at = match.end()
        if at == len(where):
            return found
        joined = _AND.match(where, at)
        if joined is None:
            raise ConfigError(f"where: expected and, found {where[at:].strip()!r}")
        at = joined.end()


def _condition(match: re.Match[str]) -> sa.ColumnElement[bool]:
    name, sign = match["column"], match["operator"]
    column = COLUMNS.get(_ALSO.get(name, name))
    if column is None:
        raise ConfigError(f"where: expected a column of {', '.join(COLUMNS)}, found {name!r}")
    operator = _OPERATORS.get(sign)
    if operator is None:
        raise ConfigError(f"where: {name}: expected one of = != < <= > >=, found {sign!r}")
    if isinstance(column.type, sa.Text):
        if match["text"] is None or "\0" in match["text"]:
            raise ConfigError(
                f"where: {name}: expected a text in quotes like 'json', found {match['number']}"
            )
        return operator(column, match["text"].replace("''", "'"))
    if match["number"] is None:
        raise ConfigError(f"where: {name}: expected a number, found '{match['text']}'")
    return operator(column, _literal(name, column, match["number"]))


def _literal(name: str, column: sa.Column[Any], text: str) -> sa.ColumnElement[Any]:
    number = float(text)
    if not math.isfinite(number):
        raise ConfigError(f"where: {name}: expected a number of at most 1.8e308, found {text}")
    # A column of whole numbers is held against half of one, or a large one, as a float.
    if isinstance(column.type, sa.Integer) and number.is_integer() and abs(number) <= INT_MAX:
        return sa.literal(int(number), sa.Integer())
    return sa.literal(number, sa.Float(53))


def place_after(sorting: Sorting, value: float | str | None, strategy_id: int) -> str:
    """Write down where a page ended: what is behind it comes next, whatever was added since."""
    text = json.dumps([sorting.name, sorting.descending, value, strategy_id])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_place(after: str, sorting: Sorting) -> tuple[float | str | None, int]:
    """Read where a page ended.

    Returns
    -------
    tuple of (float, str or None, int)
        The value it was sorted by, the strategy's id.

    Raises
    ------
    ConfigError
        If it is no such place, or one of a list that is sorted in another way.
    """
    try:
        padded = after + "=" * (-len(after) % 4)
        name, descending, value, strategy_id = json.loads(base64.urlsafe_b64decode(padded))
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise ConfigError(
            f"after: expected what the page before ended with, found {after[:80]!r}"
        ) from None
    if (name, descending) != (sorting.name, sorting.descending):
        raise ConfigError(
            "after: expected the place of a list that is sorted in the same way, found "
            f"{name}, {'descending' if descending else 'ascending'}"
        )
    kind = str if sorting.name == "name" else int | float | None
    is_id = isinstance(strategy_id, int) and 0 <= strategy_id <= _WHOLE_MAX
    if not isinstance(value, kind) or isinstance(value, bool) or not is_id:
        raise ConfigError(f"after: expected what the page before ended with, found {after[:80]!r}")
    return value, strategy_id
