"""What stops an order before it leaves: each limit at its edge, each state, doubts about data."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from rails_desks import START_NS, SYMBOL, UNIT, Table, limited
from tapewire.execution.codes import OrderType
from tapewire.live.rails.messages import DataState, EngineBeat, MarketNow, RailsState
from tapewire.live.rails.records import (
    JOURNAL_CODEC,
    KeptPosition,
    PositionAdopted,
    PositionValued,
)
from tapewire.live.rails.rules import RateWindow
from tapewire.live.rails.settings import RailsInstrument, RailsLimits
from tapewire.market.records import UNDEF_PRICE


@pytest.fixture
def opened(tmp_path: Path) -> Any:
    tables = []

    def make(**changes: Any) -> Table:
        table = Table(tmp_path / f"account{len(tables)}", changes).open().settled()
        tables.append(table)
        return table

    yield make
    for table in tables:
        table.die()


def test_an_order_within_all_limits_leaves(opened: Any) -> None:
    table = opened()
    name = table.send(2, 99.0)
    assert table.denial() == ""
    table.pass_s(0.1)
    assert table.venue.received == {name: 1}


def test_order_size(opened: Any) -> None:
    table = opened(**limited(max_order_size=5))
    table.send(6, 99.0)
    assert table.denial() == "MAX_ORDER_SIZE: 6 lots, at most 5"
    table.send(5, 99.0)
    assert len(table.desk.ledger.open) == 1


def test_position_counts_open_orders_of_its_side_as_filled(opened: Any) -> None:
    table = opened(**limited(max_position=10))
    name = table.send(6, 99.0)
    table.pass_s(0.1)
    table.broker.fill(name, 2)
    table.pass_s(0.1)
    table.send(4, 99.0)
    table.pass_s(0.1)
    assert table.denial() == ""
    table.send(1, 99.0)
    assert table.denial() == "MAX_POSITION: could come to 11 lots, at most 10"
    table.send(-12, 101.0)  # 2 held, 12 sold: 10 short at worst
    assert len(table.desk.ledger.open) == 3


def test_an_order_of_unknown_outcome_counts_at_its_full_size(opened: Any) -> None:
    table = opened(**limited(max_position=10))
    table.send(8, 99.0)
    table.broker.cut(arrive=0)
    table.pass_s(2.0, steps=False)
    assert len(table.desk.ledger.unknown) == 1
    assert table.desk.ledger.open_lots(SYMBOL, 1) == 8


def test_a_replace_counts_what_it_adds(opened: Any) -> None:
    table = opened(**limited(max_position=10, max_order_size=9))
    name = table.send(6, 99.0)
    table.send(3, 99.0)
    table.pass_s(0.1)
    table.replace(name, 8, 99.0)
    assert "MAX_POSITION: could come to 11 lots" in str(table.said[-1])
    table.replace(name, 7, 99.0)
    table.pass_s(0.1)
    assert table.desk.ledger.open[name].quantity == 7


def test_while_a_replace_is_under_way_the_larger_size_counts(opened: Any) -> None:
    table = opened(**limited(max_position=10))
    name = table.send(4, 99.0)
    table.pass_s(0.1)
    table.replace(name, 9, 99.0)
    table.send(2, 99.0)
    assert table.denial().startswith("MAX_POSITION: could come to 11")
    table.replace(name, 3, 99.0)
    assert "UNSETTLED" in str(table.said[-1])


def test_exposures_are_valued_by_the_contract(opened: Any) -> None:
    # One lot at 100.25, where a buy trades, is 5,012.5.
    table = opened(**limited(max_gross_exposure=10_025 * UNIT))
    table.send(3, 99.0)
    assert table.denial() == f"MAX_GROSS_EXPOSURE: {15_037 * UNIT + UNIT // 2}, at most " + str(
        10_025 * UNIT
    )
    table.send(2, 99.0)
    assert len(table.desk.ledger.open) == 1
    table.send(-2, 99.0)  # the other side: not both can happen at once
    assert len(table.desk.ledger.open) == 2


def test_net_exposure_sets_instruments_against_each_other(opened: Any) -> None:
    table = opened(
        instruments={SYMBOL: RailsInstrument(multiplier_num=50), "MESZ6": RailsInstrument()},
        **limited(max_net_exposure=6_000 * UNIT),
    )
    table.desk.ledger.position("MESZ6").lots = -20
    table.send(1, 99.0)
    assert table.denial() == "NO_MARK: there is no price of MESZ6 to tell an exposure by"
    markets = table.desk.markets
    markets.told["MESZ6"] = markets.told[SYMBOL]
    table.send(1, 99.0)  # 5,012.5, less 20 times 100.25
    assert len(table.desk.ledger.open) == 1
    table.send(1, 99.0)
    assert table.denial() == f"MAX_NET_EXPOSURE: {8_020 * UNIT}, at most {6_000 * UNIT}"


def test_exposures_after_a_roll(opened: Any) -> None:
    """What is no longer listed counts at its last worth; what is flat needs no price."""
    table = opened(**limited(max_gross_exposure=6_000 * UNIT))
    table.desk.ledger.position("ESU6")
    table.send(1, 99.0)
    assert table.denial() == ""
    table.desk.ledger.position("ESU6").lots = -20
    table.send(1, 99.0)
    assert table.denial() == "NO_MARK: there is no price of ESU6 to tell an exposure by"
    table.desk.ledger.apply(PositionValued("ESU6", 50 * UNIT, 1, 1))
    table.send(1, 99.0)  # 1,000 of the earlier contract, 10,025 of this one
    assert table.denial() == f"MAX_GROSS_EXPOSURE: {11_025 * UNIT}, at most {6_000 * UNIT}"


def test_orders_per_second(opened: Any) -> None:
    table = opened(**limited(max_orders_per_second=3))
    for _ in range(3):
        table.send(1, 99.0)
    table.send(1, 99.0)
    assert table.denial() == "MAX_ORDER_RATE: more than 3 in a second"
    table.pass_s(0.9)
    table.send(1, 99.0)
    table.pass_s(0.1)
    assert len(table.desk.ledger.open) == 3
    table.send(1, 99.0)
    assert len(table.desk.ledger.open) == 4


def test_messages_per_second_count_cancels_and_never_stop_them(opened: Any) -> None:
    table = opened(**limited(max_messages_per_second=2))
    name = table.send(1, 99.0)
    table.pass_s(0.1)
    table.cancel(name)
    table.send(1, 99.0)
    assert table.denial() == "MAX_MESSAGE_RATE: more than 2 in a second"
    table.cancel(name)
    table.pass_s(0.1)
    assert not table.desk.ledger.open


def test_messages_per_trade(opened: Any) -> None:
    table = opened(**limited(max_messages_per_trade=2))
    name = table.send(2, 99.0)
    table.send(1, 99.0)
    table.send(1, 99.0)
    assert table.denial() == "MAX_MESSAGES_PER_TRADE: 3 for 1, at most 2 each"
    table.pass_s(0.1)
    for _ in range(2):
        table.broker.fill(name, 1)
    table.pass_s(0.1)
    table.send(1, 99.0)
    assert len(table.desk.ledger.open) == 2


def test_open_orders(opened: Any) -> None:
    table = opened(**limited(max_open_orders=2))
    for _ in range(3):
        table.send(1, 99.0)
    assert table.denial() == "MAX_OPEN_ORDERS: 3 would be open, at most 2"


def test_instruments_that_are_not_listed(opened: Any) -> None:
    table = opened()
    table.send(1, 99.0, symbol="NQZ6")
    assert table.denial() == f"SYMBOL: expected one of {SYMBOL}, found NQZ6"


def test_price_band_around_the_touch(opened: Any) -> None:
    table = opened(**limited(price_band=2 * UNIT))
    table.send(1, 102.5)
    assert table.denial() == f"PRICE_BAND: {9 * UNIT // 4} past {401 * UNIT // 4}, at most " + str(
        2 * UNIT
    )
    table.send(1, 102.25)
    table.send(-1, 97.75)
    table.send(1, 1.0)  # far on its own side: it harms nobody
    assert len(table.desk.ledger.open) == 3
    table.send(-1, 97.5)
    assert table.denial().startswith("PRICE_BAND")


def test_prices_are_multiples_of_the_tick(opened: Any) -> None:
    table = opened(instruments={SYMBOL: RailsInstrument(tick=UNIT // 4)})
    table.send(1, 99.1)
    assert table.denial().startswith("INVALID_PRICE: 99100000000 is no multiple")
    table.send(1, 99.25)
    assert len(table.desk.ledger.open) == 1


def test_terms_that_do_not_go_together(opened: Any) -> None:
    table = opened()
    table.send(1, 99.0, order_type=int(OrderType.MARKET))
    assert table.denial().startswith("INVALID_TERMS: ")
    table.send(1, 99.0, side=5)
    assert table.denial().startswith("INVALID_TERMS: ")


@pytest.mark.parametrize(
    ("beat", "reason"),
    [
        ({"lag_ns": UNIT}, "DATA_LAG"),
        ({"state": DataState.GAPPED}, "DATA_GAPPED"),
        ({"state": DataState.STALE}, "DATA_STALE"),
    ],
)
def test_data_that_are_not_sound_stop_new_orders(
    opened: Any, beat: dict[str, Any], reason: str
) -> None:
    table = opened()
    name = table.send(1, 99.0)
    table.pass_s(0.1)
    table.beat(**beat)
    table.send(1, 99.0)
    assert table.denial().startswith(reason)
    table.cancel(name)
    table.pass_s(0.1, beats=False)
    assert not table.desk.ledger.open
    table.beat()
    table.send(1, 99.0)
    assert len(table.desk.ledger.open) == 1


def test_a_silent_engine_has_no_new_orders(opened: Any) -> None:
    table = opened()
    table.pass_s(2.0, beats=False)
    table.send(1, 99.0)
    assert table.denial() == ""
    table.pass_s(0.1, beats=False)
    table.send(1, 99.0)
    assert table.denial().startswith("NO_HEARTBEAT")


def test_a_market_that_nobody_speaks_of_is_stale(opened: Any) -> None:
    table = opened()
    table.desk.markets.told_ns[SYMBOL] -= 11 * UNIT
    table.send(1, 99.0)
    assert table.denial().startswith("NO_QUOTE")


@pytest.mark.parametrize("limit", ["max_loss", "max_drawdown", "max_daily_loss"])
def test_losses_count_at_what_would_be_got_now(opened: Any, limit: str) -> None:
    # 2 lots bought at 100: a point is 100, and the bid is a quarter below the price.
    table = opened(**limited(**{limit: 125 * UNIT}))
    table.send(2)
    table.pass_s(0.2)
    table.venue.price = 99 * UNIT + UNIT // 4
    table.pass_s(0.1)
    assert table.state == RailsState.ACTIVE
    table.venue.price = 99 * UNIT
    name = table.send(1, 90.0)
    table.pass_s(0.3)
    assert table.state == RailsState.HALTED
    assert f"{limit.upper()} is reached: lost {125 * UNIT}; halt" in table.told()
    assert not table.desk.ledger.open, "halted: what is open is canceled"
    assert table.lots() == 2
    table.send(-2)
    assert table.denial().startswith("HALTED: ")
    assert name in table.desk.ledger.ended


def test_a_drawdown_counts_from_the_best(opened: Any) -> None:
    table = opened(**limited(max_drawdown=100 * UNIT))
    table.send(1)
    for price in (104, 103, 106, 105):
        table.venue.price = price * UNIT
        table.pass_s(0.2)
    assert table.state == RailsState.ACTIVE
    table.venue.price = 104 * UNIT
    table.pass_s(0.2)
    assert table.state == RailsState.HALTED


def test_reached_limits_are_still_reached_after_a_kill(opened: Any) -> None:
    table = opened(**limited(max_loss=100 * UNIT))
    table.send(2)
    table.pass_s(0.2)
    table.venue.price = 90 * UNIT
    table.pass_s(0.3)
    assert table.state == RailsState.HALTED
    table.die()
    table.venue.price = 110 * UNIT
    table.open()
    table.pass_s(0.5)
    assert table.state == RailsState.HALTED


def test_what_a_limit_asks_for_is_done_by_the_next_session_too(opened: Any) -> None:
    table = opened(limits=RailsLimits(max_loss=100 * UNIT, on_max_loss="flatten"))
    table.send(2)
    table.pass_s(0.2)
    table.venue.price = 90 * UNIT
    table.beat()
    records = table.desk.rules.measure(table.now_ns)
    table.desk.journal.append(table.now_ns, *records)
    table.die()
    table.open()
    table.pass_s(1.5)
    assert table.lots() == 0


def test_a_daily_loss_is_over_with_the_day(opened: Any) -> None:
    turn = START_NS // UNIT % 86_400 + 5
    table = opened(day_turn=turn, **limited(max_daily_loss=100 * UNIT))
    table.send(2)
    table.pass_s(0.2)
    table.venue.price = 90 * UNIT
    table.pass_s(0.3)
    assert table.state == RailsState.HALTED
    table.pass_s(5.0)
    assert table.state == RailsState.ACTIVE
    table.venue.price = 89 * UNIT
    table.pass_s(0.2)
    assert table.state == RailsState.HALTED


def test_while_reducing_only_what_makes_a_position_smaller(opened: Any) -> None:
    limits = RailsLimits(max_loss=100 * UNIT, on_max_loss="cancel_all")
    table = opened(limits=limits)
    table.send(3)
    table.pass_s(0.2)
    table.venue.price = 90 * UNIT
    table.pass_s(0.5)
    assert table.state == RailsState.REDUCING
    table.send(1, 90.0)
    assert table.denial().startswith("REDUCING: MAX_LOSS")
    table.send(-2, 95.0)
    table.send(-2, 95.0)
    assert len(table.desk.ledger.open) == 1, "more than is held, if both fill"
    table.send(-1, 95.0)
    assert len(table.desk.ledger.open) == 2


def test_a_loss_can_flatten(opened: Any) -> None:
    table = opened(limits=RailsLimits(max_loss=100 * UNIT, on_max_loss="flatten"))
    table.send(3)
    table.send(1, 80.0)
    table.pass_s(0.2)
    table.venue.price = 90 * UNIT
    table.pass_s(1.5)
    assert table.lots() == 0
    assert table.venue.positions[SYMBOL] == 0
    assert not table.venue.open


ROLLED = "ESH7"


def rolled(table: Table, *listed: str) -> Table:
    """The next session, which trades another contract."""
    table.die()
    multipliers = {symbol: RailsInstrument(multiplier_num=50) for symbol in listed or (ROLLED,)}
    table.changes["instruments"] = multipliers
    return table.open()


def pass_rolled_s(table: Table, seconds: float) -> None:
    """Let time pass with prices of the contract that is traded now, and no other."""
    px = table.venue.price
    for _ in range(round(seconds * 10)):
        table.desk.markets.learn(
            MarketNow(ROLLED, px - UNIT // 4, px + UNIT // 4, px, table.now_ns), table.now_ns
        )
        table.desk.markets.hear(EngineBeat(0, 0, DataState.SOUND), table.now_ns)
        table.pass_s(0.1, beats=False)


LOSSES = ["max_loss", "max_drawdown", "max_daily_loss"]


@pytest.mark.parametrize("limit", LOSSES)
def test_losses_are_measured_after_a_roll(opened: Any, limit: str) -> None:
    table = opened(**limited(**{limit: 1_000 * UNIT}))
    table.send(1)
    table.pass_s(0.2)
    table.send(-1)
    table.pass_s(0.2)
    rolled(table)
    pass_rolled_s(table, 0.5)
    assert table.state == RailsState.ACTIVE
    table.send(10, symbol=ROLLED)
    pass_rolled_s(table, 0.2)
    table.venue.price = 97 * UNIT
    pass_rolled_s(table, 0.3)
    assert table.state == RailsState.HALTED
    assert f"{limit.upper()} is reached" in table.told()


def test_what_a_contract_lost_counts_once_it_is_no_longer_listed(opened: Any) -> None:
    table = opened(**limited(max_loss=100 * UNIT))
    table.send(2)
    table.pass_s(0.2)
    table.venue.price = 99 * UNIT + UNIT // 2
    table.send(-2)
    table.pass_s(0.2)  # lost 50
    for _ in range(2):  # the file of a session that never measured it has it, too
        rolled(table)
    pass_rolled_s(table, 0.5)
    table.send(2, symbol=ROLLED)
    pass_rolled_s(table, 0.2)
    assert table.state == RailsState.ACTIVE
    table.venue.price = 99 * UNIT + UNIT // 4
    pass_rolled_s(table, 0.3)
    assert f"MAX_LOSS is reached: lost {100 * UNIT}" in table.told()


def test_what_is_held_and_not_listed_counts_at_its_last_worth(opened: Any) -> None:
    table = opened(**limited(max_loss=1_000 * UNIT))
    table.send(4)
    table.pass_s(0.2)
    table.venue.price = 97 * UNIT
    table.pass_s(11.0)  # lost 650 at the bid
    rolled(table, SYMBOL, ROLLED)
    pass_rolled_s(table, 0.5)
    assert table.state == RailsState.ACTIVE
    table.send(2, symbol=ROLLED)
    pass_rolled_s(table, 0.2)
    rolled(table)
    pass_rolled_s(table, 0.5)
    assert table.state == RailsState.REDUCING
    assert f"{SYMBOL}: +4 lots are held, and it is not listed" in table.told()
    table.send(1, symbol=ROLLED)
    assert table.denial().startswith("REDUCING: ")
    table.venue.price = 94 * UNIT - UNIT // 4
    pass_rolled_s(table, 0.3)
    assert table.state == RailsState.HALTED
    assert "MAX_LOSS is reached: lost 1000" in table.told()


def test_without_limits_on_losses_nobody_asks_what_is_not_listed_is_worth(opened: Any) -> None:
    table = opened(**limited(max_position=9))
    table.send(4)
    table.pass_s(0.2)
    rolled(table)
    pass_rolled_s(table, 0.5)
    assert table.state == RailsState.ACTIVE


@pytest.mark.parametrize("limit", LOSSES)
def test_losses_are_measured_beside_what_was_adopted_and_is_not_listed(
    opened: Any, limit: str
) -> None:
    table = opened(**limited(**{limit: 1_000 * UNIT}))
    table.send(10)
    table.pass_s(0.2)
    table.desk.journal.append(table.now_ns, PositionAdopted("MNQZ6", 1, 18_000 * UNIT))
    table.pass_s(0.2)
    assert table.state == RailsState.REDUCING
    table.venue.price = 97 * UNIT
    table.pass_s(0.3)
    assert table.state == RailsState.HALTED


def test_before_the_first_price_a_position_counts_at_its_last_worth(opened: Any) -> None:
    table = opened(**limited(max_drawdown=250 * UNIT))
    table.send(2)
    table.venue.price = 104 * UNIT
    table.pass_s(12.0)  # won 375 at the bid
    rolled(table, SYMBOL, ROLLED)
    pass_rolled_s(table, 0.5)
    assert table.state == RailsState.ACTIVE, "neither a drawdown nor a doubt"
    pass_rolled_s(table, 12.0)
    assert table.state == RailsState.ACTIVE
    assert table.told().count(f"{SYMBOL}: no price of it for more than 10 s") == 1
    table.venue.price = 101 * UNIT
    table.pass_s(0.3)
    assert table.state == RailsState.HALTED


def test_a_side_of_the_book_that_is_empty_leaves_the_last_price(opened: Any) -> None:
    table = opened(**limited(max_loss=80 * UNIT))
    table.send(2)
    table.pass_s(0.2)
    name = table.send(1, 101.0)
    table.pass_s(0.1)
    table.desk.markets.learn(
        MarketNow(SYMBOL, UNDEF_PRICE, 99 * UNIT, UNDEF_PRICE, table.now_ns), table.now_ns
    )
    table.pass_s(0.1, beats=False)
    assert table.state == RailsState.ACTIVE
    table.broker.fill(name, 1)
    table.pass_s(0.1, beats=False)
    assert table.state == RailsState.HALTED
    assert f"MAX_LOSS is reached: lost {175 * UNIT // 2}" in table.told()


@pytest.mark.parametrize(("cash", "is_known"), [("0", True), ("-5000000000", False)])
def test_a_journal_that_does_not_know_a_contract_lets_nothing_more_be_held(
    opened: Any, cash: str, is_known: bool
) -> None:
    table = opened(**limited(max_loss=100 * UNIT))
    table.desk.journal.append(table.now_ns, KeptPosition("ESU6", 0, cash, "7"))
    table.pass_s(0.2)
    assert (table.state == RailsState.ACTIVE) == is_known
    if not is_known:
        assert "ESU6: what it won or lost can't be told until it is listed" in table.told()
        table.send(1, 99.0)
        assert table.denial().startswith("REDUCING: ESU6")
        rolled(table, "ESU6", ROLLED)
        pass_rolled_s(table, 0.5)
        assert table.state == RailsState.HALTED, "listed, its loss of 250 counts"


def test_a_journal_that_does_not_know_a_price_waits_for_one(opened: Any) -> None:
    table = opened(**limited(max_loss=100 * UNIT))
    table.venue.positions[SYMBOL] = 2
    table.desk.journal.append(table.now_ns, KeptPosition(SYMBOL, 2, str(-200 * UNIT), "0"))
    table.desk.markets.told.clear()
    table.pass_s(0.3, beats=False)
    assert table.state == RailsState.REDUCING
    assert f"{SYMBOL}: no price yet to tell what +2 lots are worth" in table.told()
    table.pass_s(0.3)
    assert table.state == RailsState.ACTIVE
    table.venue.price = 99 * UNIT
    table.pass_s(0.3)
    assert table.state == RailsState.HALTED


def test_a_position_is_read_as_earlier_versions_wrote_it() -> None:
    frame = msgspec.msgpack.encode(["keptposition", "ESU6", 3, "-5", "7"])
    found = JOURNAL_CODEC.decode(frame, bytes_max=1_000)
    assert found == KeptPosition("ESU6", 3, "-5", "7", UNDEF_PRICE, 0, 1)


def test_a_rate_is_of_any_second() -> None:
    window = RateWindow(2)
    for now in (5, 6):
        assert not window.is_full(now)
        window.count(now)
    assert window.is_full(UNIT + 4)
    assert not window.is_full(UNIT + 5)
    assert RateWindow(0).is_full(1)
    assert not RateWindow(None).is_full(1)
