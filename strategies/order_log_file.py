"""Reading an order log: a CSV or Parquet file of orders, cancels and replaces."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.compiled.units import PRICE_UNITS
from tapewire.errors import FormatError, MissingFileError, NoDataError
from tapewire.execution.codes import OrderType, Side, Term, TimeInForce
from tapewire.market.records import UNDEF_PRICE

ACTION_NEW: Final = 1
ACTION_CANCEL: Final = 2
ACTION_REPLACE: Final = 3

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
    ]
)

_COLUMNS: Final = ("ts_ns", "action", "client_order_id", "symbol", "side", "order_type", "price",
            "quantity", "time_in_force")  # fmt: skip
#: Columns that a log may leave out, as their cells may be empty: then there are no such terms.
TERM_COLUMNS: Final = (
    "trigger_price", "expire_ns", "min_quantity", "display_quantity", "post_only",
)  # fmt: skip
_POST_ONLY: Final = {
    "false": 0, "true": Term.POST_ONLY, "reject": Term.POST_ONLY, "reprice": Term.REPRICE,
}  # fmt: skip
_STOPS: Final = (OrderType.STOP, OrderType.STOP_LIMIT)
_PRICED: Final = (OrderType.LIMIT, OrderType.STOP_LIMIT)
_ACTIONS: Final = {"new": ACTION_NEW, "cancel": ACTION_CANCEL, "replace": ACTION_REPLACE}


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
    latest: dict[str, int] = {}  # row that last gave an order's price and quantity
    for k, i in enumerate(order):
        row = rows[k]
        row["ts"] = ts[i]
        row["handle"] = -1
        row["target"] = -1
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
            row["quantity"] = reader.lots(int(i), "quantity")
            row["time_in_force"] = TimeInForce.IOC
            if row["order_type"] in _PRICED:
                row["price"] = reader.price(int(i), "price")
            if row["order_type"] != OrderType.MARKET:
                forces = {**_names(TimeInForce), "GTX": TimeInForce.GTC}
                row["time_in_force"] = reader.choice(int(i), "time_in_force", forces)
            _read_terms(reader, int(i), row)
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
                row["price"] = (
                    reader.price(int(i), "price") if given(int(i), "price") else last["price"]
                )
                row["quantity"] = (
                    reader.lots(int(i), "quantity")
                    if given(int(i), "quantity")
                    else last["quantity"]
                )
        if action != ACTION_CANCEL:
            latest[name] = k
    return OrderLog(path, rows, labels, books)


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
    if reader.given(i, "post_only"):
        terms |= reader.choice(i, "post_only", _POST_ONLY)
    if row["order_type"] != OrderType.MARKET:
        if reader.text(i, "time_in_force").upper() == "GTX" and not terms & Term.REPRICE:
            terms |= Term.POST_ONLY
    row["terms"] = terms


def _names(enum: Any) -> dict[str, int]:
    return {member.name: int(member) for member in enum}


def _read_columns(path: Path) -> dict[str, list[Any]]:
    import pyarrow as pa

    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            import pyarrow.parquet as pq

            table = pq.read_table(path)
        else:
            from pyarrow import csv

            # Everything as text: a price must not pass through a float.
            with path.open("rb") as file:
                names = file.readline().decode("utf-8", "replace").strip().split(",")
            types = {name.strip().strip('"'): pa.string() for name in names}
            table = csv.read_csv(path, convert_options=csv.ConvertOptions(column_types=types))
    except FileNotFoundError as error:
        raise MissingFileError(f"{path}: expected an order log, found no such file") from error
    except OSError as error:
        raise MissingFileError(f"{path}: can't be read: {error}") from error
    except pa.ArrowInvalid as error:
        raise FormatError(f"{path}: expected a CSV or Parquet order log: {error}") from error
    return {name: table.column(name).to_pylist() for name in table.column_names}


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
            value = Decimal(text)
            if value != value.to_integral_value():
                raise InvalidOperation
            number = int(value)
        except (InvalidOperation, ValueError, OverflowError):
            raise self.error(i, column, "a whole number", repr(text)) from None
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
            value = Decimal(text) * PRICE_UNITS
            if value != value.to_integral_value():
                raise self.error(i, column, "at most nine decimals", repr(text))
            number = int(value)
        except (InvalidOperation, ValueError, OverflowError):
            raise self.error(i, column, "a decimal price", repr(text)) from None
        if not -(2**62) < number < 2**62:
            raise self.error(i, column, "a price below 4.6e9", repr(text))
        return number

    def publisher(self, i: int) -> int | None:
        if "publisher_id" not in self._columns:
            return None
        value = self._columns["publisher_id"][i]
        return None if value in (None, "") else self.integer(i, "publisher_id")
