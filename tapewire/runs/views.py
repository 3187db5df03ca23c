"""What a stepped simulation shows: a book, orders at the exchange, positions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tapewire.analytics.ledger import account_money
from tapewire.config.wording import describe, suggest
from tapewire.errors import ConfigError
from tapewire.execution.codes import OrderStatus, OrderType, Side, TimeInForce
from tapewire.market.instruments import InstrumentTable
from tapewire.market.records import UNDEF_PRICE
from tapewire.router import LegInfo, Look

if TYPE_CHECKING:
    import pandas as pd

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class BookView:
    """The best levels of a book, best first; as many as there are, at most as many as asked for.

    Attributes
    ----------
    bid_prices, ask_prices
        In 1e-9.
    bid_sizes, ask_sizes
        Lots.
    bid_counts, ask_counts
        Orders; 0 where a publisher does not say.
    """

    symbol: str
    publisher_id: int
    instrument_id: int
    bid_prices: IntArray
    bid_sizes: IntArray
    bid_counts: IntArray
    ask_prices: IntArray
    ask_sizes: IntArray
    ask_counts: IntArray

    @property
    def best_bid(self) -> int | None:
        """Best bid price in 1e-9; None where nobody bids."""
        return int(self.bid_prices[0]) if self.bid_prices.size else None

    @property
    def best_ask(self) -> int | None:
        """Best ask price in 1e-9; None where nobody asks."""
        return int(self.ask_prices[0]) if self.ask_prices.size else None

    def to_pandas(self) -> "pd.DataFrame":
        """Return a frame with a row per level: ``bid_px``, ``bid_sz``, ``bid_ct``, ``ask_px``, …

        Where one side has fewer levels its cells are missing.
        """
        import pandas as pd

        columns = {
            f"{side}_{what}": pd.Series(getattr(self, f"{side}_{name}"), dtype="Int64")
            for side in ("bid", "ask")
            for what, name in (("px", "prices"), ("sz", "sizes"), ("ct", "counts"))
        }
        return pd.DataFrame(columns)


@dataclass(frozen=True)
class OpenOrder:
    """A simulated order at the exchange.

    Attributes
    ----------
    side, order_type, time_in_force, status
        In the words of ``orders.parquet``.
    price
        In 1e-9; None of a market order, which waits for a reopening.
    quantity, filled, leaves
        Lots: ordered, filled, and still to fill.
    ahead
        Lots of the market that stand ahead of it at its price; None where it stands in no queue.
    replaces
        How many took effect so far.
    ts_arrived
        When it reached the exchange, ns.
    orders_ahead
        Orders of the market that stand there; None where that is not known.
    """

    strategy_id: str
    client_order_id: str
    publisher_id: int
    instrument_id: int
    symbol: str
    side: str
    order_type: str
    time_in_force: str
    status: str
    price: int | None
    quantity: int
    filled: int
    leaves: int
    ahead: int | None
    replaces: int
    ts_arrived: int
    orders_ahead: int | None = None


@dataclass(frozen=True)
class Position:
    """The account of a strategy in one book, as the exchange has it: what is filled is in it.

    Attributes
    ----------
    position
        Lots, signed.
    mark
        Price the position is valued at, in 1e-9; None where there is none yet.
    realized_pnl, unrealized_pnl, fees, pnl
        In 1e-9 currency; ``pnl`` is realised + unrealised - fees.
    volume
        Lots traded.
    """

    strategy_id: str
    publisher_id: int
    instrument_id: int
    symbol: str
    position: int
    mark: int | None
    realized_pnl: int
    unrealized_pnl: int
    fees: int
    pnl: int
    volume: int


def book_of(
    look: Look,
    instruments: InstrumentTable,
    symbol: Any,
    publisher_id: int | None,
    instrument_id: int | None,
    depth: int,
) -> BookView:
    """Return the one book that is meant, as it stands.

    Raises
    ------
    ConfigError
        If the data have no such symbol, or it may be one of several books.
    """
    ids = instruments.ids_of(symbol) if isinstance(symbol, str) else []
    if not ids:
        known = instruments.symbols
        hint = suggest(str(symbol), known) if known else "the data name none"
        raise ConfigError(f"symbol: expected one of the data, found {describe(symbol)}, {hint}")
    found = [
        (publisher, instrument)
        for publisher, instrument in look.books()
        if instrument in ids
        and publisher_id in (None, publisher)
        and instrument_id in (None, instrument)
    ]
    if len(found) > 1:
        listed = ", ".join(f"publisher {p}, instrument {i}" for p, i in found)
        raise ConfigError(
            f"book: expected one of {symbol}, found {len(found)}: {listed}; name one with "
            "publisher_id= or instrument_id="
        )
    publisher, instrument = found[0] if found else (publisher_id or 0, instrument_id or ids[0])
    bids, asks = look.levels(publisher, instrument, depth)
    return BookView(symbol, publisher, instrument, *bids, *asks)


def open_orders(look: Look, legs: Sequence[LegInfo]) -> list[OpenOrder]:
    """Return the orders at the exchange, in words."""
    return [
        OpenOrder(
            strategy_id=leg.strategy_id,
            client_order_id=leg.order_name(order.client_order_id),
            publisher_id=leg.publisher_id,
            instrument_id=leg.instrument_id,
            symbol=leg.symbol,
            side=Side(order.side).name,
            order_type=OrderType(order.order_type).name,
            time_in_force=TimeInForce(order.time_in_force).name,
            status=OrderStatus(order.status).name,
            price=order.price,
            quantity=order.quantity,
            filled=order.filled,
            leaves=order.quantity - order.filled,
            ahead=order.ahead,
            replaces=order.replaces,
            ts_arrived=order.ts_arrived,
            orders_ahead=order.orders_ahead,
        )
        for order in look.orders()
        for leg in (legs[order.leg],)
    ]


def positions(look: Look, legs: Sequence[LegInfo]) -> list[Position]:
    """Return every account, exactly."""
    accounts = look.accounts()
    money = account_money(
        accounts,
        np.array([leg.multiplier_num for leg in legs], np.int64),
        np.array([leg.multiplier_den for leg in legs], np.int64),
    )
    return [
        Position(
            strategy_id=leg.strategy_id,
            publisher_id=leg.publisher_id,
            instrument_id=leg.instrument_id,
            symbol=leg.symbol,
            position=int(row["position"]),
            mark=None if row["mark"] == UNDEF_PRICE else int(row["mark"]),
            volume=int(row["volume"]),
            **{name: int(values[leg.leg]) for name, values in money.items()},
        )
        for leg, row in zip(legs, accounts, strict=True)
    ]
