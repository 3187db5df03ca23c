"""Orders that take: walking the book, the ledger of what was taken, limits, fees."""

from pathlib import Path

import pytest

from stories import Log, Tape, play


def ladder() -> Tape:
    """Asks 101 x 3 + 2, 102 x 4, 103 x 10; bid 100 x 5."""
    tape = Tape().add(0, 1, "B", 100, 5)
    tape.add(1, 11, "A", 101, 3).add(2, 12, "A", 101, 2)
    return tape.add(3, 13, "A", 102, 4).add(4, 14, "A", 103, 10)


def test_a_market_order_walks_three_levels(tmp_path: Path) -> None:
    # 12 lots: 5 at 101, 4 at 102, 3 at 103; cash -(505 + 408 + 309) = -1222.
    played = play(tmp_path, ladder().tick(200), Log().buy(10, "mine", 12))
    assert played.brief() == [
        ("mine", 101, 5, "TAKEN", 60),
        ("mine", 102, 4, "TAKEN", 60),
        ("mine", 103, 3, "TAKEN", 60),
    ]
    assert {f.liquidity for f in played.fills} == {"TAKER"}
    assert {f.known for f in played.fills} == {110}
    order = played.orders["mine"]
    assert (order.status, order.arrived, order.closed, order.price) == ("FILLED", 60, 60, None)
    assert order.queue_ahead == -1
    assert played.last_sample()["cash"] == -1222 * 10**9


def test_a_second_market_order_cannot_take_the_same_lots(tmp_path: Path) -> None:
    # The first takes 5 at 101 and 1 at 102; the second, 5 lots, finds 3 at 102 and 2 at 103.
    log = Log().buy(10, "one", 6).buy(100, "two", 5)
    assert play(tmp_path, ladder().tick(200), log).brief()[2:] == [
        ("two", 102, 3, "TAKEN", 150),
        ("two", 103, 2, "TAKEN", 150),
    ]


def test_two_orders_that_arrive_together_cannot_either(tmp_path: Path) -> None:
    log = Log().buy(10, "one", 6).buy(10, "two", 5)
    assert play(tmp_path, ladder().tick(200), log).brief() == [
        ("one", 101, 5, "TAKEN", 60),
        ("one", 102, 1, "TAKEN", 60),
        ("two", 102, 3, "TAKEN", 60),
        ("two", 103, 2, "TAKEN", 60),
    ]


def test_a_new_order_replenishes_the_level(tmp_path: Path) -> None:
    tape = ladder().tick(90).add(100, 15, "A", 101, 2).tick(300)
    log = Log().buy(10, "one", 5).buy(150, "two", 3)
    assert play(tmp_path, tape, log).brief()[1:] == [
        ("two", 101, 2, "TAKEN", 200),
        ("two", 102, 1, "TAKEN", 200),
    ]


def test_an_order_that_grows_replenishes_by_its_growth(tmp_path: Path) -> None:
    # Order 11 x 3 is taken, then grows to 7: 4 lots are new. Order 12 x 2 is still taken.
    tape = ladder().tick(90).modify(100, 11, 7).tick(300)
    log = Log().buy(10, "one", 5).buy(150, "two", 6)
    assert play(tmp_path, tape, log).brief()[1:] == [
        ("two", 101, 4, "TAKEN", 200),
        ("two", 102, 2, "TAKEN", 200),
    ]


def test_lots_that_left_and_came_back_are_new(tmp_path: Path) -> None:
    # Order 11 x 3 is taken whole, shrinks to 1, grows back to 3: 2 lots are new.
    tape = ladder().tick(90).modify(100, 11, 1).modify(110, 11, 3).tick(300)
    log = Log().buy(10, "one", 3).buy(150, "two", 6)
    assert play(tmp_path, tape, log).brief()[1:] == [
        ("two", 101, 4, "TAKEN", 200),
        ("two", 102, 2, "TAKEN", 200),
    ]


def test_a_taken_order_that_really_leaves_takes_its_debt_along(tmp_path: Path) -> None:
    # We took order 11 (3 of 3); it is canceled and its id comes again as another order.
    tape = ladder().tick(90).cancel(100, 11).add(110, 11, "A", 101, 3).tick(300)
    log = Log().buy(10, "one", 3).buy(150, "two", 6)
    assert play(tmp_path, tape, log).brief()[1:] == [
        ("two", 101, 5, "TAKEN", 200),
        ("two", 102, 1, "TAKEN", 200),
    ]


def test_an_order_moved_to_another_price_is_still_taken(tmp_path: Path) -> None:
    tape = ladder().tick(90).modify(100, 13, price=100.5).tick(300)
    log = Log().buy(10, "one", 9).buy(150, "two", 1)
    assert play(tmp_path, tape, log).brief()[2:] == [("two", 103, 1, "TAKEN", 200)]


def test_the_rest_of_a_market_order_expires(tmp_path: Path) -> None:
    played = play(tmp_path, ladder().tick(200), Log().buy(10, "mine", 30))
    order = played.orders["mine"]
    assert sum(f.lots for f in played.fills) == 19
    assert (order.status, order.reason, order.filled) == ("EXPIRED", "NO_LIQUIDITY", 19)
    assert order.closed == 60


def test_a_market_order_on_an_empty_side_expires(tmp_path: Path) -> None:
    tape = Tape().add(0, 1, "B", 100, 5).tick(200)
    order = play(tmp_path, tape, Log().buy(10, "mine", 1)).orders["mine"]
    assert (order.status, order.reason, order.filled) == ("EXPIRED", "NO_LIQUIDITY", 0)
    assert (order.arrived, order.closed) == (60, 60)


def test_the_remainder_of_an_ioc_limit_expires(tmp_path: Path) -> None:
    played = play(tmp_path, ladder().tick(200), Log().buy(10, "mine", 12, 102, "IOC"))
    assert played.brief() == [("mine", 101, 5, "TAKEN", 60), ("mine", 102, 4, "TAKEN", 60)]
    order = played.orders["mine"]
    assert (order.status, order.reason, order.filled) == ("EXPIRED", "NO_LIQUIDITY", 9)


def test_a_marketable_limit_takes_then_rests(tmp_path: Path) -> None:
    # 5 at 101, 4 at 102, then 3 rest at 102 as the only bid there. A sell of 2 at 102 meets it.
    tape = ladder().tick(90).add(100, 20, "A", 102, 2).tick(200)
    played = play(tmp_path, tape, Log().buy(10, "mine", 12, 102))
    assert played.brief()[2:] == [("mine", 102, 2, "CROSSED", 100)]
    order = played.orders["mine"]
    assert (order.status, order.filled, order.queue_ahead) == ("PARTIALLY_FILLED", 11, 0)


def test_a_limit_is_never_filled_worse_than_its_price(tmp_path: Path) -> None:
    played = play(tmp_path, ladder().tick(200), Log().buy(10, "mine", 30, 102))
    assert max(f.price for f in played.fills) == 102
    assert sum(f.lots for f in played.fills) == 9


def test_selling_walks_the_bids(tmp_path: Path) -> None:
    tape = ladder().add(5, 2, "B", 99, 2).tick(200)
    assert play(tmp_path, tape, Log().sell(10, "mine", 6)).brief() == [
        ("mine", 100, 5, "TAKEN", 60),
        ("mine", 99, 1, "TAKEN", 60),
    ]


def test_orders_taken_by_us_still_trade_in_the_data(tmp_path: Path) -> None:
    """We took orders 11 and 12; the market, which knows nothing of it, hits them with 5 lots.

    Our resting sell at 101 stands behind both: nothing for it, though we emptied the level.
    """
    tape = ladder().tick(90).tick(200).trade(250, (11, 3), (12, 2)).tick(300)
    log = Log().buy(10, "one", 5).sell(100, "mine", 2, 101)
    played = play(tmp_path, tape, log)
    assert [f.order for f in played.fills] == ["one"]


def test_a_fee_per_contract(tmp_path: Path) -> None:
    # 0.85 per lot: 5, 4 and 3 lots pay 4.25, 3.40 and 2.55.
    played = play(tmp_path, ladder().tick(200), Log().buy(10, "mine", 12), fee=850_000_000)
    assert [f.commission for f in played.fills] == [4_250_000_000, 3_400_000_000, 2_550_000_000]
    assert played.last_sample()["fees"] == 10_200_000_000


def test_linear_impact_worked_by_hand(tmp_path: Path) -> None:
    # 2 bps per million, multiplier 50. 5 lots at 101: notional 5 * 50 * 101 = 25,250, so the price
    # moves by 101 * 2e-4 * 25,250 / 1e6 = 0.00051005. 4 at 102: 102 * 2e-4 * 20,400 / 1e6 =
    # 0.00041616. 3 at 103: 103 * 2e-4 * 15,450 / 1e6 = 0.00031827.
    played = play(
        tmp_path, ladder().tick(200), Log().buy(10, "mine", 12), impact_ppm=2_000_000, multiplier=50
    )
    assert [str(f.price.normalize()) for f in played.fills] == [
        "101.00051005", "102.00041616", "103.00031827",
    ]  # fmt: skip


def test_impact_lowers_what_a_seller_gets(tmp_path: Path) -> None:
    # 3 bps per million. 100 * 3e-4 * (5 * 100 * 50 = 25,000) / 1e6 = 0.00075.
    played = play(
        tmp_path, ladder().tick(200), Log().sell(10, "mine", 5), impact_ppm=3_000_000, multiplier=50
    )
    assert str(played.fills[0].price.normalize()) == "99.99925"


def test_impact_rounds_against_us(tmp_path: Path) -> None:
    # 0.000001 bps per million, notional 101 * 1 * 1: 101e9 * 1e-10 * 101 / 1e6 = 0.00102 units,
    # and any impact at all is at least one unit of 1e-9.
    played = play(tmp_path, ladder().tick(200), Log().buy(10, "mine", 1), impact_ppm=1)
    assert str(played.fills[0].price) == "101.000000001"


def test_impact_stops_at_the_limit(tmp_path: Path) -> None:
    played = play(
        tmp_path, ladder().tick(200), Log().buy(10, "mine", 6, 101.0001, "IOC"),
        impact_ppm=2_000_000, multiplier=50,
    )  # fmt: skip
    assert [str(f.price) for f in played.fills] == ["101.0001"]


def test_resting_orders_have_no_impact(tmp_path: Path) -> None:
    tape = ladder().tick(90).add(100, 20, "A", 100.5, 2).tick(200)
    played = play(
        tmp_path, tape, Log().buy(10, "mine", 2, 100.5), impact_ppm=2_000_000, multiplier=50
    )
    assert str(played.fills[0].price) == "100.5"


@pytest.mark.parametrize("batch", [1, 3])
def test_the_grouping_of_records_changes_nothing(tmp_path: Path, batch: int) -> None:
    tape = ladder().tick(90).modify(100, 11, 7).add(120, 20, "A", 100.5, 2).tick(300)
    log = Log().buy(10, "one", 6, 101).buy(150, "two", 6).sell(160, "three", 3, 100)
    whole, parts = (play(tmp_path, tape, log, batch=n) for n in (0, batch))
    assert whole.fills == parts.fills
    assert whole.digest == parts.digest
