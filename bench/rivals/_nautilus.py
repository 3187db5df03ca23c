"""Child: NautilusTrader on one DBN file. Run by its own interpreter, it imports nothing of ours.

A `BacktestEngine` with an L3 book, order book deltas and trades from its own Databento loader, a
constant latency, logging and pre-trade risk bypassed. The market maker is the one of
``strategies/market_maker.py``: one lot at each side of the touch, moved by `modify_order`
when the touch moves, at most ``max_inventory`` lots either way. Orders fill by trades at their
price; behind the queue at their arrival where this version can do that (``queue_position``).
"""

import inspect
import json
import os
import sys
import time
import warnings
from typing import Any, Final

_PRICE_SCALE: Final = 10**9
_VENUE: Final = "GLBX"
_BALANCE_USD: Final = 1_000_000_000
#: Order events that end the wait for an answer; the others come while a request is being sent.
_ANSWERS: Final = (
    "OrderAccepted",
    "OrderUpdated",
    "OrderCanceled",
    "OrderFilled",
    "OrderRejected",
    "OrderModifyRejected",
    "OrderCancelRejected",
)


def make_strategy(instrument_id: Any, plan: dict[str, Any]) -> Any:
    """Return a fresh market maker that counts what it saw."""
    from nautilus_trader.model.enums import (  # type: ignore[import-not-found]
        BookType,
        OrderSide,
    )
    from nautilus_trader.model.objects import Quantity  # type: ignore[import-not-found]
    from nautilus_trader.trading.strategy import Strategy  # type: ignore[import-not-found]

    limit = plan["max_inventory"]
    quantity = Quantity.from_int(plan["quantity"])

    class MarketMaker(Strategy):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.deltas = self.fills = self.orders = self.position = 0
            self.quotes: dict[Any, Any] = {OrderSide.BUY: None, OrderSide.SELL: None}
            self.book: Any = None
            self.bid: Any = None
            self.ask: Any = None

        def on_start(self) -> None:
            self.subscribe_order_book_deltas(instrument_id, BookType.L3_MBO)

        def on_order_book_deltas(self, deltas: Any) -> None:
            self.deltas += len(deltas.deltas)
            book = self.book
            if book is None:
                book = self.book = self.cache.order_book(instrument_id)
            bid, ask = book.best_bid_price(), book.best_ask_price()
            if bid != self.bid or ask != self.ask:
                self.bid, self.ask = bid, ask
                self.quote()

        def on_order_event(self, event: Any) -> None:
            kind = type(event).__name__
            if kind == "OrderFilled":
                self.fills += 1
                lots = int(event.last_qty)
                self.position += lots if event.order_side == OrderSide.BUY else -lots
            if kind in _ANSWERS:
                self.quote()

        def quote(self) -> None:
            if self.bid is None or self.ask is None or self.bid >= self.ask:
                return
            self.quote_side(OrderSide.BUY, self.bid, limit - self.position)
            self.quote_side(OrderSide.SELL, self.ask, limit + self.position)

        def quote_side(self, side: Any, touch: Any, room: int) -> None:
            order = self.quotes[side]
            if order is None or order.is_closed:
                if room > 0:
                    order = self.order_factory.limit(instrument_id, side, quantity, touch)
                    self.quotes[side] = order  # known before its events arrive
                    self.orders += 1
                    self.submit_order(order)
            elif order.is_open and not (order.is_pending_update or order.is_pending_cancel):
                if room <= 0:
                    self.cancel_order(order)
                elif order.price != touch:
                    self.modify_order(order, price=touch)

    return MarketMaker()


def measure(plan: dict[str, Any]) -> dict[str, Any]:
    """Run the plan and return the line for the parent."""
    import nautilus_trader  # type: ignore[import-not-found]
    from nautilus_trader.adapters.databento.loaders import (  # type: ignore[import-not-found]
        DatabentoDataLoader,
    )

    instrument = _instrument(plan)
    began = time.perf_counter()
    data = DatabentoDataLoader().from_dbn_file(
        plan["path"],
        instrument_id=instrument.id,
        price_precision=instrument.price_precision,
        include_trades=True,
    )
    load_s = time.perf_counter() - began
    seconds: list[float] = []
    check: dict[str, int] = {}
    adding_s: list[float] = []
    queue = False
    for _ in range(plan["runs"] + 1):  # the first one is not counted
        engine, queue = _engine(plan)
        engine.add_instrument(instrument)
        began = time.perf_counter()
        engine.add_data(data)
        adding_s.append(time.perf_counter() - began)
        strategy = make_strategy(instrument.id, plan)
        engine.add_strategy(strategy)
        began = time.perf_counter()
        engine.run()
        seconds.append(time.perf_counter() - began)
        found = {
            "iterations": engine.iteration,
            "unprocessed": len(data) - engine.iteration,
            "deltas": strategy.deltas,
            "orders": strategy.orders,
            "fills": strategy.fills,
            "best_bid": _units(strategy.book.best_bid_price()),
            "best_ask": _units(strategy.book.best_ask_price()),
        }
        engine.dispose()
        if check and found != check:
            raise RuntimeError(f"two runs differ: {check} and {found}")
        check = found
    fills = "trades, behind the queue" if queue else "trades, no queue position"
    return {
        "name": "NautilusTrader",
        "version": nautilus_trader.__version__,
        "events": plan["events"],
        "runs": seconds[1:],
        "convert_s": load_s + min(adding_s),
        "what": f"L3_MBO, deltas and trades, bypass_logging, fills by {fills}",
        "check": check,
    }


def _units(price: Any) -> int:
    return int(price.as_decimal() * _PRICE_SCALE)


def _instrument(plan: dict[str, Any]) -> Any:
    from nautilus_trader.model.currencies import USD  # type: ignore[import-not-found]
    from nautilus_trader.model.enums import AssetClass
    from nautilus_trader.model.identifiers import (  # type: ignore[import-not-found]
        InstrumentId,
        Symbol,
        Venue,
    )
    from nautilus_trader.model.instruments import (  # type: ignore[import-not-found]
        FuturesContract,
    )
    from nautilus_trader.model.objects import Price, Quantity

    symbol = Symbol(plan["symbol"])
    tick = f"{plan['tick_size'] / _PRICE_SCALE:.9f}".rstrip("0")
    return FuturesContract(
        instrument_id=InstrumentId(symbol, Venue(_VENUE)),
        raw_symbol=symbol,
        asset_class=AssetClass.INDEX,
        currency=USD,
        price_precision=len(tick.partition(".")[2]),
        price_increment=Price.from_str(tick),
        multiplier=Quantity.from_int(plan["multiplier"]),
        lot_size=Quantity.from_int(1),
        underlying=plan["symbol"],
        activation_ns=0,
        expiration_ns=2**62,
        ts_event=0,
        ts_init=0,
    )


def _engine(plan: dict[str, Any]) -> tuple[Any, bool]:
    from nautilus_trader.backtest.engine import (  # type: ignore[import-not-found]
        BacktestEngine,
        BacktestEngineConfig,
    )
    from nautilus_trader.backtest.models import LatencyModel  # type: ignore[import-not-found]
    from nautilus_trader.config import (  # type: ignore[import-not-found]
        LoggingConfig,
        RiskEngineConfig,
    )
    from nautilus_trader.model.currencies import USD
    from nautilus_trader.model.enums import AccountType, BookType, OmsType
    from nautilus_trader.model.identifiers import Venue
    from nautilus_trader.model.objects import Money

    engine = BacktestEngine(
        BacktestEngineConfig(
            logging=LoggingConfig(bypass_logging=True),
            risk_engine=RiskEngineConfig(bypass=True),
            run_analysis=False,
        )
    )
    queue = "queue_position" in inspect.signature(BacktestEngine.add_venue).parameters
    engine.add_venue(
        Venue(_VENUE),
        OmsType.NETTING,
        AccountType.MARGIN,
        [Money(_BALANCE_USD, USD)],
        base_currency=USD,
        book_type=BookType.L3_MBO,
        latency_model=LatencyModel(base_latency_nanos=plan["latency_ns"]),
        trade_execution=True,
        **({"queue_position": True} if queue else {}),
    )
    return engine, queue


def main() -> None:
    """Read the plan from the command line, print one line of JSON; libraries print to stderr."""
    warnings.simplefilter("ignore")
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as out:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        print(json.dumps(measure(json.loads(sys.argv[1]))), file=out)


if __name__ == "__main__":
    main()
