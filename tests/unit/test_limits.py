"""Limits of a strategy: what counts, when they are reached, and what follows.

Latency is 50 µs each way, records are captured 1 µs after they happened: what happens at 300 is
shown at 301. ``long`` buys 2 at 101, which is known at 110; the market is 100 / 101, so that it is
marked at 100.5.
"""

from pathlib import Path
from typing import Any

import pytest

from stories import (
    OTHER_INSTRUMENT,
    OTHER_SYMBOL,
    START_NS,
    Log,
    Played,
    Tape,
    merge,
    ns,
    play,
)
from tapewire.market.records import UNDEF_PRICE
from tapewire.positions.codes import Limit, LimitAction
from tapewire.router import LimitTrip, RiskLimits

UNIT = 10**9


def market(tape: Tape | None = None) -> Tape:
    return (tape or Tape()).add(0, 1, "B", 100, 1000).add(1, 9, "A", 101, 1000).tick(200)


def move(tape: Tape, t: float, bid: float) -> Tape:
    """The market is at ``bid`` / ``bid + 1`` from then on."""
    return tape.event(t, tape.m(1, price=bid), tape.m(9, price=bid + 1))


def reasons(played: Played) -> dict[str, str]:
    return {name: order.reason for name, order in played.orders.items()}


def numbers(played: Played, name: str) -> tuple[int, int]:
    """The limit that stopped an order, and what it would have come to."""
    labels = played.simulation.legs[0].client_order_labels or ()
    (row,) = [row for row in played.rows.orders if labels[int(row["client_order_id"]) - 1] == name]
    return int(row["limit_value"]), int(row["limit_found"])


def trips(played: Played) -> list[tuple[Any, ...]]:
    return [
        (t.strategy_id, (t.ts_ns - START_NS) / 1000, t.limit, t.bound, t.found, t.action)
        for t in played.simulation.limit_trips()
    ]


# --- losses ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "is_reached"), [(12, True), (14, False)])
def test_a_drawdown_counts_from_the_best(tmp_path: Path, limit: int, is_reached: bool) -> None:
    # Marked at 110.5: 2 * 9.5 = 19. Then at 104.5: 7, which is 12 less; sold at 104 it is 13.
    tape = move(move(market(), 300, 110), 400, 104).tick(900)
    log = Log().buy(10, "long", 2).buy(350, "before", 1, 80).sell(500, "late", 2)
    played = play(tmp_path, tape, log, limits=RiskLimits(max_drawdown=limit * UNIT))
    if not is_reached:
        assert trips(played) == []
        assert reasons(played)["late"] == "NONE"
        return
    assert trips(played) == [
        ("log", 401, Limit.MAX_DRAWDOWN, 12 * UNIT, 12 * UNIT, LimitAction.HALT)
    ]
    assert reasons(played) == {"long": "NONE", "before": "LOSS_CANCEL", "late": "MAX_DRAWDOWN"}
    assert numbers(played, "late") == (12 * UNIT, 12 * UNIT)
    (trip,) = played.simulation.limit_trips()
    assert trip.sentence() == (
        "log reached max_drawdown 12.00 at 2023-11-14 22:13:20.000401000 UTC with a P&L of 12.00 "
        "below its best and was halted (on_max_drawdown: halt)"
    )


def test_the_best_is_never_below_nothing(tmp_path: Path) -> None:
    """A strategy that only lost is as far below its start as it lost."""
    tape = move(market(), 300, 94).tick(900)  # marked at 94.5: -13
    played = play(
        tmp_path, tape, Log().buy(10, "long", 2), limits=RiskLimits(max_drawdown=13 * UNIT)
    )
    assert trips(played)[0][3:5] == (13 * UNIT, 13 * UNIT)


def losing_two_days() -> tuple[Tape, Log]:
    """-5 by the close at 350, -11 at 401; the next session closes at 600. Flat at 95."""
    tape = move(move(market(), 300, 98), 400, 95).tick(650).tick(900)
    log = Log().buy(10, "long", 2).sell(500, "late", 2).sell(700, "next", 1)
    return tape, log


@pytest.mark.parametrize(("limit", "is_reached"), [(6, True), (7, False)])
def test_a_daily_loss_counts_from_the_close_and_is_over_with_the_session(
    tmp_path: Path, limit: int, is_reached: bool
) -> None:
    tape, log = losing_two_days()
    played = play(
        tmp_path, tape, log, limits=RiskLimits(max_daily_loss=limit * UNIT),
        session_closes=(ns(350), ns(600)),
    )  # fmt: skip
    if is_reached:
        expected = ("log", 401, Limit.MAX_DAILY_LOSS, 6 * UNIT, 6 * UNIT, LimitAction.HALT)
        assert trips(played) == [expected]
        assert numbers(played, "late") == (6 * UNIT, 6 * UNIT)
    late = "MAX_DAILY_LOSS" if is_reached else "NONE"
    assert reasons(played) == {"long": "NONE", "late": late, "next": "NONE"}
    assert played.orders["next"].filled == 1


def test_a_daily_loss_may_be_reached_every_day(tmp_path: Path) -> None:
    tape = move(move(move(market(), 300, 98), 400, 95), 700, 90).tick(900)
    played = play(
        tmp_path, tape, Log().buy(10, "long", 2), limits=RiskLimits(max_daily_loss=4 * UNIT),
        session_closes=(ns(350), ns(600)),
    )  # fmt: skip
    assert [trip[1:5] for trip in trips(played)] == [
        (301, Limit.MAX_DAILY_LOSS, 4 * UNIT, 5 * UNIT),
        (401, Limit.MAX_DAILY_LOSS, 4 * UNIT, 6 * UNIT),
        (701, Limit.MAX_DAILY_LOSS, 4 * UNIT, 10 * UNIT),
    ]


def test_a_day_ends_nothing_that_another_limit_began(tmp_path: Path) -> None:
    tape, log = losing_two_days()
    played = play(
        tmp_path, tape, log, session_closes=(ns(350), ns(600)),
        limits=RiskLimits(max_daily_loss=6 * UNIT, max_drawdown=11 * UNIT),
    )  # fmt: skip
    assert [trip[2] for trip in trips(played)] == [Limit.MAX_DAILY_LOSS, Limit.MAX_DRAWDOWN]
    assert reasons(played)["late"] == "MAX_DAILY_LOSS", "of two alike the first of the table"
    assert reasons(played)["next"] == "MAX_DRAWDOWN"


@pytest.mark.parametrize("action", ["deny", "cancel_all", "halt", "flatten"])
def test_what_follows(tmp_path: Path, action: str) -> None:
    """-21 at 301. Long 2: of three sells of 1 two could close it, and one would go through zero."""
    tape = move(market(), 300, 90).tick(900)
    log = Log().buy(10, "long", 2).buy(150, "rest", 1, 80)
    log.buy(400, "more", 1, 80).sell(410, "less", 1, 95).sell(420, "flat", 1, 95)
    log.sell(430, "short", 1, 95).replace(600, "less", 1, 96)
    limits = RiskLimits(max_loss=20 * UNIT, on_max_loss=action)  # type: ignore[arg-type]
    played = play(tmp_path, tape, log, limits=limits)
    assert trips(played) == [
        ("log", 301, Limit.MAX_LOSS, 20 * UNIT, 21 * UNIT, LimitAction[action.upper()])
    ]
    found = reasons(played)
    assert found["rest"] == ("END_OF_DATA" if action == "deny" else "LOSS_CANCEL")
    reducing = action in ("deny", "cancel_all")
    for name in ("less", "flat"):
        assert found[name] == ("END_OF_DATA" if reducing else "MAX_LOSS")
    assert (found["more"], found["short"]) == ("MAX_LOSS", "MAX_LOSS")
    assert played.orders["less"].replaces == reducing
    assert played.last_sample()["position"] == (0 if action == "flatten" else 2)


def test_the_harder_of_two_limits_holds(tmp_path: Path) -> None:
    """At 301 it may only reduce, at 401 nothing leaves any more."""
    tape = move(move(market(), 300, 95), 400, 90).tick(900)  # -11, -21
    log = Log().buy(10, "long", 2).sell(350, "less", 1, 120).sell(450, "late", 1, 120)
    limits = RiskLimits(max_drawdown=11 * UNIT, on_max_drawdown="deny", max_loss=20 * UNIT)
    played = play(tmp_path, tape, log, limits=limits)
    assert [(trip[1], trip[2]) for trip in trips(played)] == [
        (301, Limit.MAX_DRAWDOWN), (401, Limit.MAX_LOSS),
    ]  # fmt: skip
    assert reasons(played) == {"long": "NONE", "less": "LOSS_CANCEL", "late": "MAX_LOSS"}


# --- before an order leaves -----------------------------------------------------------------------


def test_gross_exposure_counts_open_orders_at_the_mark(tmp_path: Path) -> None:
    """At 100.5, times 50: a lot is 5,025. Open buys and sells are not added to each other."""
    log = Log().buy(10, "long", 2).buy(150, "third", 1, 90).buy(160, "fourth", 1, 90)
    log.sell(170, "through zero", 5, 120).sell(180, "too far", 1, 120).cancel(190, "third")
    log.buy(400, "again", 1, 90)
    limit = 15_075 * UNIT  # three lots
    played = play(
        tmp_path, market().tick(900), log, multiplier=50,
        limits=RiskLimits(max_gross_exposure=limit),
    )  # fmt: skip
    assert reasons(played) == {
        "long": "NONE", "third": "USER_CANCEL", "fourth": "MAX_GROSS_EXPOSURE",
        "through zero": "END_OF_DATA", "too far": "MAX_GROSS_EXPOSURE", "again": "END_OF_DATA",
    }  # fmt: skip
    assert numbers(played, "fourth") == (limit, 20_100 * UNIT)
    assert numbers(played, "too far") == (limit, 20_100 * UNIT)
    assert trips(played) == [], "to deny an order is all"


def test_an_exposure_that_the_market_made_may_be_reduced(tmp_path: Path) -> None:
    tape = move(market(), 300, 150).tick(900)  # 2 * 150.5 is above 250
    log = Log().buy(10, "long", 2).buy(400, "more", 1, 90).sell(410, "less", 1)
    played = play(tmp_path, tape, log, limits=RiskLimits(max_gross_exposure=250 * UNIT))
    assert reasons(played) == {"long": "NONE", "more": "MAX_GROSS_EXPOSURE", "less": "NONE"}


def test_net_exposure_sets_instruments_against_each_other(tmp_path: Path) -> None:
    """Long 2 at 100.5 is 201; two of the other one against it, at 50.5, leave 100; gross 302."""
    other = Tape()
    other.instrument = OTHER_INSTRUMENT
    other.add(0, 1, "B", 50, 1000).add(1, 9, "A", 51, 1000).tick(200).tick(300).tick(900)
    log, beside = Log().buy(10, "long", 2), Log(symbol=OTHER_SYMBOL).sell(150, "short", 2)
    log.rows += beside.rows
    log.buy(220, "early", 1, 99).buy(400, "first", 1, 99).buy(410, "second", 1, 99)
    records = merge(market().tick(900), other)
    net = play(tmp_path, records, log, limits=RiskLimits(max_net_exposure=201 * UNIT))
    # The sale at 200 is known at 250: 100 + 100.5 is within 201 then, 100.5 more is not.
    assert reasons(net) == {
        "long": "NONE", "short": "NONE", "early": "MAX_NET_EXPOSURE", "first": "END_OF_DATA",
        "second": "MAX_NET_EXPOSURE",
    }  # fmt: skip
    assert numbers(net, "second") == (201 * UNIT, 301 * UNIT)
    gross = play(tmp_path, records, log, limits=RiskLimits(max_gross_exposure=302 * UNIT))
    assert reasons(gross)["first"] == "MAX_GROSS_EXPOSURE"


def test_without_any_price_an_exposure_is_not_known(tmp_path: Path) -> None:
    """A limit order is valued at its own price, a market order at nothing yet."""
    tape = Tape().add(0, 1, "B", 100, 5).tick(200).tick(500)
    log = Log().buy(10, "market", 1).buy(20, "limit", 2, 90).buy(30, "large", 1, 90)
    played = play(tmp_path, tape, log, limits=RiskLimits(max_gross_exposure=180 * UNIT))
    assert reasons(played) == {
        "market": "NO_MARK", "limit": "END_OF_DATA", "large": "MAX_GROSS_EXPOSURE",
    }  # fmt: skip


def test_an_exposure_beyond_all_numbers_is_denied(tmp_path: Path) -> None:
    log = Log().buy(150, "all", 2**31 - 1, 90)
    played = play(
        tmp_path, market().tick(500), log, multiplier=50,
        limits=RiskLimits(max_gross_exposure=9_223_372_036 * UNIT),
    )  # fmt: skip
    assert reasons(played) == {"all": "MAX_GROSS_EXPOSURE"}
    assert numbers(played, "all")[1] == UNDEF_PRICE, "2^63 - 1: what does not fit"


def test_messages_are_held_against_trades(tmp_path: Path) -> None:
    """Three messages for a trade, and before the first as many: a cancel is never stopped."""
    tape = market().tick(340).tick(900)
    log = Log().buy(110, "a", 1, 90).replace(190, "a", 1, 91).buy(200, "b", 1)
    log.buy(205, "c", 1, 90).cancel(210, "a")
    # b's fill at 250 is known at 300: it is the first trade. The cancel was the fourth message.
    log.buy(310, "d", 1, 90).buy(320, "e", 1)
    played = play(tmp_path, tape, log, limits=RiskLimits(max_messages_per_trade=3))
    assert reasons(played) == {
        "a": "USER_CANCEL", "b": "NONE", "c": "MAX_MESSAGES_PER_TRADE",
        "d": "MAX_MESSAGES_PER_TRADE", "e": "MAX_MESSAGES_PER_TRADE",
    }  # fmt: skip
    assert numbers(played, "c") == (3, 4)
    assert numbers(played, "e") == (3, 5), "the four that left, and this one"


@pytest.mark.parametrize("action", ["deny", "flatten"])
def test_more_may_follow_when_an_order_is_denied(tmp_path: Path, action: str) -> None:
    log = Log().buy(10, "long", 2).buy(150, "rest", 1, 80).buy(160, "too many", 1, 80)
    log.sell(400, "late", 1, 120)
    limits = RiskLimits(max_position=3, on_max_position=action)  # type: ignore[arg-type]
    played = play(tmp_path, market().tick(900), log, limits=limits)
    found = reasons(played)
    assert found["too many"] == "MAX_POSITION"
    if action == "deny":
        assert (found["rest"], found["late"]) == ("END_OF_DATA", "END_OF_DATA")
        assert trips(played) == []
        return
    assert (found["rest"], found["late"]) == ("LOSS_CANCEL", "MAX_POSITION")
    assert trips(played) == [("log", 160, Limit.MAX_POSITION, 3, 4, LimitAction.FLATTEN)]
    assert played.orders["flatten-1"].sent == 160
    assert played.last_sample()["position"] == 0


def test_a_trip_is_written_down_in_numbers() -> None:
    trip = LimitTrip(None, 1_700_000_000_000_000_001, Limit.MAX_POSITION, 3, 4, LimitAction.DENY)
    assert trip.to_dict() == {
        "strategy_id": None, "ts": "2023-11-14T22:13:20.000000001Z",
        "ts_ns": 1_700_000_000_000_000_001, "limit": "max_position", "bound": 3, "found": 4,
        "action": "deny",
    }  # fmt: skip
    assert trip.headline().startswith("the portfolio reached max_position 3 at 2023-11-14 ")
    money = LimitTrip("a", 1, Limit.MAX_DAILY_LOSS, 5 * UNIT, 7 * UNIT, LimitAction.HALT)
    assert (money.to_dict()["bound"], money.to_dict()["found"]) == ("5.00", "7.00")
    assert money.headline().endswith(
        "with a loss of 7.00 since the session began and was halted for the session"
    )
