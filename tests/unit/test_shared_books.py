"""Strategies that share a book, and what prevents a trade with oneself. Worked out by hand.

Latency is 50 µs each way. The book begins with bids 100: order 1 x 5, order 2 x 4, asks 101: order
9 x 10. Order logs ``a`` and ``b`` are two strategies; ``a`` is the first of the run.
"""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from markets import market, spec
from sharing import quiet_book, share
from stories import Log, Tape, configure, models_of, run
from tapewire.config.loading import load_config
from tapewire.config.models import execution_of
from tapewire.errors import ConfigError
from tapewire.execution.codes import FillReason, Liquidity
from tapewire.execution.models import Models
from tapewire.market.status import TradingState
from tapewire.router import RiskLimits, StrategySpec

# --- one queue ------------------------------------------------------------------------------------


def queued() -> tuple[Tape, dict[str, Log]]:
    """At 100: orders 1 x 5 and 2 x 4, ``a`` x 5 from 60 on, 3 x 6, ``b`` x 5 from 150 on, 4 x 9."""
    tape = quiet_book().tick(70).add(80, 3, "B", 100, 6).tick(160).add(170, 4, "B", 100, 9)
    return tape, {"a": Log().buy(10, "a1", 5, 100), "b": Log().buy(100, "b1", 5, 100)}


def test_they_stand_in_one_queue_by_arrival(tmp_path: Path) -> None:
    """A sale of 24 lots: 5, 4, ours 5, 6 of order 3, and 4 are left for the other of ours."""
    tape, logs = queued()
    tape.trade(300, (1, 5), (2, 4), (3, 6), (4, 9)).tick(400)
    played = share(tmp_path, tape, logs)
    assert played.brief() == [("a1", 100, 5, "QUEUE", 300), ("b1", 100, 4, "QUEUE", 300)]
    assert (played.orders["a1"].queue_ahead, played.orders["b1"].queue_ahead) == (9, 20)
    apart = share(tmp_path, tape, logs, book="")
    assert sorted(apart.brief()) == [("a1", 100, 5, "QUEUE", 300), ("b1", 100, 5, "QUEUE", 300)]
    assert apart.orders["b1"].queue_ahead == 15


def test_a_lot_is_handed_out_once_over_all(tmp_path: Path) -> None:
    """A sale of 16: 5, 4, ours 5 and 2 of order 3, which stands before the other of ours."""
    tape, logs = queued()
    tape.trade(300, (1, 5), (2, 4), (3, 6), (4, 1)).tick(400)
    assert share(tmp_path, tape, logs).brief() == [("a1", 100, 5, "QUEUE", 300)]


def test_a_better_price_is_before_all(tmp_path: Path) -> None:
    tape, logs = queued()
    logs["b"] = Log().buy(100, "b1", 5, 100.5)
    tape.trade(300, (1, 5), (2, 1)).tick(400)
    assert share(tmp_path, tape, logs).brief() == [("b1", 100.5, 5, "TRADE_THROUGH", 300)]


def test_what_one_took_is_gone_for_the_other(tmp_path: Path) -> None:
    tape = quiet_book().tick(300)
    logs = {"a": Log().buy(10, "a1", 7), "b": Log().buy(20, "b1", 7)}
    played = share(tmp_path, tape, logs)
    assert played.brief() == [("a1", 101, 7, "TAKEN", 60), ("b1", 101, 3, "TAKEN", 70)]
    assert played.orders["b1"].status == "EXPIRED"
    assert [f.lots for f in share(tmp_path, tape, logs, book="").fills] == [7, 7]


# --- they meet ------------------------------------------------------------------------------------


def test_an_order_that_arrives_meets_what_rests_of_the_other(tmp_path: Path) -> None:
    """Both get a fill, at the price of the one that rested; what is left takes from the market."""
    logs = {"a": Log().sell(10, "a1", 3, 100.5), "b": Log().buy(100, "b1", 5)}
    played = share(tmp_path, quiet_book().tick(300), logs)
    assert [f[:8] for f in played.fills] == [
        ("a1", "SELL", 100.5, 3, "MAKER", "COMPANY", 150, 200),
        ("b1", "BUY", 100.5, 3, "TAKER", "COMPANY", 150, 200),
        ("b1", "BUY", 101, 2, "TAKER", "TAKEN", 150, 200),
    ]
    assert {name: order.status for name, order in played.orders.items()} == {
        "a1": "FILLED", "b1": "FILLED",
    }  # fmt: skip


def test_at_one_price_whoever_came_first_is_met_first(tmp_path: Path) -> None:
    """Asks at 101: order 9 x 10, then ours x 3, then order 10 x 4."""
    tape = quiet_book().tick(70).add(80, 10, "A", 101, 4).tick(300)
    logs = {"a": Log().sell(10, "a1", 3, 101), "b": Log().buy(100, "b1", 15, 101)}
    played = share(tmp_path, tape, logs)
    assert played.brief() == [
        ("b1", 101, 10, "TAKEN", 150), ("a1", 101, 3, "COMPANY", 150),
        ("b1", 101, 3, "COMPANY", 150), ("b1", 101, 2, "TAKEN", 150),
    ]  # fmt: skip


def test_beyond_its_price_it_meets_nobody(tmp_path: Path) -> None:
    logs = {"a": Log().sell(10, "a1", 3, 100.5), "b": Log().buy(100, "b1", 5, 100.25)}
    played = share(tmp_path, quiet_book().tick(300), logs)
    assert played.fills == []
    assert played.orders["b1"].status == "NEW"


def test_a_part_of_what_rests_stays(tmp_path: Path) -> None:
    logs = {"a": Log().sell(10, "a1", 5, 100.5), "b": Log().buy(100, "b1", 2, 100.5)}
    logs["b"].buy(150, "b2", 9, 100.5)
    played = share(tmp_path, quiet_book().tick(300), logs)
    assert [(f.order, f.lots, f.at) for f in played.fills] == [
        ("a1", 2, 150), ("b1", 2, 150), ("a1", 3, 200), ("b2", 3, 200),
    ]  # fmt: skip
    assert (played.orders["b2"].status, played.orders["b2"].filled) == ("PARTIALLY_FILLED", 3)


def test_a_replace_meets_as_a_new_order_does(tmp_path: Path) -> None:
    logs = {"a": Log().sell(10, "a1", 3, 100.5), "b": Log().buy(20, "b1", 5, 99)}
    logs["b"].replace(100, "b1", 2, 100.75)
    played = share(tmp_path, quiet_book().tick(300), logs)
    assert played.brief() == [("a1", 100.5, 2, "COMPANY", 150), ("b1", 100.5, 2, "COMPANY", 150)]


def test_ones_own_orders_do_not_meet(tmp_path: Path) -> None:
    """Nor do they stand in the way: the other's behind them is met."""
    logs = {"a": Log().sell(10, "a1", 3, 100.5).buy(100, "a2", 2, 100.75)}
    logs["b"] = Log().sell(20, "b1", 3, 100.75)
    played = share(tmp_path, quiet_book().tick(300), logs)
    assert played.brief() == [("b1", 100.75, 2, "COMPANY", 150), ("a2", 100.75, 2, "COMPANY", 150)]
    assert played.orders["a1"].status == "NEW"


# --- time over both -------------------------------------------------------------------------------


def test_arrivals_are_in_order_of_time_whoever_is_first_in_the_run(tmp_path: Path) -> None:
    """The book is quiet from 2 on: both are decided before the event at 300, ``b`` first."""
    logs = {"a": Log().buy(21, "a1", 7), "b": Log().buy(20, "b1", 7)}
    for batch, order in itertools.product((0, 1), ("ab", "ba")):
        played = share(tmp_path, quiet_book().tick(300), {k: logs[k] for k in order}, batch=batch)
        assert played.brief() == [("b1", 101, 7, "TAKEN", 70), ("a1", 101, 3, "TAKEN", 71)]


def test_at_one_time_the_first_of_the_run_is_first(tmp_path: Path) -> None:
    logs = {"a": Log().buy(20, "a1", 7), "b": Log().buy(20, "b1", 7)}
    for order in ("ab", "ba"):
        played = share(tmp_path, quiet_book().tick(300), {k: logs[k] for k in order})
        first, second = (f"{name}1" for name in order)
        assert played.brief() == [(first, 101, 7, "TAKEN", 70), (second, 101, 3, "TAKEN", 70)]


def test_a_market_order_of_a_halt_meets_what_rested_in_it(tmp_path: Path) -> None:
    """At the opening, after the market's own: ``a`` asks 100.5, ``b`` buys at any price."""
    logs = {"a": Log().sell(10, "a1", 3, 100.5), "b": Log().buy(20, "b1", 2)}
    states = [(0, TradingState.PRE_OPEN), (200, TradingState.OPEN)]
    played = share(tmp_path, quiet_book().tick(300), logs, states=states)
    assert played.brief() == [("a1", 100.5, 2, "COMPANY", 300), ("b1", 100.5, 2, "COMPANY", 300)]


def test_orders_that_rested_across_each_other_in_a_halt_meet_at_its_end(tmp_path: Path) -> None:
    """``b`` was there first and has its price."""
    logs = {"a": Log().sell(20, "a1", 3, 100.25), "b": Log().buy(10, "b1", 5, 100.75)}
    states = [(0, TradingState.PRE_OPEN), (200, TradingState.OPEN)]
    played = share(tmp_path, quiet_book().tick(300), logs, states=states)
    assert [(f.order, f.price, f.lots, f.liquidity, f.at) for f in played.fills] == [
        ("b1", 100.75, 3, "MAKER", 300), ("a1", 100.75, 3, "TAKER", 300),
    ]  # fmt: skip
    assert played.orders["b1"].status == "PARTIALLY_FILLED"
    prevented = share(tmp_path, quiet_book().tick(300), logs, states=states,
                      prevention="cancel_both")  # fmt: skip
    assert prevented.fills == []
    assert {(o.status, o.reason, o.closed) for o in prevented.orders.values()} == {
        ("CANCELED", "SELF_TRADE", 300)
    }


# --- self-trade prevention ------------------------------------------------------------------------

RULES = {
    "cancel_newest": ([], ("NEW", 3), ("CANCELED", 5)),
    "cancel_oldest": ([(101, 5)], ("CANCELED", 3), ("FILLED", 5)),
    "cancel_both": ([], ("CANCELED", 3), ("CANCELED", 5)),
    "decrement": ([(101, 2)], ("CANCELED", 3), ("FILLED", 2)),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("alone", [True, False], ids=["one strategy", "two"])
def test_a_rule_for_orders_of_one_house(tmp_path: Path, rule: str, alone: bool) -> None:
    """3 lots are offered at 100.5, and 5 bid for up to 101 meet them first."""
    first, second = Log().sell(10, "resting", 3, 100.5), Log().buy(100, "arriving", 5, 101)
    logs = {"a": first, "b": second}
    if alone:
        logs = {"a": Log([*first.rows, *second.rows])}
    tape = quiet_book().tick(300)
    played = share(
        tmp_path, tape, logs, prevention=rule, book="" if alone else "house", event_log=True
    )
    fills, resting, arriving = RULES[rule]
    assert [(float(f.price), f.lots) for f in played.fills] == fills
    for name, (status, quantity) in (("resting", resting), ("arriving", arriving)):
        order = played.orders[name]
        assert (order.status, order.quantity) == (status, quantity)
        if status == "CANCELED":
            assert (order.reason, order.closed) == ("SELF_TRADE", 150)
            assert played.changes(name)[-1][0::5] == ("CANCELED", 150)
            assert played.changes(name)[-1][6] == 200
    unprevented = share(tmp_path, tape, logs, book="" if alone else "house")
    assert [f.reason for f in unprevented.fills] == (
        ["TAKEN"] if alone else ["COMPANY", "COMPANY", "TAKEN"]
    )


def test_the_larger_one_that_rests_is_cut_and_keeps_its_place(tmp_path: Path) -> None:
    """7 rest at 101 behind order 9 x 10 and ahead of 10 x 5; a bid for 14 takes 10 and meets 4."""
    tape = quiet_book().tick(70).add(80, 10, "A", 101, 5).tick(200)
    tape.trade(300, (9, 10), (10, 2)).tick(400)
    logs = {"a": Log().sell(10, "a1", 7, 101), "b": Log().buy(100, "b1", 14, 101)}
    played = share(tmp_path, tape, logs, prevention="decrement", event_log=True)
    assert played.brief() == [("b1", 101, 10, "TAKEN", 150), ("a1", 101, 2, "QUEUE", 300)]
    assert (played.orders["a1"].quantity, played.orders["a1"].status) == (3, "PARTIALLY_FILLED")
    order = played.orders["b1"]
    assert (order.status, order.reason, order.filled) == ("CANCELED", "SELF_TRADE", 10)
    [cut] = [c for c in played.changes("a1") if c[0] == "CHANGED"]
    assert (cut[1], cut[3], cut[5], cut[6]) == ("SELF_TRADE", 3, 150, 200)


def test_only_what_would_have_traded_is_prevented(tmp_path: Path) -> None:
    """The market's 10 lots at 101 stand before ours: a bid for 10 does not come as far."""
    logs = {"a": Log().sell(10, "a1", 3, 101), "b": Log().buy(100, "b1", 10, 101)}
    played = share(tmp_path, quiet_book().tick(300), logs, prevention="cancel_both")
    assert played.brief() == [("b1", 101, 10, "TAKEN", 150)]
    assert played.orders["a1"].status == "NEW"


def test_the_order_that_arrives_says_which_rule(tmp_path: Path) -> None:
    logs = {"a": Log().sell(10, "a1", 3, 100.5), "b": Log().buy(100, "b1", 3, 101)}
    rules = {"a": "cancel_newest", "b": "cancel_oldest"}
    played = share(tmp_path, quiet_book().tick(300), logs, prevention=rules)
    assert {name: order.status for name, order in played.orders.items()} == {
        "a1": "CANCELED", "b1": "FILLED",
    }  # fmt: skip


def test_lots_that_were_cut_no_longer_count_against_a_limit(tmp_path: Path) -> None:
    """max_position 5: 5 are bid for, 3 are cut, 2 filled; 4 more are too many and 3 are not."""
    logs = {"a": Log().sell(10, "a1", 3, 100.5), "b": Log().buy(100, "b1", 5, 101)}
    logs["b"].buy(300, "b2", 4, 99).buy(310, "b3", 3, 99)
    limits = RiskLimits(max_position=5)
    played = share(
        tmp_path, quiet_book().tick(250).tick(500), logs, prevention="decrement", limits=limits
    )
    assert {name: order.status for name, order in played.orders.items()} == {
        "a1": "CANCELED", "b1": "FILLED", "b2": "DENIED", "b3": "NEW",
    }  # fmt: skip


# --- whole runs -----------------------------------------------------------------------------------


def company(prevention: str = "none") -> Iterator[StrategySpec]:
    """Two market makers and a crossover, no two of which act at one time."""
    kinds = {"near": "market_maker", "far": "market_maker", "cross": "sma_crossover"}
    given: dict[str, dict[str, int]] = {
        "near": {"quantity": 3, "max_inventory": 30}, "far": {"quantity": 2},
        "cross": {"fast_period": 3, "slow_period": 9},
    }  # fmt: skip
    for k, (name, kind) in enumerate(kinds.items()):
        models = models_of(entry_us=f"50.0{k + 1}3", response_us="20.007")
        one = spec(name, kind, **given[name])
        yield replace(one, models=models, shared_book="house", self_trade=prevention)


@pytest.mark.parametrize("prevention", ["none", "decrement", "cancel_oldest"])
def test_neither_batches_nor_the_order_in_the_run_matter(prevention: str) -> None:
    records = market(12_000)
    specs = list(company(prevention))
    found = []
    for order, batch in ((specs, 0), (specs[::-1], 0), (specs[1:] + specs[:1], 777)):
        simulation, rows = run(configure(None, others=order), records, batch)
        found.append(simulation.digests())
        fills = rows.fills[rows.fills["reason"] == FillReason.COMPANY]
        made = fills["liquidity"] == Liquidity.MAKER
        assert (fills.size > 10) == (prevention == "none")
        assert fills["last_qty"][made].sum() == fills["last_qty"][~made].sum()
        assert np.array_equal(fills["last_px"][made], fills["last_px"][~made])
    assert found[0] == found[1] == found[2]
    apart, _ = run(
        configure(None, others=[replace(s, shared_book="", self_trade="none") for s in specs]),
        records,
    )
    assert apart.digests() != found[0]


def test_who_shares_a_book_shares_its_fill_model() -> None:
    first, second, _ = company()
    fill = models_of().fill
    fill = replace(fill, definition=replace(fill.definition, name="another"))
    second = replace(second, models=Models(latency=models_of().latency, fill=fill))
    with pytest.raises(ConfigError, match="far: expected the fill model of near, with which it"):
        run(configure(None, others=[first, second]), market(100))


# --- the configuration ----------------------------------------------------------------------------

SHARED = """
backtest:
  data_source: {type: synthetic}
  execution:
    self_trade_prevention: cancel_newest
strategy:
  - type: market_maker
    execution: {shared_book: house}
  - type: sma_crossover
    execution: {shared_book: house, self_trade_prevention: decrement}
  - type: order_log
    parameters: {path: log.csv}
"""


def test_the_configuration_says_who_shares_and_what_is_prevented(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("ts_ns,action,client_order_id,symbol\n")
    path = tmp_path / "shared.yaml"
    path.write_text(SHARED)
    config = load_config(path)
    said = [
        (entry.execution and entry.execution.shared_book,
         execution_of(entry, config.backtest).self_trade_prevention)
        for entry in config.strategy
    ]  # fmt: skip
    assert said == [("house", "cancel_newest"), ("house", "decrement"), (None, "cancel_newest")]
    again = tmp_path / "again.yaml"
    again.write_text(config.to_yaml())
    assert load_config(again) == config


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("cancel_newest", "newest", r":5: .*self_trade_prevention: expected .*found 'newest'"),
        (
            "{shared_book: house}",
            "{shared_book: ''}",
            r":8: .*shared_book: expected 1 to 64 letters",
        ),
        ("{shared_book: house}", "{shared_bok: house}", "did you mean 'shared_book'"),
    ],
)
def test_a_wrong_word_is_refused_by_its_line(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = tmp_path / "shared.yaml"
    path.write_text(SHARED.replace(old, new, 1))
    with pytest.raises(ConfigError, match=message):
        load_config(path)
