"""When a strategy in plain Python is called, with what, and for nothing else."""

from typing import Any, ClassVar

import numpy as np
import pytest

from plain import PRICE, play, quoted, spec_of
from stories import Tape, configure, merge, ns, run, us
from tapewire import Strategy, Wants
from tapewire.errors import StrategyError
from tapewire.router import RiskLimits, Simulation


class Noting(Strategy):
    """Keeps what it is told, in the class, for the test to look at."""

    notes: ClassVar[list[Any]] = []

    def note(self, context: Any, *what: Any) -> None:
        self.notes.append((us(context.now), *what))


@pytest.fixture(autouse=True)
def _fresh() -> None:
    Noting.notes.clear()


class Books(Noting):
    wants = Wants(book="bbo")

    def on_book(self, market: Any, context: Any) -> None:
        assert market is context.market
        self.note(context, market.best_bid, market.best_bid_size, market.best_ask)


def test_on_book_of_sizes_and_prices() -> None:
    play(Books, quoted().add(10, 2, "B", 100, 3).add(20, 3, "B", 99, 3).cancel(30, 9))
    assert Noting.notes == [
        (1, 100 * PRICE, 5, None), (2, 100 * PRICE, 5, 101 * PRICE),
        (11, 100 * PRICE, 8, 101 * PRICE), (31, 100 * PRICE, 8, None),
    ]  # fmt: skip


class Prices(Books):
    wants = Wants(book="price")


def test_on_book_of_prices_alone() -> None:
    play(Prices, quoted().add(10, 2, "B", 100, 3).add(20, 3, "B", 100.5, 3))
    assert [note[0] for note in Noting.notes] == [1, 2, 21]


class Deep(Noting):
    wants = Wants(book="depth", depth=2)

    def on_book(self, market: Any, context: Any) -> None:
        self.note(context, [(level.price // PRICE, level.size, level.orders)
                            for level in market.bids()])  # fmt: skip


def test_on_book_of_depth_is_called_for_the_levels_it_sees() -> None:
    tape = quoted().add(10, 2, "B", 99, 3).add(20, 3, "B", 98, 3).add(30, 4, "B", 99, 1)
    tape.cancel(40, 1)
    play(Deep, tape)
    assert Noting.notes == [
        (1, [(100, 5, 1)]),
        (2, [(100, 5, 1)]),  # the ask's side changed
        (11, [(100, 5, 1), (99, 3, 1)]),
        # 98 is the third level: nothing to see at 21
        (31, [(100, 5, 1), (99, 4, 2)]),
        (41, [(99, 4, 2), (98, 3, 1)]),
    ]


class Trades(Noting):
    def on_trade(self, trade: Any, context: Any) -> None:
        self.note(context, *trade)


def test_on_trade_of_each_trade() -> None:
    play(Trades, quoted().trade(10, (9, 2)).add(15, 3, "B", 99, 1).trade(20, (1, 4), (3, 1)))
    assert Noting.notes == [
        (11, 101 * PRICE, 2, 1, "TWX"), (21, 99 * PRICE, 5, -1, "TWX"),
    ]  # fmt: skip


def test_a_trade_without_a_price_is_not_shown() -> None:
    tape = quoted()
    play(Trades, tape.event(10, tape.t("B", None, 2)).trade(20, (9, 1)))
    assert [note[0] for note in Noting.notes] == [21]


class Every(Noting):
    def on_market_event(self, market: Any, context: Any) -> None:
        self.note(context, market.volume)


def test_on_market_event_once_an_event() -> None:
    play(Every, quoted().trade(10, (9, 2)).tick(20))
    assert Noting.notes == [(1, 0), (2, 0), (11, 2), (21, 2)]


class Life(Noting):
    def on_start(self, context: Any) -> None:
        self.note(context, "start", context.strategy_id, dict(context.config))

    def on_session_close(self, context: Any) -> None:
        self.note(context, "close")

    def on_stop(self, context: Any) -> None:
        self.note(context, "stop")


def test_a_life_from_start_to_stop() -> None:
    play(Life, quoted().tick(30))
    assert Noting.notes == [(1, "start", "mine", {}), (1, "close"), (1, "stop")]


class Closing(Noting):
    wants = Wants(session=True)

    def on_session_close(self, context: Any) -> None:
        session = context.market.session
        self.note(context, session.open, session.high, session.low, session.last, session.volume)


def test_sessions_close_at_their_times_and_begin_anew() -> None:
    tape = quoted().trade(10, (9, 2)).trade(20, (1, 1)).tick(60).trade(70, (9, 3)).tick(200)
    closes = (ns(50), ns(100))
    play(Closing, tape, session_closes=closes)
    low, high = 100 * PRICE, 101 * PRICE
    assert Noting.notes == [(50, high, high, low, low, 3), (100, high, high, high, high, 3)]


class Timed(Noting):
    def on_start(self, context: Any) -> None:
        context.set_timer(after="10us", name="once")
        context.set_timer(every="20us", name="often")
        context.set_timer(at=ns(45))
        context.set_timer(after="5us", name="gone")
        context.cancel_timer("gone")

    def on_timer(self, timer: Any, context: Any) -> None:
        self.note(context, timer.name, us(timer.due_ns))


def test_timers_once_and_again() -> None:
    play(Timed, quoted().tick(30).tick(70))
    assert Noting.notes == [
        (11, "once", 11), (21, "often", 21), (41, "often", 41), (45, None, 45), (61, "often", 61),
    ]  # fmt: skip


class Batched(Noting):
    def on_start(self, context: Any) -> None:
        context.set_timer(every="50us")

    def on_trades(self, trades: Any, context: Any) -> None:
        with pytest.raises(ValueError, match="read-only"):
            trades["size"][0] = 1
        self.note(context, trades["price"].tolist(), trades["size"].tolist())


def test_batches_of_trades_come_with_timers_and_at_the_end() -> None:
    tape = quoted().trade(10, (9, 2)).trade(20, (1, 1)).trade(60, (9, 1)).tick(70)
    tape.tick(120).trade(130, (9, 2)).tick(140)
    play(Batched, tape)
    high, low = 101 * PRICE, 100 * PRICE
    assert Noting.notes == [
        (51, [high, low], [2, 1]), (101, [high], [1]), (131, [high], [2]),
    ]  # fmt: skip


class ManyBatches(Strategy):
    sizes: ClassVar[list[int]] = []

    def on_trades(self, trades: Any, context: Any) -> None:
        self.sizes.append(trades.size)


def test_batches_come_early_where_too_many_would_gather() -> None:
    tape = Tape().add(0, 1, "B", 100, 1_000_000)
    for k in range(20_000):
        tape.trade(1 + k, (1, 1))
    ManyBatches.sizes.clear()
    play(ManyBatches, tape)
    assert ManyBatches.sizes == [8_192, 8_192, 20_000 - 2 * 8_192]


class Looking(Noting):
    wants = Wants(trades_kept=3)

    def on_timer(self, timer: Any, context: Any) -> None:
        self.note(context, context.market.trades()["size"].tolist(),
                  context.market.trades(1)["ts_event"].tolist())  # fmt: skip

    def on_start(self, context: Any) -> None:
        context.set_timer(at=ns(5))
        context.set_timer(at=ns(55))


def test_the_last_trades_are_kept() -> None:
    tape = quoted()
    for k in range(5):
        tape.trade(10 + k, (9, 1 + k % 2))
    play(Looking, tape.tick(100))
    assert Noting.notes == [(5, [], []), (55, [1, 2, 1], [ns(14)])]


class Wrong(Noting):
    def on_trade(self, trade: Any, context: Any) -> None:
        market = context.market
        for look in (
            market.bids, market.trades, lambda: market.session, lambda: context.features["mid"],
            lambda: context.set_timer(after=1),
        ):  # fmt: skip
            with pytest.raises(ValueError) as caught:  # noqa: PT011
                look()
            self.note(context, str(caught.value))


def test_what_is_not_asked_for_says_how_to_ask() -> None:
    play(Wrong, quoted().trade(10, (9, 1)))
    said = [text for _, text in Noting.notes]
    assert "wants = Wants(depth=10)" in said[0]
    assert "wants = Wants(trades_kept=100)" in said[1]
    assert "wants = Wants(session=True)" in said[2]
    assert "wants = Wants(features=('mid', …))" in said[3]
    assert "on_timer" in said[4]


class Failing(Strategy):
    def on_fill(self, fill: Any, context: Any) -> None:
        raise KeyError("colour")

    def on_start(self, context: Any) -> None:
        context.buy(1)


def test_what_fails_is_named_with_its_own_lines_alone() -> None:
    with pytest.raises(StrategyError) as caught:
        play(Failing, quoted().tick(300))
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("strategy mine failed in on_fill at ")
    assert lines[0].endswith(", on TWX:")
    assert [line for line in lines if "File" in line] == [lines[1]]
    assert lines[1].endswith("in on_fill")
    assert lines[2] == '    raise KeyError("colour")'
    assert lines[-1] == "KeyError: 'colour'"
    assert caught.value.strategy_id == "mine"


def test_it_sees_several_books_in_one_time() -> None:
    class Pairs(Noting):
        wants = Wants(together=True)

        def on_trade(self, trade: Any, context: Any) -> None:
            touches = [(name, market.best_bid) for name, market in context.markets.items()]
            self.note(context, trade.symbol, touches, context.market.symbol)
            other = next(name for name in context.markets if name != trade.symbol)
            if context.markets[other].position == 0:
                context.buy(1, symbol=other)

    first = quoted().trade(100, (9, 1)).tick(300)
    second = Tape()
    second.instrument = 8
    second.add(3, 11, "B", 50, 5).add(4, 19, "A", 51, 5).trade(400, (19, 1)).tick(900)
    records = np.concatenate([first.records(), second.records()])
    records = records[np.argsort(records["ts_recv"], kind="stable")]
    simulation, rows = play(Pairs, records)
    assert Noting.notes == [
        (101, "TWX", [("TWX", 100 * PRICE), ("TWY", 50 * PRICE)], "TWX"),
        (401, "TWY", [("TWX", 100 * PRICE), ("TWY", 50 * PRICE)], "TWY"),
    ]
    assert [(fill["instrument_id"], fill["last_px"]) for fill in rows.fills] == [
        (8, 51 * PRICE), (7, 101 * PRICE),
    ]  # fmt: skip
    assert len(simulation.legs) == 2


def test_what_is_expected_is_of_the_book_that_was_turned_to() -> None:
    class Turning(Noting):
        wants = Wants(together=True)

        def on_trade(self, trade: Any, context: Any) -> None:
            if trade.symbol == "TWX":
                context.buy(2)
                return
            for leg in (0, 1):
                market = context.turn_to(leg)
                self.note(context, market.symbol, market.position, context.expected_position)

    second = Tape()
    second.instrument = 8
    second.add(3, 11, "B", 50, 5).add(4, 19, "A", 51, 5).trade(400, (19, 1)).tick(900)
    play(Turning, merge(quoted().trade(100, (9, 1)).tick(300), second))
    assert Noting.notes == [(401, "TWX", 2, 2), (401, "TWY", 0, 0)]


@pytest.mark.parametrize("trades_other", [False, True])
def test_an_order_on_another_book_leaves_the_one_at_hand(trades_other: bool) -> None:
    class Elsewhere(Noting):
        wants = Wants(together=True)

        def on_trade(self, trade: Any, context: Any) -> None:
            if trades_other:
                order = context.buy(1, 40, symbol="TWY")
                context.mass_cancel(symbol="TWY")
                context.cancel(order)
            context.set_timer(after="100us", name="mine")
            context.record("x", 1)

        def on_timer(self, timer: Any, context: Any) -> None:
            self.note(context, timer.name, context.market.symbol)

    second = Tape()
    second.instrument = 8
    second.add(3, 11, "B", 50, 5).add(4, 19, "A", 51, 5).tick(900)
    _, rows = play(Elsewhere, merge(quoted().trade(100, (9, 1)).tick(300), second))
    assert Noting.notes == [(201, "mine", "TWX")]
    assert [(row["leg"], us(int(row["ts"]))) for row in rows.series] == [(0, 101)]


class Random(Noting):
    def on_trade(self, trade: Any, context: Any) -> None:
        self.note(context, float(context.random.random()))


def test_random_numbers_hang_on_seed_and_name() -> None:
    tape = quoted().trade(10, (9, 1)).trade(20, (9, 1))
    seen = []
    for settings in ({}, {}, {"seed": 5}):
        Noting.notes.clear()
        play(Random, tape, **settings)
        seen.append(list(Noting.notes))
    assert seen[0] == seen[1]
    assert seen[0] != seen[2]
    Noting.notes.clear()
    both = [spec_of(Trades, "other"), spec_of(Random, "mine")]
    run(configure(None, others=both), tape.records())
    assert [note for note in Noting.notes if len(note) == 2] == seen[0]


class Recording(Strategy):
    def on_trade(self, trade: Any, context: Any) -> None:
        context.record("size", trade.size)


def test_values_are_recorded_at_their_times() -> None:
    simulation, rows = play(Recording, quoted().trade(10, (9, 2)).trade(20, (9, 1)))
    assert simulation.series_names == ["size"]
    series = [(row["leg"], us(int(row["ts"])), row["value"]) for row in rows.series]
    assert series == [(0, 11, 2.0), (0, 21, 1.0)]


class Breaking(Strategy):
    def on_trade(self, trade: Any, context: Any) -> None:
        raise KeyboardInterrupt


def test_ctrl_c_within_a_callback_is_no_failure_of_the_strategy() -> None:
    simulation = Simulation(configure(None, others=[spec_of(Breaking)]))
    with pytest.raises(KeyboardInterrupt):
        simulation.feed(quoted().trade(10, (9, 1)).records())


class Greedy(Strategy):
    def on_trade(self, trade: Any, context: Any) -> None:
        for _ in range(65):
            context.buy(1, 99 * PRICE)


def test_more_requests_than_the_bound_end_the_run() -> None:
    with pytest.raises(Exception, match="mine made more than 64 requests in one callback"):
        play(Greedy, quoted().trade(10, (9, 1)))


class Halted(Noting):
    def on_book(self, market: Any, context: Any) -> None:
        if not context.orders and context.position == 0 and not context.halted:
            context.buy(2)
        self.note(context, context.position, context.pnl, context.halted)


def test_account_and_loss_limit_are_known_as_they_were_told() -> None:
    tape = quoted().tick(300).cancel(400, 1).add(500, 4, "B", 90, 5).tick(900)
    limits = RiskLimits(max_loss=5 * 10**9)
    play(Halted, tape, limits=limits)
    assert Noting.notes[-1][1] == 2
    assert Noting.notes[-1][3] is True


class Resting(Noting):
    wants = Wants(book="bbo")

    def on_start(self, context: Any) -> None:
        self.sent = None

    def on_book(self, market: Any, context: Any) -> None:
        if self.sent is None:
            self.sent = context.submit(1, 1, 99 * PRICE)

    def on_order_update(self, order: Any, context: Any) -> None:
        self.note(context, order.status.name, context.market.ended)


def test_a_market_has_ended_as_word_of_its_orders_comes() -> None:
    """Sent at 1, there at 51 and told at 101; the instrument expires at 300, told at 350."""
    play(Resting, quoted().tick(1_000), expires=(300, None))
    assert Noting.notes == [(101, "NEW", False), (350, "EXPIRED", True)]
