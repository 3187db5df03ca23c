"""The columns of every table in a run folder: name, type, unit and meaning, in one place.

One rule for numbers: prices and money are ``int64`` in units of 1e-9 (as Databento's prices are),
quantities are ``int64`` lots, times are ``timestamp[ns, UTC]``. Nothing is rounded. Each Parquet
field carries ``unit`` and ``description`` in its metadata, each file ``tapewire.table`` and
``tapewire.schema_version``.
"""

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tapewire.analytics.markouts import HORIZONS

if TYPE_CHECKING:
    import pyarrow as pa

#: Raised whenever a column is renamed, removed or changes type or unit; adding one keeps it.
SCHEMA_VERSION: Final = 1

PRICE_UNIT: Final = "1e-9 price"
MONEY_UNIT: Final = "1e-9 currency"


class Column(NamedTuple):
    """One column: ``type`` is a key of `_arrow_types`; ``null`` says what a null means."""

    name: str
    type: str
    unit: str
    description: str
    null: str = ""


_KEYS: Final = (
    Column("leg", "int32", "index", "the (strategy, book) pair; key into the manifest's legs"),
    Column("strategy_id", "string", "", "name of the strategy in this run"),
)
_BOOK: Final = (
    Column("publisher_id", "uint16", "", "Databento publisher of the book"),
    Column("instrument_id", "uint32", "", "instrument within the publisher"),
    Column("symbol", "string", "", "raw symbol"),
)
_ORDER_ID: Final = Column(
    "client_order_id", "string", "", "order id, unique within the strategy and book; flatten-1, … "
    "are orders of the simulation that close a position after a limit was reached",
)  # fmt: skip
_SIDE: Final = Column("order_side", "string", "", "BUY or SELL")

FILLS: Final = (
    *_KEYS,
    _ORDER_ID,
    *_BOOK,
    _SIDE,
    Column("last_px", "int64", PRICE_UNIT, "price of this fill"),
    Column("last_qty", "int64", "lots", "quantity of this fill"),
    Column("liquidity_side", "string", "", "MAKER or TAKER"),
    Column("reason", "string", "", "why it filled: QUEUE, TRADE_THROUGH, CROSSED or TAKEN"),
    Column("commission", "int64", MONEY_UNIT, "fee of this fill, positive = paid"),
    Column("position", "int64", "lots", "signed position of the leg after this fill"),
    Column("ts_event", "time", "ns UTC", "when it happened at the exchange"),
    Column("ts_known", "time", "ns UTC", "when the strategy learned of it", "never in this run"),
    Column(
        "ts_placed", "time", "ns UTC",
        "when the order got to the exchange, or its last replace took effect",
    ),
    Column(
        "queue_ahead", "int64", "lots", "lots ahead when the order joined its queue",
        "it never rested",
    ),
    Column(
        "impact", "int64", PRICE_UNIT,
        "by how much own impact made the price worse; below 0: better, by earlier pushes",
    ),
    Column(
        "position_effect", "string", "",
        "OPEN or CLOSE: a side of a position, in an account that hedges; else NONE",
    ),
)  # fmt: skip

_LIMIT: Final = (
    Column(
        "limit_value",
        "int64",
        "",
        "the limit that stopped it: lots, orders a second, messages for a trade, or 1e-9 currency",
        "no limit did",
    ),
    Column("limit_found", "int64", "", "what it would have come to", "no limit did"),
)

_NO_COST: Final = (
    "it did not arrive, the book had no two sides yet or its mid moved more than 131,072 times "
    "before the order ended, or the run has no markouts"
)

ORDERS: Final = (
    *_KEYS,
    _ORDER_ID,
    *_BOOK,
    _SIDE,
    Column("order_type", "string", "", "MARKET, LIMIT, STOP, STOP_LIMIT or MARKET_TO_LIMIT"),
    Column("time_in_force", "string", "", "GTC, IOC, FOK, DAY or GTD"),
    Column("price", "int64", PRICE_UNIT, "limit price", "it has none"),
    Column("quantity", "int64", "lots", "ordered quantity, after replaces"),
    Column("filled_qty", "int64", "lots", "filled quantity"),
    Column("status", "string", "", "last status of the order"),
    Column(
        "reason",
        "string",
        "",
        "why it was denied, rejected, canceled, expired or, by the simulation, sent; else NONE",
    ),
    Column("queue_ahead", "int64", "lots", "volume ahead when it last joined a queue", "no queue"),
    Column("ts_sent", "time", "ns UTC", "when the strategy sent it"),
    Column("ts_arrived", "time", "ns UTC", "when it reached the exchange", "it never did"),
    Column("ts_closed", "time", "ns UTC", "when it left the market", "open at the end"),
    Column("replaces", "int64", "count", "replaces that took effect"),
    Column("ts_replaced", "time", "ns UTC", "when the last of them did", "never replaced"),
    Column(
        "post_only", "string", "", "reject or reprice: what it does rather than take", "it may take"
    ),
    Column("trigger_price", "int64", PRICE_UNIT, "a stop's trigger", "no stop"),
    Column("ts_triggered", "time", "ns UTC", "when it was triggered", "it was not"),
    Column("expires", "time", "ns UTC", "when it expires at the exchange", "no time of its own"),
    Column("min_quantity", "int64", "lots", "the least it takes on arrival", "any"),
    Column("display_quantity", "int64", "lots", "what it shows", "all of it"),
    Column("peg", "string", "", "what its price follows: TOUCH, MID or OPPOSITE", "not pegged"),
    Column("peg_offset", "int64", PRICE_UNIT, "from that, towards the other side", "not pegged"),
    Column("reduce_only", "bool", "", "whether it may only reduce a position"),
    Column("group", "int64", "", "the group of orders that it is one of", "none"),
    Column("parent", "string", "", "client_order_id of the entry whose exit it is", "none"),
    Column("mid_sent", "int64", PRICE_UNIT, "last mid when it was sent, by exchange time, rounded "
           "down", _NO_COST),
    Column("mid_arrived", "int64", PRICE_UNIT, "last mid when it reached the exchange", _NO_COST),
    Column("mid_closed", "int64", PRICE_UNIT, "last mid before its end, or that of the data",
           _NO_COST),
    Column("slippage", "int64", MONEY_UNIT, "side x (price - mid_arrived) x lots x multiplier over "
           "its fills, rounded down: above 0 where they were worse than the mid",
           f"nothing was filled; or {_NO_COST}"),
    Column("shortfall", "int64", MONEY_UNIT, "implementation shortfall: side x (price - mid_sent) "
           "x lots x multiplier over its fills, and side x (mid_closed - mid_sent) x multiplier "
           "for each lot that was not filled, rounded down; and its commissions", _NO_COST),
    *_LIMIT,
)  # fmt: skip

EVENTS: Final = (
    *_KEYS,
    _ORDER_ID,
    *_BOOK,
    _SIDE,
    Column("event", "string", "", "what happened: SENT, CANCEL_SENT, REPLACE_SENT, ACCEPTED, "
           "REPLACED, PARTIALLY_FILLED, FILLED, CANCELED, EXPIRED, DENIED (before it left), "
           "REFUSED (a cancel or replace), REJECTED or CHANGED (by the exchange: a stop that was "
           "triggered, a price that it gave)"),
    Column("reason", "string", "", "why; else NONE"),
    Column("price", "int64", PRICE_UNIT, "limit price after it", "a market order"),
    Column("quantity", "int64", "lots", "ordered quantity after it"),
    Column("old_price", "int64", PRICE_UNIT, "limit price before a replace", "no replace"),
    Column("old_quantity", "int64", "lots", "ordered quantity before a replace", "no replace"),
    Column("last_px", "int64", PRICE_UNIT, "price of the fill", "no fill"),
    Column("last_qty", "int64", "lots", "quantity of the fill", "no fill"),
    Column("filled_qty", "int64", "lots", "filled so far"),
    Column("ts_event", "time", "ns UTC", "when it happened at the exchange", "it never got there"),
    Column("ts_known", "time", "ns UTC", "when the strategy did it, or learned of it"),
    *_LIMIT,
)  # fmt: skip

EQUITY: Final = (
    *_KEYS,
    *_BOOK,
    Column("ts", "time", "ns UTC", "local time of the strategy"),
    Column("position", "int64", "lots", "signed position"),
    Column("mark", "int64", PRICE_UNIT, "price the position is valued at", "no price yet"),
    Column("realized_pnl", "int64", MONEY_UNIT, "realised P&L before fees"),
    Column("unrealized_pnl", "int64", MONEY_UNIT, "P&L of the open position at the mark"),
    Column("fees", "int64", MONEY_UNIT, "fees paid so far"),
    Column("pnl", "int64", MONEY_UNIT, "realized_pnl + unrealized_pnl - fees"),
    Column("volume", "int64", "lots", "lots traded so far"),
    Column("drawdown", "int64", MONEY_UNIT, "highest P&L of the leg so far (from 0) minus pnl"),
)

FEES: Final = (
    *_KEYS,
    _ORDER_ID,
    *_BOOK,
    Column("fill", "int64", "index", "row of fills.parquet that it is of, from 0"),
    Column("line", "string", "", "exchange, clearing or broker; or a fee model's own"),
    Column("fee", "int64", MONEY_UNIT, "of the fill's commission, positive = paid"),
    Column("ts_event", "time", "ns UTC", "when the fill happened at the exchange"),
)

MARKOUTS: Final = (
    *_KEYS,
    _ORDER_ID,
    *_BOOK,
    Column("fill", "int64", "index", "row of fills.parquet that it is of, from 0"),
    _SIDE,
    Column("last_px", "int64", PRICE_UNIT, "price of the fill"),
    Column("last_qty", "int64", "lots", "quantity of the fill"),
    Column("liquidity_side", "string", "", "MAKER or TAKER"),
    Column("ts_event", "time", "ns UTC", "when the fill happened at the exchange"),
    Column("bid", "int64", PRICE_UNIT, "best bid before the fill", "that side was empty"),
    Column("ask", "int64", PRICE_UNIT, "best ask before the fill", "that side was empty"),
    Column(
        "mid", "int64", PRICE_UNIT, "last mid of both before the fill, rounded down",
        "no book had two sides yet",
    ),
    *(
        Column(f"mid_{name}", "int64", PRICE_UNIT, f"mid {name} after the fill, by exchange time",
               "the data end before")
        for name in HORIZONS
    ),
)  # fmt: skip

SETTLEMENTS: Final = (
    *_KEYS,
    *_BOOK,
    Column("day", "string", "", "the trading day, as 2024-03-15"),
    Column("ts_close", "time", "ns UTC", "when it ended"),
    Column("position", "int64", "lots", "signed position then"),
    Column("mark", "int64", PRICE_UNIT, "of the last sample before that", "no price yet"),
    Column("settlement_price", "int64", PRICE_UNIT, "the venue's of the day",
           "not known: the mark counts"),
    Column("pnl", "int64", MONEY_UNIT, "net P&L by then, what is held at the settlement price"),
    Column("variation", "int64", MONEY_UNIT, "pnl minus that of the day before"),
)  # fmt: skip

SERIES: Final = (
    *_KEYS,
    *_BOOK,
    Column("name", "string", "", "name of the series, the strategy's own"),
    Column("ts", "time", "ns UTC", "local time of the strategy when it recorded the value"),
    Column("value", "float64", "", "what it recorded, in the strategy's own unit"),
)


def _arrow_types() -> dict[str, Any]:
    import pyarrow as pa

    return {
        "string": pa.string(),
        "int32": pa.int32(),
        "int64": pa.int64(),
        "uint16": pa.uint16(),
        "uint32": pa.uint32(),
        "float64": pa.float64(),
        "bool": pa.bool_(),
        "time": pa.timestamp("ns", tz="UTC"),
    }


def arrow_schema(table: str, columns: tuple[Column, ...]) -> "pa.Schema":
    """Return the Arrow schema of a table, with units, meanings and the version as metadata."""
    import pyarrow as pa

    types = _arrow_types()
    fields = []
    for column in columns:
        notes = {"description": column.description}
        if column.unit:
            notes["unit"] = column.unit
        if column.null:
            notes["null"] = column.null
        fields.append(pa.field(column.name, types[column.type], bool(column.null), notes))
    return pa.schema(
        fields,
        {
            "tapewire.table": table,
            "tapewire.schema_version": str(SCHEMA_VERSION),
            "tapewire.numbers": "prices and money: int64 in units of 1e-9; quantities: lots; "
            "times: ns since the epoch, UTC",
        },
    )
