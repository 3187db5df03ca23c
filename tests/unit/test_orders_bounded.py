"""Market orders whose price the venue bounds: market-to-limit, and market with protection.

The book: 5 bid at 100; 3 offered at 101, 4 at 102, 9 at 105. Orders take 50 µs to the exchange.
"""

from pathlib import Path

import pytest

from stories import Log, OrderRules, Tape, play, px


def market() -> Tape:
    tape = Tape().add(0, 1, "B", 100, 5).add(1, 8, "A", 101, 3)
    return tape.add(2, 9, "A", 102, 4).add(3, 10, "A", 105, 9)


def test_a_market_to_limit_takes_the_best_price_and_rests_there(tmp_path: Path) -> None:
    tape = market().tick(200).add(300, 20, "A", 101, 1)
    log = Log().buy(10, "m", 5, to_limit=True)
    found = play(tmp_path, tape, log, event_log=True)
    assert found.brief() == [("m", 101, 3, "TAKEN", 60), ("m", 101, 1, "CROSSED", 300)]
    assert found.changes("m")[1] == ("ACCEPTED", "NONE", 101, 5, 0, 60, 110)
    assert found.rows.orders[0]["order_type"] == 5


def test_a_market_to_limit_that_meets_nothing_ends(tmp_path: Path) -> None:
    tape = Tape().add(0, 1, "B", 100, 5).tick(200)
    order = play(tmp_path, tape, Log().buy(10, "m", 5, to_limit=True)).orders["m"]
    assert (order.status, order.reason, order.price) == ("EXPIRED", "NO_LIQUIDITY", None)


def test_an_ioc_market_to_limit_does_not_rest(tmp_path: Path) -> None:
    found = play(tmp_path, market().tick(200), Log().buy(10, "m", 5, None, "IOC", to_limit=True))
    assert found.brief() == [("m", 101, 3, "TAKEN", 60)]
    assert found.orders["m"].status == "EXPIRED"


def test_a_market_order_under_protection_rests_at_its_bound(tmp_path: Path) -> None:
    """The best offer is 101, the protection 2: it takes to 103, the rest waits there as a bid."""
    tape = market().tick(200).add(300, 20, "A", 103, 1)
    log = Log().buy(10, "m", 10)
    found = play(tmp_path, tape, log, rules=OrderRules(protection=px(2)))
    assert found.brief() == [
        ("m", 101, 3, "TAKEN", 60), ("m", 102, 4, "TAKEN", 60), ("m", 103, 1, "CROSSED", 300),
    ]  # fmt: skip
    row = found.rows.orders[0]
    assert (row["order_type"], row["time_in_force"], row["price"]) == (1, 1, px(103))


def test_without_protection_a_market_order_takes_at_any_price(tmp_path: Path) -> None:
    found = play(tmp_path, market().tick(200), Log().buy(10, "m", 10))
    assert found.brief()[-1] == ("m", 105, 3, "TAKEN", 60)


def test_a_sale_under_protection(tmp_path: Path) -> None:
    found = play(
        tmp_path, market().tick(200), Log().sell(10, "m", 7), rules=OrderRules(protection=px(1))
    )
    assert found.brief() == [("m", 100, 5, "TAKEN", 60)]
    assert (found.orders["m"].status, found.orders["m"].price) == ("PARTIALLY_FILLED", 99)


def test_what_rests_of_a_market_order_can_be_replaced_once_that_is_known(tmp_path: Path) -> None:
    """Its strategy knows of no price until word of it is there, at 110."""
    log = Log().buy(10, "m", 10).replace(50, "m", 10, 104).replace(120, "m", 9, 102)
    found = play(
        tmp_path, market().tick(300), log, rules=OrderRules(protection=px(2)), event_log=True
    )
    changes = [c[:3] for c in found.changes("m")]
    assert ("REFUSED", "INVALID_PRICE", 104) in changes
    assert ("REPLACED", "NONE", 102) in changes


@pytest.mark.parametrize("to_limit", [False, True], ids=["protected", "to limit"])
def test_a_replace_of_what_rests_leaves_its_limit(tmp_path: Path, to_limit: bool) -> None:
    """Of an order log, lots alone: before word of its limit is there, at 110, it has none."""
    log = Log().buy(10, "m", 12, to_limit=to_limit).replace(50, "m", 11, "")
    log.replace(120, "m", 10, "").replace(300, "m", 10, 100).replace(400, "m", 9, "")
    found = play(
        tmp_path, market().tick(600), log, rules=OrderRules(protection=px(2)), event_log=True
    )
    limit = 101 if to_limit else 103
    assert [c[:4] for c in found.changes("m") if c[0] in ("REFUSED", "REPLACED")] == [
        ("REFUSED", "INVALID_PRICE", None, 11), ("REPLACED", "NONE", limit, 10),
        ("REPLACED", "NONE", 100, 10), ("REPLACED", "NONE", 100, 9),
    ]  # fmt: skip


def test_bounded_market_orders_wait_for_a_halt_to_end_and_rest_then(tmp_path: Path) -> None:
    """Crossed at 101 until the bid leaves: then each takes at the best price of that moment."""
    tape = market().add(20, 7, "B", 101, 1).cancel(300, 7).tick(400)
    log = Log().buy(30, "limit", 5, to_limit=True).buy(40, "market", 6)
    found = play(tmp_path, tape, log, rules=OrderRules(protection=0), event_log=True)
    assert found.brief() == [("limit", 101, 3, "TAKEN", 300), ("market", 102, 4, "TAKEN", 300)]
    assert {name: float(o.price or 0) for name, o in found.orders.items()} == {
        "limit": 101, "market": 102,
    }  # fmt: skip
    assert ("CHANGED", "NONE", 101, 5, 3, 300, 350) in found.changes("limit")


def test_the_simulations_own_market_orders_know_no_protection(tmp_path: Path) -> None:
    """A position is closed at any price after the loss limit, or it would not be closed."""
    from tapewire.router import RiskLimits

    tape = market().tick(100).cancel(200, 1).add(300, 30, "B", 90, 1).add(301, 31, "B", 80, 9)
    tape.tick(600).tick(900)
    found = play(
        tmp_path, tape.tick(1_000), Log().buy(10, "m", 3, 101), rules=OrderRules(protection=px(1)),
        limits=RiskLimits(max_loss=5 * 10**9, on_max_loss="flatten"),
    )  # fmt: skip
    assert [(f.order, float(f.price), f.lots) for f in found.fills[1:]] == [
        ("flatten-1", 90, 1), ("flatten-1", 80, 2),
    ]  # fmt: skip
