"""From the simulation's fixed-width rows to Parquet tables, in bounded memory."""

from collections.abc import Sequence
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from tapewire.analytics.arrivals import COST_COLUMNS, COST_DTYPE
from tapewire.analytics.denials import LIMITED
from tapewire.analytics.exact import add, groups, scale, to_int64
from tapewire.analytics.ledger import Leg, account_money
from tapewire.analytics.markouts import HORIZONS, NO_PRICE
from tapewire.analytics.rates import Conversion
from tapewire.analytics.schemas import (
    EQUITY,
    EVENTS,
    FEES,
    FILLS,
    MARKOUTS,
    ORDERS,
    PRICE_UNIT,
    SERIES,
    Column,
    arrow_schema,
)
from tapewire.atomic import AtomicFile, output_errors
from tapewire.errors import SimulationError
from tapewire.execution.codes import (
    FillReason,
    Liquidity,
    OrderEvent,
    OrderStatus,
    OrderType,
    Peg,
    PositionEffect,
    Reason,
    Side,
    Term,
    TimeInForce,
    own_order_name,
)
from tapewire.market.records import UNDEF_PRICE

if TYPE_CHECKING:
    import pyarrow as pa

#: Of a table's metadata: the status of a run without an end, which its rows are not the whole of.
STATUS_KEY: Final = "tapewire.status"
#: Rows held in memory per table before they become a row group on the disk (8 to 16 MB).
ROW_GROUP_ROWS: Final = 65_536
#: Of a code that nobody has named.
_UNNAMED: Final = -1
#: Numbers that repeat like prices, though they are money.
_LIKE_PRICES: Final = ("slippage", "shortfall")
#: Names of orders: nearly as many as there are rows.
_MANY_WORDS: Final = ("client_order_id", "parent")


class TableWriter:
    """One Parquet file in the making, written row group by row group.

    Parameters
    ----------
    target
        The file; it stays under its temporary name until it is published.
    table, columns
        Name and columns, see `tapewire.analytics.schemas`.
    """

    def __init__(self, target: AtomicFile, table: str, columns: tuple[Column, ...]) -> None:
        import pyarrow.parquet as pq

        self.rows = 0
        self.schema = arrow_schema(table, columns)
        self._target = target
        with output_errors(target.path):
            self._writer = pq.ParquetWriter(
                target.file, self.schema, version="2.6", **_encodings(columns),
            )  # fmt: skip

    def write(self, columns: dict[str, Any], rows: int) -> None:
        """Append one row group; arrays are converted to the schema's types, checked."""
        table = _arrow_table(self.schema, columns)
        with output_errors(self._target.path):
            self._writer.write_table(table)
        self.rows += rows

    def mark(self, status: str) -> None:
        """Say in the file's own metadata that the run it is from has no end."""
        self._writer.add_key_value_metadata({STATUS_KEY: status})

    def close(self) -> None:
        """Write the footer and flush the file to the disk."""
        with output_errors(self._target.path):
            self._writer.close()
        self._target.seal()

    def abandon(self) -> None:
        """Stop writing; whatever the writer still wants to say is not heard. Never raises."""
        try:
            self._writer.close()
        except Exception:
            self._target.discard()


def _encodings(columns: tuple[Column, ...]) -> dict[str, Any]:
    """Return how columns are encoded: in half the time and bytes of what a writer would choose.

    It would look for a dictionary in each. Words and prices have one: there are few in a row group.
    Times and numbers are written as differences; times are not packed further, which would save
    nothing. Nobody asks for the first and the last word of a row group.
    """
    words = ("string", "int32", "uint16", "uint32")
    repeated = {
        column.name
        for column in columns
        if (column.type in words and column.name not in _MANY_WORDS)
        or (column.type == "int64" and column.unit == PRICE_UNIT)
        or column.name in _LIKE_PRICES
    }
    return {
        "write_statistics": [column.name for column in columns if column.type != "string"],
        "use_dictionary": [column.name for column in columns if column.name in repeated],
        "column_encoding": {
            column.name: "DELTA_BINARY_PACKED"
            for column in columns
            if column.type in ("int64", "time") and column.name not in repeated
        },
        "compression": {
            column.name: "NONE" if column.type == "time" else "ZSTD" for column in columns
        },
        "compression_level": {column.name: 1 for column in columns if column.type != "time"},
    }


def _arrow_table(schema: "pa.Schema", columns: dict[str, Any]) -> "pa.Table":
    import pyarrow as pa

    arrays = [
        value.cast(field.type) if isinstance(value, pa.Array) else pa.array(value, field.type)
        for field, value in ((field, columns[field.name]) for field in schema)
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


class Names:
    """Column builders that share the run's leg table."""

    def __init__(self, legs: Sequence[Leg], conversion: Conversion | None = None) -> None:
        self.legs = legs
        self._conversion = conversion or Conversion()
        self.num = np.array([leg.multiplier_num for leg in legs], np.int64)
        self.den = np.array([leg.multiplier_den for leg in legs], np.int64)
        for leg in legs:
            if leg.multiplier_num <= 0 or leg.multiplier_den <= 0:
                raise SimulationError(
                    f"expected a positive multiplier for {leg.symbol}, "
                    f"found {leg.multiplier_num}/{leg.multiplier_den}"
                )

    def worth(self, rows: NDArray[np.void]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return what a price point is worth by lot as each order was sent, as a fraction."""
        num, den = self.num[rows["leg"]], self.den[rows["leg"]]
        for leg, at in groups(rows["leg"]) if self._conversion else ():
            steps = self._conversion.of(self.legs[leg])
            if steps is not None:
                num[at], den[at] = steps.at(rows["ts_sent"][at])
        return num, den

    def check(self, rows: NDArray[np.void], what: str) -> None:
        """Refuse rows whose leg is not in the table."""
        wrong = np.flatnonzero((rows["leg"] < 0) | (rows["leg"] >= len(self.legs)))
        if wrong.size:
            raise SimulationError(
                f"expected {what} of legs 0 to {len(self.legs) - 1}, "
                f"found leg {rows['leg'][wrong[0]]}"
            )

    def keys(self, rows: NDArray[np.void]) -> dict[str, Any]:
        """Return leg, strategy and book columns of the rows."""
        leg = rows["leg"]
        return {
            "leg": leg.astype(np.int32),
            "strategy_id": _words(leg, [x.strategy_id for x in self.legs]),
            "symbol": _words(leg, [x.symbol for x in self.legs]),
            "publisher_id": self._of_leg([x.publisher_id for x in self.legs], leg),
            "instrument_id": self._of_leg([x.instrument_id for x in self.legs], leg),
        }

    @staticmethod
    def _of_leg(values: list[int], leg: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.asarray(np.array(values, np.int64)[leg])

    def parent_ids(self, rows: NDArray[np.void]) -> "pa.Array":
        """Return the client order ids of orders' entries as text, null where there is none."""
        import pyarrow as pa

        if not rows["parent"].any():
            return pa.nulls(len(rows), pa.string())
        text = np.full(len(rows), None, object)
        for at in np.flatnonzero(rows["parent"]):
            labels = self.legs[int(rows["leg"][at])].client_order_labels
            number = int(rows["parent"][at])
            text[at] = str(number) if labels is None else labels[number - 1]
        return pa.array(text, pa.string())

    def order_ids(self, rows: NDArray[np.void]) -> "pa.Array":
        """Return the client order ids as text: the user's own labels where there are any."""
        import pyarrow as pa

        own = rows["client_order_id"] > 0  # the strategies' own, not the simulation's
        if own.all() and all(leg.client_order_labels is None for leg in self.legs):
            return pa.array(rows["client_order_id"]).cast(pa.string())
        text = rows["client_order_id"].astype(object)
        for leg, mine in groups(rows["leg"]):
            labels = self.legs[leg].client_order_labels
            for at in mine:
                number = int(text[at])
                known = labels is not None and 0 < number <= len(labels)
                text[at] = labels[number - 1] if labels is not None and known else str(number)
                if number < 0:
                    text[at] = own_order_name(number)
        return pa.array(text, pa.string())


def fill_columns(rows: NDArray[np.void], names: Names) -> dict[str, Any]:
    """Return the columns of ``fills.parquet`` for ``FILL_DTYPE`` rows."""
    names.check(rows, "fills")
    return {
        **names.keys(rows),
        "client_order_id": names.order_ids(rows),
        "order_side": _codes(rows["side"], Side, "order side"),
        "last_px": rows["last_px"],
        "last_qty": rows["last_qty"],
        "liquidity_side": _codes(rows["liquidity"], Liquidity, "liquidity side"),
        "reason": _codes(rows["reason"], FillReason, "fill reason"),
        "commission": rows["commission"],
        "position": rows["position"],
        "ts_event": rows["ts_event"],
        "ts_known": _nullable(rows["ts_known"], rows["ts_known"] == 0),
        "ts_placed": rows["ts_placed"],
        "queue_ahead": _nullable(rows["lots_ahead"], rows["lots_ahead"] < 0),
        "impact": rows["impact"],
        "position_effect": _codes(rows["effect"], PositionEffect, "position effect"),
    }


def order_columns(rows: NDArray[np.void], names: Names) -> dict[str, Any]:
    """Return the columns of ``orders.parquet`` for rows of ``ORDER_DTYPE`` or `COST_DTYPE`."""
    names.check(rows, "orders")
    stopped = rows["status"] == OrderStatus.DENIED
    unlimited = ~(stopped & _is_limited(rows))
    return {
        **names.keys(rows),
        "client_order_id": names.order_ids(rows),
        "order_side": _codes(rows["side"], Side, "order side"),
        "order_type": _codes(rows["order_type"], OrderType, "order type"),
        "time_in_force": _codes(rows["time_in_force"], TimeInForce, "time in force"),
        "price": _nullable(rows["price"], rows["price"] == UNDEF_PRICE),
        "quantity": rows["quantity"],
        "filled_qty": rows["filled_qty"],
        "status": _codes(rows["status"], OrderStatus, "order status"),
        "reason": _codes(rows["reason"], Reason, "order reason"),
        "queue_ahead": _nullable(rows["queue_ahead"], rows["queue_ahead"] < 0),
        "ts_sent": rows["ts_sent"],
        "ts_arrived": _nullable(rows["ts_arrived"], rows["ts_arrived"] == 0),
        "ts_closed": _nullable(rows["ts_closed"], rows["ts_closed"] == 0),
        "replaces": rows["replaces"],
        "ts_replaced": _nullable(rows["ts_replaced"], rows["ts_replaced"] == 0),
        **_term_columns(rows),
        "parent": names.parent_ids(rows),
        **_cost_columns(rows, names),
        "limit_value": _nullable(rows["limit_value"], unlimited),
        "limit_found": _nullable(rows["limit_found"], unlimited),
    }


def _cost_columns(rows: NDArray[np.void], names: Names) -> dict[str, Any]:
    """The columns of what orders cost: of rows of `COST_DTYPE`, else null."""
    return {
        name: _nullable(values, values == NO_PRICE)
        for name, values in order_costs(rows, names).items()
    }


def order_costs(rows: NDArray[np.void], names: Names) -> dict[str, NDArray[np.int64]]:
    """Return what orders cost, money in 1e-9 currency, `NO_PRICE` where it is not known.

    Parameters
    ----------
    rows
        `COST_DTYPE`, shape (n,); of ``ORDER_DTYPE`` nothing is known.
    names
        The run's legs.
    """
    if rows.dtype != COST_DTYPE:
        return dict.fromkeys(COST_COLUMNS, np.full(len(rows), NO_PRICE, np.int64))
    num, den = names.worth(rows)
    known = {name: rows[name] != NO_PRICE for name in COST_COLUMNS}
    values = {name: rows[name] for name in COST_COLUMNS}
    for name in ("slippage", "shortfall"):
        values[name] = scale(np.where(known[name], rows[name], 0), num, den)
    values["shortfall"] = add(values["shortfall"], rows["commission"])
    return {
        name: np.where(known[name], to_int64(values[name], f"{name} of an order"), NO_PRICE)
        for name in COST_COLUMNS
    }


def _is_limited(rows: NDArray[np.void]) -> NDArray[np.bool_]:
    """Whether the reason of each row, if it was stopped, is one that comes with numbers."""
    return np.isin(rows["reason"], [int(reason) for reason in LIMITED])


def _term_columns(rows: NDArray[np.void]) -> dict[str, Any]:
    """The columns of orders' terms, null where an order has none."""
    terms = rows["terms"]
    nobody = None if terms.any() else np.ones(len(rows), bool)  # has any

    def unless(term: Term) -> NDArray[np.bool_]:
        return np.asarray((terms & int(term)) == 0) if nobody is None else nobody

    return {
        "post_only": _words(
            (terms & int(Term.REPRICE)) != 0, ["reject", "reprice"],
            unless(Term.POST_ONLY | Term.REPRICE),
        ),
        "trigger_price": _nullable(rows["trigger_price"], unless(Term.STOP)),
        "ts_triggered": _nullable(rows["ts_triggered"], rows["ts_triggered"] == 0),
        "expires": _nullable(rows["expire_ns"], unless(Term.EXPIRES)),
        "min_quantity": _nullable(rows["min_quantity"], unless(Term.MINIMUM)),
        "display_quantity": _nullable(rows["display_quantity"], unless(Term.DISPLAY)),
        "peg": _words(
            np.maximum(rows["peg"] - 1, 0), [item.name for item in Peg], unless(Term.PEG)
        ),
        "peg_offset": _nullable(rows["peg_offset"], unless(Term.PEG)),
        "reduce_only": ~unless(Term.REDUCE_ONLY),
        "group": _nullable(rows["group"], unless(Term.GROUP)),
    }  # fmt: skip


def event_columns(rows: NDArray[np.void], names: Names) -> dict[str, Any]:
    """Return the columns of ``events.parquet`` for ``EVENT_DTYPE`` rows."""
    names.check(rows, "events")
    unlimited = ~_is_limited(rows)
    return {
        **names.keys(rows),
        "client_order_id": names.order_ids(rows),
        "order_side": _codes(rows["side"], Side, "order side"),
        "event": _codes(rows["event"], OrderEvent, "order event"),
        "reason": _codes(rows["reason"], Reason, "reason"),
        "price": _nullable(rows["price"], rows["price"] == UNDEF_PRICE),
        "quantity": rows["quantity"],
        "old_price": _nullable(rows["old_price"], rows["old_quantity"] == 0),
        "old_quantity": _nullable(rows["old_quantity"], rows["old_quantity"] == 0),
        "last_px": _nullable(rows["last_px"], rows["last_qty"] == 0),
        "last_qty": _nullable(rows["last_qty"], rows["last_qty"] == 0),
        "filled_qty": rows["filled_qty"],
        "ts_event": _nullable(rows["ts_event"], rows["ts_event"] == 0),
        "ts_known": rows["ts_known"],
        "limit_value": _nullable(rows["limit_value"], unlimited),
        "limit_found": _nullable(rows["limit_found"], unlimited),
    }


def series_columns(
    rows: NDArray[np.void], names: Names, series_names: Sequence[str]
) -> dict[str, Any]:
    """Return the columns of ``series.parquet`` for ``SERIES_DTYPE`` rows."""
    names.check(rows, "series")
    wrong = np.flatnonzero((rows["name"] < 0) | (rows["name"] >= len(series_names)))
    if wrong.size:
        raise SimulationError(
            f"expected series 0 to {len(series_names) - 1}, found {rows['name'][wrong[0]]}"
        )
    return {
        **names.keys(rows),
        "name": _words(rows["name"], list(series_names)),
        "ts": rows["ts"],
        "value": rows["value"],
    }


def fee_columns(rows: NDArray[np.void], names: Names, fee_names: Sequence[str]) -> dict[str, Any]:
    """Return the columns of ``fees.parquet`` for ``FEE_DTYPE`` rows."""
    names.check(rows, "fees")
    return {
        **names.keys(rows),
        "client_order_id": names.order_ids(rows),
        "fill": rows["fill"],
        "line": _words(rows["line"], list(fee_names)),
        "fee": rows["fee"],
        "ts_event": rows["ts_event"],
    }


def markout_columns(rows: NDArray[np.void], names: Names) -> dict[str, Any]:
    """Return the columns of ``markouts.parquet`` for ``MARKOUT_DTYPE`` rows."""
    names.check(rows, "fills")
    prices = ("bid", "ask", "mid", *(f"mid_{name}" for name in HORIZONS))
    return {
        **names.keys(rows),
        "client_order_id": names.order_ids(rows),
        "fill": rows["fill"],
        "order_side": _codes(rows["side"], Side, "order side"),
        "last_px": rows["last_px"],
        "last_qty": rows["last_qty"],
        "liquidity_side": _codes(rows["liquidity"], Liquidity, "liquidity side"),
        "ts_event": rows["ts_event"],
        **{name: _nullable(rows[name], rows[name] == NO_PRICE) for name in prices},
    }


class EquityColumns:
    """Columns of ``equity.parquet``; remembers each leg's highest P&L for the drawdown."""

    def __init__(self, conversion: Conversion | None = None) -> None:
        self._conversion = conversion or Conversion()
        self._peak: dict[int, int] = {}

    def build(self, rows: NDArray[np.void], names: Names) -> dict[str, Any]:
        """Return the columns for ``SAMPLE_DTYPE`` rows, in order."""
        names.check(rows, "samples")
        money = account_money(rows, names.num[rows["leg"]], names.den[rows["leg"]])
        money = self._conversion.convert(rows, names.legs, money)
        pnl = money["pnl"]
        drawdown = np.empty_like(pnl)
        for leg, mine in groups(rows["leg"]):
            highest = np.maximum.accumulate(np.maximum(pnl[mine], self._peak.get(leg, 0)))
            drawdown[mine] = to_int64(highest - pnl[mine], "drawdown")
            self._peak[leg] = int(highest[-1])
        return {
            **names.keys(rows),
            "ts": rows["ts"],
            "position": rows["position"],
            "mark": _nullable(rows["mark"], rows["mark"] == UNDEF_PRICE),
            "volume": rows["volume"],
            "drawdown": drawdown,
            **money,
        }


#: Columns of the row tables by file name: those of every run …
TABLES: Final = {"fills": FILLS, "orders": ORDERS, "equity": EQUITY}
#: … and those that are asked for.
TABLES_ASKED_FOR: Final = {"events": EVENTS, "markouts": MARKOUTS}


def table_of(
    name: str, rows: NDArray[np.void], legs: Sequence[Leg], counted: Sequence[str] = ()
) -> "pa.Table":
    """Return all rows of a run at once as the table that its folder would have.

    Parameters
    ----------
    name
        ``fills``, ``orders``, ``equity``, ``fees``, ``events`` or ``series``.
    rows
        Of that table's dtype, in the order they happened.
    legs, counted
        What the rows count: legs, and names of series or of lines of fees.

    Raises
    ------
    SimulationError
        If the rows name something that is not there.
    """
    names = Names(legs)
    columns: dict[str, Any]
    if name == "equity":
        columns = EquityColumns().build(rows, names)
    elif name == "series":
        columns = series_columns(rows, names, counted)
    elif name == "fees":
        columns = fee_columns(rows, names, counted)
    else:
        build = {"fills": fill_columns, "orders": order_columns, "events": event_columns}[name]
        columns = build(rows, names)
    known = {**TABLES, "events": EVENTS, "series": SERIES, "fees": FEES}
    return _arrow_table(arrow_schema(name, known[name]), columns)


def _nullable(values: NDArray[np.int64], null: NDArray[np.bool_]) -> "pa.Array":
    import pyarrow as pa

    if null.all():
        return pa.nulls(len(null), pa.int64())
    return pa.array(np.ascontiguousarray(values), mask=null if null.any() else None)


def _words(
    index: NDArray[Any], words: list[str], null: NDArray[np.bool_] | None = None
) -> "pa.Array":
    import pyarrow as pa

    places = pa.array(index.astype(np.int32), mask=null)
    return pa.DictionaryArray.from_arrays(places, pa.array(words))


def _codes(values: NDArray[np.int64], codes: type[IntEnum], what: str) -> "pa.Array":
    """Return the names of codes; a code nobody named is a bug of the simulation."""
    known = np.array(sorted(codes), np.int64)
    place = np.full(int(known[-1] - known[0]) + 3, _UNNAMED, np.int32)  # and one beyond each end
    place[known - known[0] + 1] = np.arange(known.size)
    at = place[np.clip(values - (known[0] - 1), 0, place.size - 1)]
    wrong = np.flatnonzero(at == _UNNAMED)
    if wrong.size:
        raise SimulationError(
            f"expected {what} of {', '.join(f'{int(c)}={c.name}' for c in codes)}, "
            f"found {values[wrong[0]]} in row {wrong[0]} of the batch"
        )
    return _words(at, [codes(int(k)).name for k in known])
