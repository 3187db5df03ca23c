"""Reading an order log: a CSV or Parquet file of orders, cancels and replaces."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.compiled.numbers import to_whole
from tapewire.compiled.tables import read_table
from tapewire.compiled.units import PRICE_UNITS
from tapewire.errors import FormatError, NoDataError
from tapewire.execution.codes import OrderType, Peg, Side, Term, TimeInForce
from tapewire.market.records import UNDEF_PRICE
from tapewire.strategies.layout import REQUESTS_MAX

ACTION_NEW: Final = 1
ACTION_CANCEL: Final = 2
ACTION_REPLACE: Final = 3
ACTION_MASS_CANCEL: Final = 4  # of all orders in the book of the one that it names

#: One line of the log.
ROW: Final = np.dtype(
    [
        ("ts", "i8"),
        ("action", "i8"),
        ("target", "i8"),  # of a cancel or replace: the row that sent its order
        ("leg", "i8"),
        ("side", "i8"),
        ("order_type", "i8"),
        ("price", "i8"),
        ("quantity", "i8"),
        ("time_in_force", "i8"),
        ("handle", "i8"),  # of the order a new row has sent
        ("terms", "i8"),  # codes.Term
        ("trigger_price", "i8"),
        ("expire_ns", "i8"),
        ("min_quantity", "i8"),
        ("display_quantity", "i8"),
        ("peg", "i8"),  # codes.Peg
        ("peg_offset_ticks", "i8"),
        ("group", "i8"),  # an earlier row whose group it joins, or -1
        ("parent", "i8"),  # the row of the entry whose exit it is, or -1
        # Rows from this one on that go out in one callback, as their orders hang together; 1: it
        # alone; 0: an earlier row has counted it.
        ("together", "i8"),
        # Of a new row: its order has no limit but what the venue makes it, as long as no replace
        # has given it one. Of a replace: it leaves that as it is.
        ("venue_price", "i8"),
    ]
)
#: Rows that are sent in one callback: beside them it asks to be called for the next one.
ROWS_AT_ONCE: Final = REQUESTS_MAX - 1

#: Of a price, and of ten in the largest one.
_DECIMALS_MAX: Final = 9
_PRICE_POWER_MAX: Final = 9
_COLUMNS: Final = ("ts_ns", "action", "client_order_id", "symbol", "side", "order_type", "price",
            "quantity", "time_in_force")  # fmt: skip
#: Columns that a log may leave out, as their cells may be empty: then there are no such terms.
TERM_COLUMNS: Final = (
    "trigger_price", "expire_ns", "min_quantity", "display_quantity", "post_only", "reduce_only",
    "peg", "peg_offset_ticks", "group", "parent",
)  # fmt: skip
_POST_ONLY: Final = {
    "false": 0, "true": Term.POST_ONLY, "reject": Term.POST_ONLY, "reprice": Term.REPRICE,
}  # fmt: skip
_YES_NO: Final = {"false": 0, "true": Term.REDUCE_ONLY}
_STOPS: Final = (OrderType.STOP, OrderType.STOP_LIMIT)
_PRICED: Final = (OrderType.LIMIT, OrderType.STOP_LIMIT)
_PRICED_BY_VENUE: Final = (OrderType.STOP, OrderType.MARKET, OrderType.MARKET_TO_LIMIT)
_ACTIONS: Final = {
    "new": ACTION_NEW, "cancel": ACTION_CANCEL, "replace": ACTION_REPLACE,
    "mass_cancel": ACTION_MASS_CANCEL,
}  # fmt: skip


@dataclass
class OrderLog:
    """A checked order log.

    Attributes
    ----------
    rows : (n,) ROW
        By time; legs not yet assigned.
    labels : list of str
        ``client_order_id`` of each new row, in the order of sending.
    books : list of (symbol, publisher_id or None), one per row
    """

    path: Path
    rows: npt.NDArray[Any]
    labels: list[str]
    books: list[tuple[str, int | None]]


def read_order_log(path: Path) -> OrderLog:
    """Read and check a CSV or Parquet order log.

    Raises
    ------
    MissingFileError, FormatError, NoDataError
        Naming the file, the row (counted from 1, without the header) and the column.
    """
    columns = _read_columns(path)
    missing = [name for name in _COLUMNS if name not in columns]
    if missing:
        raise FormatError(
            f"{path}: expected the columns {', '.join(_COLUMNS)}; "
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"
        )
    n = len(columns["ts_ns"])
    if n == 0:
        raise NoDataError(f"{path}: expected at least one order, found none")
    reader = _RowReader(path, columns)
    ts = np.array([reader.integer(i, "ts_ns") for i in range(n)], np.int64)
    order = np.argsort(ts, kind="stable")
    rows = np.zeros(n, ROW)
    labels: list[str] = []
    books: list[tuple[str, int | None]] = []
    sent_by: dict[str, int] = {}
    groups: dict[str, int] = {}  # first row of each
    latest: dict[str, int] = {}  # row that last gave an order's price and quantity
    for k, i in enumerate(order):
        row = rows[k]
        row["ts"] = ts[i]
        row["handle"] = -1
        row["target"] = -1
        row["group"] = row["parent"] = -1
        row["price"] = UNDEF_PRICE
        action = reader.choice(int(i), "action", _ACTIONS)
        name = reader.text(int(i), "client_order_id")
        row["action"] = action
        if action == ACTION_NEW:
            books.append((reader.text(int(i), "symbol"), reader.publisher(int(i))))
            if name in sent_by:
                raise reader.error(int(i), "client_order_id", "a new id", f"{name!r} again")
            sent_by[name] = k
            labels.append(name)
            row["side"] = reader.choice(int(i), "side", _names(Side))
            row["order_type"] = reader.choice(int(i), "order_type", _names(OrderType))
            row["venue_price"] = row["order_type"] in _PRICED_BY_VENUE
            row["quantity"] = reader.lots(int(i), "quantity")
            row["time_in_force"] = TimeInForce.IOC
            free = reader.given(int(i), "peg") and not reader.given(int(i), "price")
            if row["order_type"] in _PRICED and not free:
                row["price"] = reader.price(int(i), "price")
            if row["order_type"] != OrderType.MARKET:
                forces = {**_names(TimeInForce), "GTX": TimeInForce.GTC}
                row["time_in_force"] = reader.choice(int(i), "time_in_force", forces)
            _read_terms(reader, int(i), row)
            _read_group(reader, int(i), k, rows, sent_by, groups)
        else:
            if name not in sent_by:
                raise reader.error(
                    int(i), "client_order_id", "an order sent by an earlier row", repr(name)
                )
            target = sent_by[name]
            row["target"] = target
            books.append(books[target])  # a cancel or replace need not say it again
            if reader.given(int(i), "symbol") and reader.text(int(i), "symbol") != books[k][0]:
                raise reader.error(
                    int(i), "symbol", f"{books[k][0]!r}, as the order has",
                    repr(reader.text(int(i), "symbol")),
                )  # fmt: skip
            if action == ACTION_REPLACE:
                # What a replace leaves out stays as the order's last row said.
                last = rows[latest[name]]
                given = reader.given
                row["venue_price"] = rows[target]["venue_price"] and not given(int(i), "price")
                if given(int(i), "price"):
                    row["price"] = reader.price(int(i), "price")
                elif last["action"] == ACTION_NEW and last["order_type"] == OrderType.STOP:
                    row["price"] = last["trigger_price"]  # which a replace has for a price
                else:
                    row["price"] = last["price"]
                row["quantity"] = (
                    reader.lots(int(i), "quantity")
                    if given(int(i), "quantity")
                    else last["quantity"]
                )
        if action in (ACTION_NEW, ACTION_REPLACE):
            latest[name] = k
    _join_rows(reader, order, rows)
    return OrderLog(path, rows, labels, books)


def _join_rows(reader: "_RowReader", order: npt.NDArray[Any], rows: npt.NDArray[Any]) -> None:
    """Count the rows that go out in one callback: all from an order on to the last tied to it."""
    groups, parents = rows["group"].tolist(), rows["parent"].tolist()
    first = last = len(rows)  # of the block at hand, as far as its rows say; from behind
    for k in range(len(rows) - 1, -1, -1):
        if k < first:  # no later row hangs on this one or on an earlier one
            first = last = k
        for tied in (groups[k], parents[k]):
            if tied != -1:
                first = min(first, tied)
        if k > first:
            continue
        rows[k]["together"] = last - k + 1
        if last - k >= ROWS_AT_ONCE:
            raise reader.error(
                int(order[last]), "parent" if parents[last] != -1 else "group",
                f"what hangs together within {ROWS_AT_ONCE} rows of a ts_ns",
                f"{last - k + 1} rows from row {int(order[k]) + 1} on",
            )  # fmt: skip


def _read_terms(reader: "_RowReader", i: int, row: Any) -> None:
    """Read the terms of a new order, as far as the log has them."""
    terms = Term(0)
    if row["order_type"] in _STOPS:
        row["trigger_price"] = reader.price(i, "trigger_price")
        terms |= Term.STOP
    if reader.given(i, "expire_ns"):
        row["expire_ns"] = reader.integer(i, "expire_ns")
        terms |= Term.EXPIRES
    elif row["time_in_force"] == TimeInForce.GTD:
        raise reader.error(i, "expire_ns", "a time, of a GTD order", "nothing")
    for column, term in (("min_quantity", Term.MINIMUM), ("display_quantity", Term.DISPLAY)):
        if reader.given(i, column):
            row[column] = reader.lots(i, column)
            terms |= term
    if reader.given(i, "peg"):
        row["peg"] = reader.choice(i, "peg", _names(Peg))
        if reader.given(i, "peg_offset_ticks"):
            row["peg_offset_ticks"] = reader.integer(i, "peg_offset_ticks")
    if reader.given(i, "reduce_only"):
        terms |= reader.choice(i, "reduce_only", _YES_NO)
    if reader.given(i, "post_only"):
        terms |= reader.choice(i, "post_only", _POST_ONLY)
    if row["order_type"] != OrderType.MARKET:
        if reader.text(i, "time_in_force").upper() == "GTX" and not terms & Term.REPRICE:
            terms |= Term.POST_ONLY
    row["terms"] = terms


def _read_group(
    reader: "_RowReader", i: int, k: int, rows: npt.NDArray[Any], sent_by: Mapping[str, int],
    groups: dict[str, int],
) -> None:  # fmt: skip
    """Read what a new order hangs together with: orders that are sent at the same time."""
    if reader.given(i, "group"):
        rows[k]["group"] = first = groups.setdefault(reader.text(i, "group"), k)
        if rows[first]["ts"] != rows[k]["ts"]:
            raise reader.error(i, "group", "orders of one ts_ns", reader.text(i, "group"))
    if reader.given(i, "parent"):
        name = reader.text(i, "parent")
        if name not in sent_by or rows[sent_by[name]]["ts"] != rows[k]["ts"] or sent_by[name] == k:
            raise reader.error(i, "parent", "an earlier row's order of this ts_ns", repr(name))
        rows[k]["parent"] = sent_by[name]


def _names(enum: Any) -> dict[str, int]:
    return {member.name: int(member) for member in enum}


def _read_columns(path: Path) -> dict[str, list[Any]]:
    table = read_table(path, "an order log")
    try:
        return {name: table.column(name).to_pylist() for name in table.column_names}
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: expected text in UTF-8, found none: {error}") from None


class _RowReader:
    """Cells of the log, with errors that say where."""

    def __init__(self, path: Path, columns: Mapping[str, list[Any]]) -> None:
        self._path = path
        self._columns = columns

    def error(self, i: int, column: str, expected: str, found: str) -> FormatError:
        return FormatError(
            f"{self._path}: row {i + 1}, {column}: expected {expected}, found {found}"
        )

    def given(self, i: int, column: str) -> bool:
        if column not in self._columns:
            return False
        value = self._columns[column][i]
        return value is not None and str(value).strip() != ""

    def text(self, i: int, column: str) -> str:
        if not self.given(i, column):
            raise self.error(i, column, "a value", "nothing")
        return str(self._columns[column][i]).strip()

    def choice(self, i: int, column: str, values: Mapping[str, int]) -> int:
        text = self.text(i, column)
        for name, value in values.items():
            if name.lower() == text.lower():
                return value
        raise self.error(i, column, " or ".join(values), repr(text))

    def integer(self, i: int, column: str) -> int:
        text = self.text(i, column)
        try:
            number = to_whole(text)
        except ValueError:
            raise self.error(i, column, "a whole number", repr(text)) from None
        except OverflowError:
            number = 2**63
        if not -(2**63) < number < 2**63:
            raise self.error(i, column, "a 64-bit number", repr(text))
        return number

    def lots(self, i: int, column: str) -> int:
        number = self.integer(i, column)
        if number < 1:
            raise self.error(i, column, "a whole number from 1 on", repr(self.text(i, column)))
        return number

    def price(self, i: int, column: str) -> int:
        text = self.text(i, column)
        try:
            value = Decimal(text)
        except InvalidOperation:
            value = Decimal("NaN")
        if not value.is_finite():
            raise self.error(i, column, "a decimal price", repr(text))
        # Before it is scaled: one of a billion digits is not written out.
        power = value.adjusted() if value else 0
        if power > _PRICE_POWER_MAX:
            raise self.error(i, column, "a price below 4.6e9", repr(text))
        scaled = value * PRICE_UNITS
        if power < -_DECIMALS_MAX or scaled != scaled.to_integral_value():
            raise self.error(i, column, "at most nine decimals", repr(text))
        number = int(scaled)
        if not -(2**62) < number < 2**62:
            raise self.error(i, column, "a price below 4.6e9", repr(text))
        return number

    def publisher(self, i: int) -> int | None:
        if "publisher_id" not in self._columns:
            return None
        value = self._columns["publisher_id"][i]
        return None if value in (None, "") else self.integer(i, "publisher_id")
