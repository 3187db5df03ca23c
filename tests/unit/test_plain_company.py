"""Who else runs changes nothing for a strategy, in any tier."""

from typing import Any, ClassVar

import pytest

from markets import market, spec
from plain import quoted, spec_of
from stories import configure, run, us
from tapewire import Strategy, Wants
from tapewire.router import StrategySpec


class Maker(Strategy):
    """Quotes with what it sees of the book's depth."""

    wants = Wants(book="depth", depth=3, queue_places=True)

    def on_book(self, market: Any, context: Any) -> None:
        bids, asks = market.bids(), market.asks()
        if len(bids) == len(asks) == 3 and not context.orders:
            side = 1 if context.position <= 0 else -1
            context.submit(side, 1, (bids if side > 0 else asks)[0].price)

    def on_timer(self, timer: Any, context: Any) -> None:
        context.cancel_all()

    def on_start(self, context: Any) -> None:
        context.set_timer(every="300ms")


class Taker(Strategy):
    """Takes by chance, and by what it sees of trades and features."""

    wants = Wants(session=True, trades_kept=50, features=("book_imbalance", "trade_flow_5s"))

    def on_trades(self, trades: Any, context: Any) -> None:
        if context.random.random() < 0.3 and trades["size"].sum() > 3:
            side = 1 if context.features["trade_flow_5s"] > 0 else -1
            if abs(context.position + side) <= 5:
                context.submit(side, 1)

    def on_start(self, context: Any) -> None:
        context.set_timer(every="700ms")


class Wide(Strategy):
    """Wants more of everything than the others."""

    wants = Wants(
        depth=40, trades_kept=100_000, session=True, features=("returns_1s", "imbalance_10")
    )

    def on_market_event(self, market: Any, context: Any) -> None:
        market.bids()


def specs() -> dict[str, StrategySpec]:
    return {
        "maker": spec_of(Maker, "maker"),
        "taker": spec_of(Taker, "taker"),
        "wide": spec_of(Wide, "wide"),
        "compiled": spec("compiled", "market_maker", quantity=2, max_inventory=6),
        "crossover": spec("crossover", "sma_crossover", fast_period=3, slow_period=9),
    }


@pytest.mark.parametrize("late_us", [0, 200])
def test_each_has_the_digest_that_it_has_alone(late_us: int) -> None:
    records = market(12_000)
    records["ts_recv"] += late_us * 1_000
    alone = {}
    for name, one in specs().items():
        simulation, rows = run(configure(None, others=[one], feed_us=25), records)
        alone[name] = simulation.digests()[name]
        assert name == "wide" or rows.fills.size > 9
    for order in (list(alone), list(reversed(alone)), ["taker", "wide", "maker"]):
        together = [specs()[name] for name in order]
        for batch in (1_000_000, 777):
            simulation, _ = run(configure(None, others=together, feed_us=25), records, batch)
            assert simulation.digests() == {name: alone[name] for name in order}


class LastPrice(Strategy):
    """Notes the last price that it knows; it is not shown trades."""

    notes: ClassVar[list[Any]] = []

    def on_book(self, market: Any, context: Any) -> None:
        self.notes.append(("book", us(context.now), market.last_price))


class LastTrade(LastPrice):
    """Is shown trades, and called for their events before."""

    def on_market_event(self, market: Any, context: Any) -> None:
        self.notes.append(("event", us(context.now), market.last_price))

    def on_trade(self, trade: Any, context: Any) -> None:
        self.notes.append(("trade", us(context.now), context.market.last_price))


@pytest.mark.parametrize("kind", [LastPrice, LastTrade])
def test_the_last_price_is_that_of_the_trades_that_it_was_shown_itself(kind: Any) -> None:
    tape = quoted().add(2, 8, "A", 102, 5).trade(10, (9, 10)).trade(20, (8, 1)).tick(30)
    mine, other = spec_of(kind), spec("other", "sma_crossover", fast_period=3, slow_period=9)
    seen = []
    for company in ([mine], [other, mine], [mine, other]):
        LastPrice.notes.clear()
        run(configure(None, others=company), tape.records())
        seen.append([note for note in LastPrice.notes if note[1] > 10])
    assert seen[1] == seen[2] == seen[0]
    shown = kind is LastTrade
    first, second = (101 * 10**9, 102 * 10**9) if shown else (None, None)
    assert [note for note in seen[0] if note[0] == "book"] == [
        ("book", 11, first), ("book", 21, second),
    ]  # fmt: skip
    assert [note for note in seen[0] if note[0] == "event"] == [
        ("event", 11, None), ("event", 21, first), ("event", 31, second),
    ][: 3 * shown]  # fmt: skip
