"""What leaving the compiled loop costs: strategies in plain Python, called more or less often."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final

import numpy as np

from tapewire.bench.measure import Row, Scale, timed
from tapewire.bench.stages import whole_loop
from tapewire.bench.workload import LoadedSession, Records
from tapewire.market.records import ACTION_NONE, ACTION_TRADE, F_LAST, UNDEF_PRICE
from tapewire.router import Simulation, SimulationConfig, StrategySpec
from tapewire.strategies import StrategyDefinition
from tapewire.strategies.context import BUY, GTC, cancel, first_open, is_open, submit_limit
from tapewire.strategies.plain import Context, Market, Strategy, Trade

#: One record in so many calls.
EVERY: Final = (100, 1_000)
#: One callback in so many sends an order, or cancels the one it has.
ORDERS_EVERY: Final = 10
_AWAY: Final = 100_000_000_000  # below the best bid, 1e-9: it never fills
_STATE: Final = np.dtype([("calls", "i8")])


class EveryEvent(Strategy):
    """Does nothing, for every event."""

    def on_market_event(self, market: Market, context: Context) -> None:
        """Nothing."""


class EveryTrade(Strategy):
    """Does nothing, for every trade."""

    def on_trade(self, trade: Trade, context: Context) -> None:
        """Nothing."""


class SomeOrders(Strategy):
    """Sends an order or cancels it, for one trade in ten."""

    calls = 0

    def on_trade(self, trade: Trade, context: Context) -> None:
        """One in ten acts."""
        self.calls += 1
        if self.calls % ORDERS_EVERY == 0:
            bid = context.market.best_bid
            if context.orders:
                context.cancel(context.orders[0])
            elif bid is not None:
                context.buy(1, bid - _AWAY)


def on_trade(ctx: Any, state: Any) -> None:
    """Do as `SomeOrders` does."""
    state.calls += 1
    if state.calls % ORDERS_EVERY == 0:
        order = first_open(ctx)
        if is_open(ctx, order):
            cancel(ctx, order)
        elif ctx.best_bid != UNDEF_PRICE:
            submit_limit(ctx, BUY, ctx.best_bid - _AWAY, 1, GTC)


SOME_ORDERS_COMPILED: Final = StrategyDefinition(
    "some_orders", SomeOrders.__doc__ or "", {}, _STATE, on_trade=on_trade
)


def one_in(records: Records, every: int) -> Records:
    """The same session with about one trade left in so many records; its books are the same."""
    trades = np.flatnonzero(records["action"] == ACTION_TRADE)
    wanted = np.arange(0, records.size, every)
    kept = np.unique(trades[np.minimum(np.searchsorted(trades, wanted), trades.size - 1)])
    thinned = records.copy()
    gone = np.setdiff1d(trades, kept)
    thinned["action"][gone] = ACTION_NONE
    return thinned


def simulation_of(work: LoadedSession, definition: StrategyDefinition) -> Simulation:
    """A simulation of one strategy."""
    spec = StrategySpec("called", definition)
    simulation = Simulation(SimulationConfig(work.instruments, (spec,)))
    simulation.touch_memory()
    return simulation


def callback_rows(work: LoadedSession, scale: Scale) -> Iterator[Row]:
    """Callbacks on every event and every trade, and one in so many records beside compiled ones.

    Yields
    ------
    Row
        Group ``callbacks``; figure ``m_callbacks_per_s``, of the median run.
    """
    records = work.records
    events = int(np.count_nonzero(records["flags"] & F_LAST))
    trades = int(np.count_nonzero(records["action"] == ACTION_TRADE))
    plain = "plain Python, from memory, one core; an empty body"
    yield _row(work, "every event", records, EveryEvent.definition(), events, plain, scale)
    yield _row(work, "every trade", records, EveryTrade.definition(), trades, plain, scale)
    for every in EVERY:
        thinned = one_in(records, every)
        calls = int(np.count_nonzero(thinned["action"] == ACTION_TRADE))
        note = f"one callback in {ORDERS_EVERY} sends an order or cancels it"
        for way, definition in (
            ("compiled", SOME_ORDERS_COMPILED), ("plain Python", SomeOrders.definition()),
        ):  # fmt: skip
            name = f"one record in {every:,}, {way}"
            yield _row(work, name, thinned, definition, calls, note, scale)


def _row(
    work: LoadedSession, name: str, records: Records, definition: StrategyDefinition, calls: int,
    note: str, scale: Scale,
) -> Row:  # fmt: skip
    def prepare() -> Callable[[], None]:
        return whole_loop(simulation_of(work, definition), records)

    row = timed("callbacks", name, records.size, prepare, runs=scale.runs, note=note)
    return replace(row, figures={"m_callbacks_per_s": round(calls / row.median_s / 1e6, 3)})
