"""The four risk limits, each with its reason, before the order leaves.

Latency is 50 µs each way: sent at 10, at the exchange at 60, known at 110.
"""

from pathlib import Path

import pytest

from stories import Log, Tape, play
from tapewire.router import RiskLimits

SECOND_US = 1_000_000


def deep_book() -> Tape:
    """Bids 100 x 1000, asks 101 x 1000."""
    return Tape().add(0, 1, "B", 100, 1000).add(1, 9, "A", 101, 1000)


def reasons(folder: Path, tape: Tape, log: Log, limits: RiskLimits, **settings) -> dict[str, str]:
    played = play(folder, tape, log, limits=limits, **settings)
    denied = [o for o in played.orders.values() if o.status == "DENIED"]
    assert played.counts["orders_denied"] == len(denied)
    assert all(o.arrived == 0 and o.closed == o.sent and o.filled == 0 for o in denied)
    return {name: o.reason for name, o in played.orders.items()}


def test_order_size(tmp_path: Path) -> None:
    log = Log().buy(10, "five", 5).sell(20, "six", 6).buy(30, "limit six", 6, 99)
    assert reasons(tmp_path, deep_book().tick(500), log, RiskLimits(max_order_size=5)) == {
        "five": "NONE", "six": "MAX_ORDER_SIZE", "limit six": "MAX_ORDER_SIZE",
    }  # fmt: skip


def test_position_counts_open_buy_orders_as_if_filled(tmp_path: Path) -> None:
    # Limit 10. Resting bids 6 + 4 fill the room; one lot more does not leave, though flat.
    log = Log().buy(10, "a", 6, 99).buy(20, "b", 4, 99).buy(30, "c", 1)
    assert reasons(tmp_path, deep_book().tick(500), log, RiskLimits(max_position=10)) == {
        "a": "END_OF_DATA", "b": "END_OF_DATA", "c": "MAX_POSITION",
    }  # fmt: skip


def test_position_counts_each_side_by_itself(tmp_path: Path) -> None:
    log = Log().buy(10, "bid", 10, 99).sell(20, "ask", 10, 102).sell(30, "more", 1, 102)
    assert reasons(tmp_path, deep_book().tick(500), log, RiskLimits(max_position=10)) == {
        "bid": "END_OF_DATA", "ask": "END_OF_DATA", "more": "MAX_POSITION",
    }  # fmt: skip


def test_position_counts_what_is_held(tmp_path: Path) -> None:
    # Long 6 at 60 (known 110). Then 4 more are fine, a fifth is not; 16 may be sold, 17 not.
    log = Log().buy(10, "long", 6).buy(200, "five", 5, 99).buy(201, "four", 4, 99)
    log.sell(202, "seventeen", 17, 102).sell(203, "sixteen", 16, 102)
    assert reasons(tmp_path, deep_book().tick(500), log, RiskLimits(max_position=10)) == {
        "long": "NONE", "five": "MAX_POSITION", "four": "END_OF_DATA",
        "seventeen": "MAX_POSITION", "sixteen": "END_OF_DATA",
    }  # fmt: skip


def test_a_canceled_order_gives_its_room_back_when_that_is_known(tmp_path: Path) -> None:
    # The cancel of 100 is carried out at 150 and known at 200.
    log = Log().buy(10, "a", 10, 99).cancel(100, "a").buy(199, "early", 1, 99)
    log.buy(201, "late", 10, 99)
    assert reasons(tmp_path, deep_book().tick(500), log, RiskLimits(max_position=10)) == {
        "a": "USER_CANCEL", "early": "MAX_POSITION", "late": "END_OF_DATA",
    }  # fmt: skip


def test_an_expired_order_gives_its_room_back(tmp_path: Path) -> None:
    # 10 lots IOC at 100.5 find nothing: expired at 60, known at 110.
    log = Log().buy(10, "a", 10, 100.5, "IOC").buy(100, "early", 1, 99).buy(120, "late", 10, 99)
    assert reasons(tmp_path, deep_book().tick(500), log, RiskLimits(max_position=10)) == {
        "a": "NO_LIQUIDITY", "early": "MAX_POSITION", "late": "END_OF_DATA",
    }  # fmt: skip


def test_a_partly_filled_order_counts_once(tmp_path: Path) -> None:
    # a: 4 of 10 filled. Held 4, open 6: no room. Canceled at 250: held 4, room for 6.
    tape = deep_book().tick(70).add(80, 20, "A", 100.5, 4).tick(240).tick(500)
    log = Log().buy(10, "a", 10, 100.5).buy(190, "one", 1, 99).cancel(200, "a")
    log.buy(310, "seven", 7, 99).buy(311, "six", 6, 99)
    assert reasons(tmp_path, tape, log, RiskLimits(max_position=10)) == {
        "a": "USER_CANCEL", "one": "MAX_POSITION", "seven": "MAX_POSITION", "six": "END_OF_DATA",
    }  # fmt: skip


def test_a_replace_to_more_needs_room_and_one_to_less_gives_it_back(tmp_path: Path) -> None:
    # a 6 of 10. To 11: not sent. To 10: fine, so b has no room. To 3: known at 400, then 7 fit.
    log = Log().buy(10, "a", 6, 99).replace(100, "a", 11, 99).replace(200, "a", 10, 99)
    log.buy(210, "b", 1, 99).replace(300, "a", 3, 99).buy(399, "c", 1, 99).buy(410, "d", 7, 99)
    played = play(tmp_path, deep_book().tick(900), log, limits=RiskLimits(max_position=10))
    assert {name: o.reason for name, o in played.orders.items()} == {
        "a": "END_OF_DATA", "b": "MAX_POSITION", "c": "MAX_POSITION", "d": "END_OF_DATA",
    }  # fmt: skip
    assert played.orders["a"].quantity == 3
    assert (played.counts["orders_denied"], played.counts["replaces_denied"]) == (2, 1)


def test_a_replace_that_came_too_late_gives_its_room_back(tmp_path: Path) -> None:
    # a is filled at 120, the replace to 5 lots arrives at 150: refused, known at 200.
    tape = deep_book().tick(70).add(120, 20, "A", 100.5, 3).tick(190).tick(500)
    log = Log().buy(10, "a", 3, 100.5).replace(100, "a", 5, 100.5).buy(190, "b", 6, 99)
    log.buy(210, "c", 7, 99)
    assert reasons(tmp_path, tape, log, RiskLimits(max_position=10)) == {
        "a": "NONE", "b": "MAX_POSITION", "c": "END_OF_DATA",
    }  # fmt: skip


def test_a_replace_to_what_is_filled_gives_the_rest_back(tmp_path: Path) -> None:
    for quantity in (4, 2):
        tape = deep_book().tick(70).add(80, 20, "A", 100.5, 4).tick(240).tick(500)
        log = Log().buy(10, "a", 10, 100.5).replace(200, "a", quantity, 100.5)
        log.buy(310, "seven", 7, 99).buy(311, "six", 6, 99)
        assert reasons(tmp_path, tape, log, RiskLimits(max_position=10)) == {
            "a": "USER_CANCEL", "seven": "MAX_POSITION", "six": "END_OF_DATA",
        }  # fmt: skip


def test_order_rate_in_a_sliding_window(tmp_path: Path) -> None:
    # 3 a second. At 0.2, 0.4 and 0.9 s three leave; the fourth has to wait until 1.2 s.
    tape = deep_book().tick(0.5 * SECOND_US).tick(3 * SECOND_US)
    log = Log()
    for name, at in {"a": 0.2, "b": 0.4, "c": 0.9, "d": 1.0, "e": 1.199999, "f": 1.2,
                     "g": 1.3, "h": 1.4}.items():  # fmt: skip
        log.buy(at * SECOND_US, name, 1, 99)
    found = reasons(tmp_path, tape, log, RiskLimits(max_orders_per_second=3))
    assert [name for name, reason in found.items() if reason == "MAX_ORDER_RATE"] == ["d", "e", "g"]


def test_a_denied_order_uses_up_no_rate(tmp_path: Path) -> None:
    log = Log().buy(10, "large", 9).buy(20, "a", 1, 99).buy(30, "b", 1, 99)
    assert reasons(
        tmp_path, deep_book().tick(500), log, RiskLimits(max_order_size=5, max_orders_per_second=1)
    ) == {"large": "MAX_ORDER_SIZE", "a": "END_OF_DATA", "b": "MAX_ORDER_RATE"}


def test_replaces_count_as_orders_and_cancels_do_not(tmp_path: Path) -> None:
    log = Log().buy(10, "a", 1, 99).replace(100, "a", 1, 98).cancel(200, "a").buy(300, "b", 1, 99)
    played = play(tmp_path, deep_book().tick(500), log, limits=RiskLimits(max_orders_per_second=2))
    assert (played.orders["a"].status, float(played.orders["a"].price)) == ("CANCELED", 98)
    assert played.orders["b"].reason == "MAX_ORDER_RATE"


def test_a_rate_of_zero_lets_nothing_out(tmp_path: Path) -> None:
    found = reasons(
        tmp_path, deep_book().tick(500), Log().buy(10, "a", 1), RiskLimits(max_orders_per_second=0)
    )
    assert found == {"a": "MAX_ORDER_RATE"}


def falling(tape: Tape) -> Tape:
    """From 300 on the market falls by ten: bid 90, ask 91; at 600 it is back."""
    tape.tick(250)
    tape.event(300, tape.m(1, price=90), tape.m(9, price=91)).tick(590)
    tape.event(600, tape.m(9, price=101), tape.m(1, price=100))
    return tape.tick(1_000)


def test_the_loss_limit_is_latched(tmp_path: Path) -> None:
    # Long 2 at 101, mark 100.5: -1. At 300 the mark is 90.5: 2 * 10.5 = -21: over 20. At 600 the
    # loss is gone, but the strategy stays halted. Its open orders were canceled.
    log = Log().buy(10, "long", 2).buy(150, "rest", 1, 85).buy(290, "fine", 1, 84)
    log.sell(400, "late", 2).cancel(500, "rest").sell(700, "later", 2)
    tape = falling(deep_book())
    assert reasons(tmp_path, tape, log, RiskLimits(max_loss=20 * 10**9)) == {
        "long": "NONE", "rest": "LOSS_CANCEL", "fine": "LOSS_CANCEL",
        "late": "MAX_LOSS", "later": "MAX_LOSS",
    }  # fmt: skip


@pytest.mark.parametrize(("limit", "halted"), [(21, True), (22, False)])
def test_the_loss_limit_is_hit_exactly(tmp_path: Path, limit: int, halted: bool) -> None:
    log = Log().buy(10, "long", 2).sell(400, "late", 2)
    found = reasons(tmp_path, falling(deep_book()), log, RiskLimits(max_loss=limit * 10**9))
    assert found["late"] == ("MAX_LOSS" if halted else "NONE")


def test_the_loss_counts_fees_and_the_multiplier(tmp_path: Path) -> None:
    # Bought 2 at 101, mark 100.5, multiplier 50: -50. Fees 2 * 1.5 = 3. At 110 that is known.
    log = Log().buy(10, "long", 2).sell(105, "before", 1).sell(115, "after", 1)
    settings = {"multiplier": 50, "fee": 1_500_000_000}
    tape = deep_book().tick(500)
    for limit, reason in ((53, "MAX_LOSS"), (54, "NONE")):
        found = reasons(tmp_path, tape, log, RiskLimits(max_loss=limit * 10**9), **settings)
        assert found == {"long": "NONE", "before": "NONE", "after": reason}


@pytest.mark.parametrize("interval_ns", [1_000, 10**9, 10**15])
def test_a_new_position_is_valued_at_the_market_of_its_time(
    tmp_path: Path, interval_ns: int
) -> None:
    """A round trip at 100, then the market falls to 90 and only then is bought again.

    Bought 1 at 101, sold 1 at 100: -1. Long 1 at 91 with the mark at 90.5: -0.5 more. The mark of
    the first position (100.5) has no say in it, nor has the interval of the samples.
    """
    log = Log().buy(10, "in", 1).sell(120, "out", 1)
    log.sell(400, "again", 1).buy(700, "last", 1).buy(900, "more", 1)
    tape = deep_book().tick(250)
    tape.event(300, tape.m(1, price=90), tape.m(9, price=91)).tick(650).tick(1_200)
    found = reasons(
        tmp_path, tape, log, RiskLimits(max_loss=5 * 10**9), sample_interval_ns=interval_ns
    )
    assert set(found.values()) == {"NONE"}


def test_a_quantity_beyond_any(tmp_path: Path) -> None:
    log = Log().buy(10, "a", 2**31, 99).buy(11, "b", 2**31)
    found = reasons(tmp_path, deep_book().tick(500), log, RiskLimits())
    assert found == {"a": "INVALID_QUANTITY", "b": "INVALID_QUANTITY"}


def test_a_price_off_the_tick(tmp_path: Path) -> None:
    log = Log().buy(10, "on", 1, 99.25).buy(10, "off", 1, 99.2).buy(10, "below", 1, -0.25)
    log.replace(100, "on", 1, 99.3)
    played = play(tmp_path, deep_book().tick(500), log, tick=0.25)
    assert {name: o.reason for name, o in played.orders.items()} == {
        "on": "END_OF_DATA", "off": "INVALID_PRICE", "below": "END_OF_DATA",
    }  # fmt: skip
    assert float(played.orders["on"].price) == 99.25


def test_without_limits_nothing_is_denied(tmp_path: Path) -> None:
    log = Log()
    for k in range(200):
        log.buy(10 + k, f"o{k}", 1000)
    found = reasons(tmp_path, deep_book().tick(900), log, RiskLimits())
    assert set(found.values()) == {"NONE", "NO_LIQUIDITY"}
