"""Orders that act at once or not at all: fill-or-kill, minimum quantities, post-only.

The book: 5 bid at 100; 3 offered at 101, 4 at 102. Orders take 50 µs to the exchange.
"""

from pathlib import Path

import pytest

from stories import Log, OrderRules, Tape, play


def market() -> Tape:
    return Tape().add(0, 1, "B", 100, 5).add(1, 8, "A", 101, 3).add(2, 9, "A", 102, 4)


# --- fill-or-kill ---------------------------------------------------------------------------------


def test_a_fok_takes_all_of_it_over_several_prices(tmp_path: Path) -> None:
    found = play(tmp_path, market().tick(500), Log().buy(10, "f", 6, 102, "FOK"))
    assert found.brief() == [("f", 101, 3, "TAKEN", 60), ("f", 102, 3, "TAKEN", 60)]
    assert found.orders["f"].status == "FILLED"


def test_a_fok_of_more_than_there_is_takes_nothing(tmp_path: Path) -> None:
    found = play(tmp_path, market().tick(500), Log().buy(10, "f", 8, 102, "FOK"))
    assert found.fills == []
    order = found.orders["f"]
    assert (order.status, order.reason, order.closed) == ("EXPIRED", "MIN_QUANTITY", 60)


def test_a_fok_does_not_reach_past_its_price(tmp_path: Path) -> None:
    """Seven are offered in all, but only three within 101."""
    found = play(tmp_path, market().tick(500), Log().buy(10, "f", 4, 101, "FOK"))
    assert (found.fills, found.orders["f"].reason) == ([], "MIN_QUANTITY")


def test_a_fok_does_not_count_what_its_strategy_took_before(tmp_path: Path) -> None:
    log = Log().buy(10, "first", 2, 101, "IOC").buy(20, "f", 2, 101, "FOK")
    found = play(tmp_path, market().tick(500), log)
    assert found.brief() == [("first", 101, 2, "TAKEN", 60)]
    assert found.orders["f"].reason == "MIN_QUANTITY"


def test_a_fok_ends_in_a_halt(tmp_path: Path) -> None:
    """The book is crossed: nothing may trade, and a FOK does not wait."""
    tape = market().add(20, 7, "B", 101, 1).tick(500)
    order = play(tmp_path, tape, Log().buy(10, "f", 1, 102, "FOK")).orders["f"]
    assert (order.status, order.reason) == ("EXPIRED", "MARKET_HALTED")


# --- minimum quantity -----------------------------------------------------------------------------


def test_a_minimum_that_is_there_is_taken_and_the_rest_rests(tmp_path: Path) -> None:
    log = Log().buy(10, "m", 5, 101, min_quantity=3)
    tape = market().tick(400).add(500, 20, "A", 101, 9)
    found = play(tmp_path, tape, log)
    assert found.brief() == [("m", 101, 3, "TAKEN", 60), ("m", 101, 2, "CROSSED", 500)]


def test_a_minimum_that_is_not_there_ends_the_order(tmp_path: Path) -> None:
    log = Log().buy(10, "m", 5, 101, min_quantity=4).buy(20, "ioc", 5, 101, "IOC", min_quantity=4)
    found = play(tmp_path, market().tick(500), log)
    assert found.fills == []
    for order in found.orders.values():
        assert (order.status, order.reason) == ("EXPIRED", "MIN_QUANTITY")


def test_an_ioc_with_a_minimum_takes_what_there_is_beyond_it(tmp_path: Path) -> None:
    log = Log().buy(10, "m", 5, 101, "IOC", min_quantity=2)
    found = play(tmp_path, market().tick(500), log)
    assert found.brief() == [("m", 101, 3, "TAKEN", 60)]
    assert (found.orders["m"].status, found.orders["m"].reason) == ("EXPIRED", "NO_LIQUIDITY")


def test_a_minimum_of_more_than_the_order_is_denied(tmp_path: Path) -> None:
    order = play(tmp_path, market().tick(500), Log().buy(10, "m", 5, 101, min_quantity=6)).orders
    assert (order["m"].status, order["m"].reason) == ("DENIED", "INVALID_QUANTITY")


# --- post-only ------------------------------------------------------------------------------------


def test_a_post_only_order_that_meets_nobody_rests(tmp_path: Path) -> None:
    """At the touch of its own side, behind the five there."""
    tape = market().trade(300, (1, 5)).add(400, 2, "B", 100, 4).trade(500, (2, 2))
    found = play(tmp_path, tape, Log().buy(10, "p", 1, 100, "GTX"))
    assert found.brief() == [("p", 100, 1, "QUEUE", 500)]
    assert (found.orders["p"].queue_ahead, found.fills[0].liquidity) == (5, "MAKER")


def test_a_post_only_order_that_would_take_is_rejected_and_told(tmp_path: Path) -> None:
    found = play(tmp_path, market().tick(500), Log().buy(10, "p", 1, 101, "GTX"), event_log=True)
    assert found.fills == []
    order = found.orders["p"]
    assert (order.status, order.reason, order.closed) == ("REJECTED", "POST_ONLY", 60)
    assert found.changes("p") == [
        ("SENT", "NONE", 101, 1, 0, 0, 10),
        ("REJECTED", "POST_ONLY", 101, 1, 0, 60, 110),
    ]


def test_a_post_only_order_is_priced_behind_what_it_would_meet(tmp_path: Path) -> None:
    """Half a tick of a price: 100.5 is one tick below the offer, and better than the bid."""
    tape = market().add(300, 7, "A", "100.5", 2)
    log = Log().buy(10, "p", 1, 103, post_only="reprice")
    found = play(tmp_path, tape, log, tick="0.5", event_log=True)
    assert found.brief() == [("p", 100.5, 1, "CROSSED", 300)]
    assert found.changes("p")[1][:5] == ("ACCEPTED", "NONE", 100.5, 1, 0)


def test_a_post_only_sale_is_priced_behind_the_bid(tmp_path: Path) -> None:
    log = Log().sell(10, "p", 1, 99, post_only="reprice")
    found = play(tmp_path, market().tick(500), log, tick="0.5")
    assert (found.fills, found.orders["p"].price) == ([], pytest.approx(100.5))


def test_a_post_only_order_rests_where_its_strategy_has_taken_all(tmp_path: Path) -> None:
    """The three at 101 are gone for it: what it meets first is at 102."""
    log = Log().buy(10, "first", 3, 101, "IOC").buy(20, "p", 1, 101, "GTX")
    found = play(tmp_path, market().tick(500), log)
    assert found.orders["p"].status == "NEW"


def test_a_post_only_order_rests_in_a_halt(tmp_path: Path) -> None:
    tape = market().add(20, 7, "B", 101, 1).tick(500)
    assert play(tmp_path, tape, Log().buy(10, "p", 1, 101, "GTX")).orders["p"].status == "NEW"


def test_a_replace_of_a_post_only_order_that_would_take_is_refused(tmp_path: Path) -> None:
    log = Log().buy(10, "p", 1, 100, "GTX").replace(100, "p", 1, 101).cancel(400, "p")
    found = play(tmp_path, market().tick(500), log, event_log=True)
    assert ("REFUSED", "POST_ONLY", 101, 1, 0, 150, 200) in found.changes("p")
    order = found.orders["p"]
    assert (order.status, float(order.price or 0), order.replaces) == ("CANCELED", 100, 0)


def test_a_replace_of_a_repriced_order_is_priced_again(tmp_path: Path) -> None:
    log = Log().buy(10, "p", 1, 99, post_only="reprice").replace(100, "p", 1, 105)
    found = play(tmp_path, market().tick(500), log, tick=1, event_log=True)
    assert (found.fills, found.orders["p"].price) == ([], 100)
    assert found.changes("p")[-1][:3] == ("REPLACED", "NONE", 100)


# --- what the venue asks of quantities and prices -------------------------------------------------


def test_a_quantity_that_is_no_lot_is_denied(tmp_path: Path) -> None:
    log = Log().buy(10, "no", 5, 100).buy(20, "few", 2, 100).buy(30, "ok", 6, 100)
    log = log.replace(200, "ok", 7, 100).replace(300, "ok", 8, 100)
    rules = OrderRules(lot=2, min_lots=4)
    found = play(tmp_path, market().tick(500), log, rules=rules, event_log=True)
    for name in ("no", "few"):
        order = found.orders[name]
        assert (order.status, order.reason) == ("DENIED", "INVALID_QUANTITY")
    assert (found.orders["ok"].quantity, found.orders["ok"].replaces) == (8, 1)
    assert ("REFUSED", "INVALID_QUANTITY") in [c[:2] for c in found.changes("ok")]


def test_a_limit_past_the_band_is_rejected(tmp_path: Path) -> None:
    """The last trade was at 101: bids above 103 and offers below 99 are not taken."""
    tape = market().trade(5, (8, 1)).tick(500)
    log = Log().buy(10, "high", 1, "103.5").sell(10, "low", 1, "98.5")
    log = log.buy(10, "far", 1, 50).buy(10, "edge", 1, 103)
    found = play(tmp_path, tape, log, rules=OrderRules(band=2 * 10**9))
    for name in ("high", "low"):
        order = found.orders[name]
        assert (order.status, order.reason, order.closed) == ("REJECTED", "PRICE_BAND", 60)
    assert found.orders["far"].status == "NEW"
    assert found.brief() == [("edge", 101, 1, "TAKEN", 60)]


def test_a_replace_past_the_band_is_refused(tmp_path: Path) -> None:
    tape = market().trade(5, (8, 1)).tick(500)
    log = Log().buy(10, "a", 1, 100).replace(100, "a", 1, 104).cancel(300, "a")
    found = play(tmp_path, tape, log, rules=OrderRules(band=2 * 10**9), event_log=True)
    assert ("REFUSED", "PRICE_BAND", 104, 1, 0, 150, 200) in found.changes("a")
    assert (found.orders["a"].status, found.orders["a"].replaces) == ("CANCELED", 0)


def test_without_a_trade_there_is_no_band(tmp_path: Path) -> None:
    log = Log().buy(10, "a", 1, 150)
    found = play(tmp_path, market().tick(500), log, rules=OrderRules(band=10**9))
    assert found.brief() == [("a", 101, 1, "TAKEN", 60)]


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ({"tif": "IOC", "post_only": "true"}, "INVALID_TERMS"),
        ({"tif": "GTC", "expire_ns": 1}, "INVALID_TERMS"),
        ({"tif": "FOK", "min_quantity": 1}, "INVALID_TERMS"),
        ({"post_only": "reprice"}, "INVALID_TERMS"),  # of an instrument without a tick size
        ({"post_only": "true", "min_quantity": 1}, "INVALID_TERMS"),
        ({"post_only": "true", "trigger_price": 102}, "INVALID_TERMS"),
    ],
)
def test_terms_that_do_not_go_together_are_denied(
    tmp_path: Path, terms: dict[str, object], reason: str
) -> None:
    found = play(tmp_path, market().tick(500), Log().buy(10, "a", 1, 101, **terms))  # type: ignore[arg-type]
    assert (found.orders["a"].status, found.orders["a"].reason) == ("DENIED", reason)
