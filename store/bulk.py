"""Many rows at once, values as both databases take them."""

import contextlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from tapewire.errors import StoreError
from tapewire.store.copying import copy_blocks

#: Whole numbers of a column of four bytes.
INT_MAX: Final = 2**31 - 1
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 (columns are UTC without a zone)
_NS_MAX: Final = 2**63 - 1
#: Made once: to make an encoder takes longer than to use it.
_written: Final = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False
).encode
_written_fast: Final = msgspec.json.Encoder().encode
#: Values that both encoders write as one number, truth or text.
SAME_IN_BOTH: Final = frozenset({float, int, bool, str})


def insert_rows(
    connection: sa.Connection,
    table: sa.Table,
    columns: Sequence[str],
    rows: Iterable[tuple[Any, ...]],
) -> None:
    """Insert rows whose values are what a driver takes: JSON as text, times as text.

    By ``COPY`` on PostgreSQL, by one prepared statement on SQLite.
    """
    if connection.dialect.name == "sqlite":
        names, places = ", ".join(columns), ", ".join("?" * len(columns))
        listed = list(rows)
        if listed:
            connection.exec_driver_sql(
                f"INSERT INTO {table.name} ({names}) VALUES ({places})", listed
            )
        return
    with copying_into(connection, table, columns) as write:
        for block in copy_blocks(rows):
            write(block)


@contextlib.contextmanager
def copying_into(
    connection: sa.Connection, table: sa.Table, columns: Sequence[str]
) -> Iterator[Callable[[bytes], None]]:
    """Begin a ``COPY`` into a table of PostgreSQL's; lend what takes blocks of rows.

    Until it ends nothing else can be asked on this connection.
    """
    raw = connection.connection.driver_connection
    assert raw is not None
    asked = f"COPY {table.name} ({', '.join(columns)}) FROM STDIN"
    with raw.cursor() as cursor, cursor.copy(asked) as copy:
        yield copy.write


def among(
    connection: sa.Connection, column: sa.Column[Any], values: Sequence[Any]
) -> sa.ColumnElement[bool]:
    """Return that a column has one of many values, as one parameter however many there are."""
    text = sa.literal(json.dumps(list(values)), sa.Text())
    if connection.dialect.name == "sqlite":
        listed = sa.func.json_each(text).table_valued("value")
        return column.in_(sa.select(listed.c.value))
    # As a list of its own, an array of texts takes the driver longer than the server the look-up.
    one = sa.cast(sa.func.json_array_elements_text(sa.cast(text, sa.JSON())), column.type)
    return column == sa.any_(sa.func.array(sa.select(one).scalar_subquery()))


def next_ids(connection: sa.Connection, table: sa.Table, count: int) -> range:
    """Take numbers for rows to come; none is ever given twice, be they used or not."""
    if not count:
        return range(1, 1)
    if connection.dialect.name == "sqlite":
        # Nobody else writes meanwhile.
        last = connection.exec_driver_sql(
            "SELECT seq FROM sqlite_sequence WHERE name = ?", (table.name,)
        ).scalar()
        first = (last or 0) + 1
    else:
        # Whoever inserts holds the store's lock: nobody else takes one in between.
        name = f"{table.name}_id_seq"
        last = connection.exec_driver_sql(
            f"SELECT setval('{name}', nextval('{name}') + {int(count)} - 1)"
        ).scalar_one()
        first = last - count + 1
    return range(first, first + count)


def give_back_ids(connection: sa.Connection, table: sa.Table, first: int) -> None:
    """Have numbers that `next_ids` gave, from this one on, be the next again (PostgreSQL)."""
    connection.exec_driver_sql(f"SELECT setval('{table.name}_id_seq', {int(first)}, false)")


def strict_json(value: Any, what: str) -> str:
    """Write a value that has to come back as it is.

    Raises
    ------
    StoreError
        If it is not JSON: not a number, infinite, or of another type.
    """
    try:
        text = _written(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise StoreError(f"{what}: expected what JSON can hold: {error}") from None
    return text_of(text, what) if "\\u0000" not in text else _refuse_nul(what)


def figures_json(value: Any, what: str) -> str:
    """Write figures: what is not a number as null, infinity as the text ``inf``."""
    if (
        type(value) is dict
        and {*map(type, value)} <= {str}
        and {*map(type, value.values())} <= SAME_IN_BOTH
    ):
        try:
            fast = _written_fast(value).decode()
        except (UnicodeEncodeError, OverflowError):
            fast = ""
        # Null is all that it writes of numbers that are none, and of endless ones.
        if fast and "null" not in fast and "\\u0000" not in fast:
            return fast
    try:
        text = _written(value)
    except ValueError:
        return strict_json(_without_nan(value), what)
    except TypeError:
        return strict_json(value, what)
    return text_of(text, what) if "\\u0000" not in text else _refuse_nul(what)


def _without_nan(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else ("inf" if value > 0 else "-inf")
    if isinstance(value, dict):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(one) for one in value]
    return value


def text_of(text: str, what: str) -> str:
    """Return a text that both databases can hold.

    Raises
    ------
    StoreError
        If it has a NUL, or half of a surrogate pair.
    """
    if not isinstance(text, str):
        raise StoreError(f"{what}: expected a text, found {type(text).__name__}")
    if "\0" in text:
        _refuse_nul(what)
    try:
        if not text.isascii():
            text.encode()
    except UnicodeEncodeError as error:
        raise StoreError(f"{what}: expected a text, found {error.reason}") from None
    return text


def _refuse_nul(what: str) -> str:
    raise StoreError(f"{what}: expected a text, found a NUL in it")


def float_of(value: float | None) -> float | None:
    """Return a float, None for what is not a number."""
    # What is not a number differs from itself.
    return None if value is None or value != value else float(value)


def count_of(value: int | None, what: str) -> int | None:
    """Return a whole number that a column of four bytes can hold.

    Raises
    ------
    StoreError
        If it can't.
    """
    if value is None:
        return None
    if value != int(value) or not 0 <= value <= INT_MAX:
        raise StoreError(f"{what}: expected 0 to {INT_MAX:,}, found {value}")
    return int(value)


def time_of(ns: int, what: str) -> datetime:
    """Return ns since the epoch as UTC without a zone, to the microsecond below.

    Raises
    ------
    StoreError
        If it is out of what 64 bits can hold.
    """
    if not -_NS_MAX <= ns <= _NS_MAX:
        raise StoreError(f"{what}: expected nanoseconds since 1970, found {ns}")
    return _EPOCH + timedelta(microseconds=ns // 1_000)


def as_text(moment: datetime) -> str:
    """Return a moment as both databases read it."""
    return moment.isoformat(" ", "microseconds")


def in_utc(moment: datetime) -> datetime:
    """Return a moment of a column, with its zone."""
    return moment.replace(tzinfo=UTC)
