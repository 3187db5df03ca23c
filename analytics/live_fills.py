"""Reading somebody's live fills: a CSV or Parquet file, as brokers and run folders write them."""

import datetime
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from tapewire.analytics.schemas import PRICE_UNIT
from tapewire.compiled.numbers import to_price, to_whole
from tapewire.compiled.tables import read_table
from tapewire.compiled.units import SURELY_NS
from tapewire.errors import FormatError, NoDataError
from tapewire.execution.codes import Reason

#: What each column may be called; the first is its name in a run's ``fills.parquet``.
NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "ts_event": ("ts_event", "ts_ns", "ts", "time", "timestamp"),
    "symbol": ("symbol", "raw_symbol"),
    "order_side": ("order_side", "side"),
    "last_px": ("last_px", "price", "fill_price"),
    "last_qty": ("last_qty", "quantity", "qty"),
    "client_order_id": ("client_order_id", "order_id"),
    "strategy_id": ("strategy_id", "strategy"),
    "reason": ("reason",),
}
_OPTIONAL: Final = ("client_order_id", "strategy_id", "reason")
_SIDES: Final = {"BUY": 1, "B": 1, "SELL": -1, "S": -1, "A": -1}
#: An ISO 8601 time with a part of a second behind a point or a comma: what is around it, and it.
_FRACTION: Final = re.compile(r"(.*:\d\d:\d\d|.*\D\d{6})[.,](\d+)(\D.*|)")
_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True)
class LiveFill:
    """One fill: ``side`` 1 or -1, ``price`` in 1e-9, ``lots``, ``ts_ns`` since the epoch, UTC.

    ``order`` and ``strategy`` are empty where the file does not say.
    """

    ts_ns: int
    symbol: str
    side: int
    price: int
    lots: int
    order: str = ""
    strategy: str = ""


def read_live_fills(path: Path) -> list[LiveFill]:
    """Read fills from a CSV or Parquet file, in order of time.

    Rows whose ``reason`` is ``SETTLEMENT``, which a run's have, are left out: nobody traded those.
    Times are whole ns since the epoch, ISO 8601 (UTC where it names no offset) or Parquet
    timestamps; prices decimals, or whole 1e-9 where the Parquet column's metadata say so.

    Raises
    ------
    MissingFileError, FormatError, NoDataError
        Naming the file, the row (counted from 1, without the header) and the column.
    """
    columns, units = _read(path)
    found = {
        name: next((other for other in others if other in columns), None)
        for name, others in NAMES.items()
    }
    missing = [name for name, column in found.items() if column is None and name not in _OPTIONAL]
    if missing:
        wanted = ", ".join(" or ".join(NAMES[name]) for name in missing)
        raise FormatError(f"{path}: expected a column {wanted}; found {', '.join(columns)}")
    rows = len(columns[found["ts_event"] or ""])
    if rows == 0:
        raise NoDataError(f"{path}: expected at least one fill, found none")

    def column(name: str, convert: Callable[[Any], Any], what: str) -> list[Any]:
        there = found[name]
        if there is None:
            return [""] * rows
        values = []
        for i, value in enumerate(columns[there]):
            try:
                values.append(convert(value))
            except (TypeError, ValueError, ArithmeticError):
                raise FormatError(
                    f"{path}: row {i + 1}, {there}: expected {what}, found {value!r}"
                ) from None
        return values

    settled = [text == Reason.SETTLEMENT.name for text in column("reason", str, "a name")]
    is_fixed = units.get(found["last_px"] or "") == PRICE_UNIT
    fills = zip(
        column("ts_event", _time_ns, "ns since the epoch or an ISO 8601 time"),
        column("symbol", _name, "a symbol"),
        column("order_side", _side, "BUY or SELL"),
        column("last_px", to_price if is_fixed else _price, "a price"),
        column("last_qty", _lots, "a whole number from 1 on"),
        column("client_order_id", lambda value: "" if value is None else str(value), "a name"),
        column("strategy_id", lambda value: "" if value is None else str(value), "a name"),
        strict=True,
    )
    traded = (
        LiveFill(*fill) for fill, is_settled in zip(fills, settled, strict=True) if not is_settled
    )
    return sorted(traded, key=lambda fill: fill.ts_ns)


def _read(path: Path) -> tuple[dict[str, Sequence[Any]], dict[str, str]]:
    """Columns by name, and the units that a Parquet file's metadata state."""
    import pyarrow as pa

    table = read_table(path, "fills")
    units = {
        field.name: (field.metadata or {}).get(b"unit", b"").decode() for field in table.schema
    }
    columns = {}
    for name in table.column_names:
        values = table.column(name)
        if pa.types.is_timestamp(values.type):
            values = values.cast(pa.timestamp("ns", values.type.tz)).cast(pa.int64())
        columns[name] = values.to_pylist()
    return columns, units


def _time_ns(value: Any) -> int:
    text = str(value).strip()
    if text.lstrip("-").isdigit():
        if 0 < abs(int(text)) < SURELY_NS:
            raise ValueError(text)
        return int(text)
    # Of a fraction datetime keeps six digits and drops the others, so it is taken off before.
    found = _FRACTION.fullmatch(text)
    whole, digits = (found[1] + found[3], found[2]) if found else (text, "")
    moment = datetime.datetime.fromisoformat(whole)
    if len(digits) > 9 or moment.microsecond:
        raise ValueError(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 10**9 + int(digits.ljust(9, "0") or 0)


def _name(value: Any) -> str:
    if value is None or not str(value).strip():
        raise ValueError(value)
    return str(value).strip()


def _side(value: Any) -> int:
    return _SIDES[text] if (text := str(value).strip().upper()) in _SIDES else _refuse(value)


def _price(value: Any) -> int:
    return to_price(Decimal(str(value).strip()))


def _lots(value: Any) -> int:
    number = to_whole(value)
    return number if number > 0 else _refuse(value)


def _refuse(value: Any) -> int:
    raise ValueError(value)
