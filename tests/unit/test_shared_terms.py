"""Orders with terms in a book that strategies share: the others' lots count as the market's.

Worked out by hand, in the market of `test_shared_books`: bids 100, asks 101 x 10; latency 50 µs.
Order logs ``a``, ``b`` and ``c`` are three strategies; ``a`` rests 3 lots for sale at 100.5.
"""

from pathlib import Path
from typing import Any

import pytest

from sharing import quiet_book, share
from stories import Log, Played, Tape


def offered(**terms: Any) -> Log:
    return Log().sell(10, "a1", 3, 100.5, **terms)


def shared(folder: Path, b: Log, a: Log | None = None, **more: Any) -> Played:
    logs = {"a": a or offered(), "b": b} | {name: more.pop(name) for name in ("c",) if name in more}
    return share(folder, quiet_book().tick(300).tick(500), logs, **more)


def ends(played: Played, name: str) -> tuple[str, str, int]:
    order = played.orders[name]
    return order.status, order.reason, order.filled


@pytest.mark.parametrize(
    ("terms", "end", "price"),
    [("true", ("REJECTED", "POST_ONLY", 0), 100.5), ("reprice", ("NEW", "END_OF_DATA", 0), 100.25)],
)
def test_a_post_only_order_does_not_take_from_the_others(
    tmp_path: Path, terms: str, end: tuple[str, str, int], price: float
) -> None:
    played = shared(tmp_path, Log().buy(100, "b1", 2, 100.5, post_only=terms), tick=0.25)
    assert ends(played, "b1") == end
    assert float(played.orders["b1"].price or 0) == price
    # By itself it meets nobody there.
    alone = shared(tmp_path, Log().buy(100, "b1", 2, 100.5, post_only=terms), book="", tick=0.25)
    assert ends(alone, "b1") == ("NEW", "END_OF_DATA", 0)
    assert alone.orders["b1"].price == 100.5


def test_a_fok_counts_the_others_lots(tmp_path: Path) -> None:
    """3 of a's and 10 of the market are 13; of 14 nothing is taken."""
    assert shared(tmp_path, Log().buy(100, "b1", 13, 101, "FOK")).brief() == [
        ("a1", 100.5, 3, "COMPANY", 150), ("b1", 100.5, 3, "COMPANY", 150),
        ("b1", 101, 10, "TAKEN", 150),
    ]  # fmt: skip
    played = shared(tmp_path, Log().buy(100, "b1", 14, 101, "FOK"))
    assert ends(played, "b1") == ("EXPIRED", "MIN_QUANTITY", 0)
    assert ends(played, "a1") == ("NEW", "END_OF_DATA", 0)


def test_an_iceberg_shows_the_others_a_clip_at_a_time(tmp_path: Path) -> None:
    """a shows 2 of 6, c stands behind those 2, and before a's next clip; b buys 4."""
    a = Log().sell(10, "a1", 6, 100.5, display_quantity=2)
    played = shared(tmp_path, Log().buy(100, "b1", 4), a, c=Log().sell(20, "c1", 1, 100.5))
    assert [fill[:4] for fill in played.fills if fill.side == "SELL"] == [
        ("a1", "SELL", 100.5, 2), ("c1", "SELL", 100.5, 1), ("a1", "SELL", 100.5, 1),
    ]  # fmt: skip
    assert played.orders["c1"].queue_ahead == 2
    assert played.orders["a1"].queue_ahead == 1  # of its second clip: c's lot


def test_a_trade_between_them_triggers_no_stop(tmp_path: Path) -> None:
    """As of one strategy's own trades: it is not in the data."""
    played = shared(
        tmp_path, Log().buy(100, "b1", 2), c=Log().buy(20, "c1", 1, trigger_price=100.5)
    )
    assert ends(played, "b1") == ("FILLED", "NONE", 2)
    assert ends(played, "c1") == ("NEW", "END_OF_DATA", 0)


def test_a_market_to_limit_rests_where_it_met_the_other(tmp_path: Path) -> None:
    played = shared(tmp_path, Log().buy(100, "b1", 5, to_limit=True))
    assert ends(played, "b1") == ("PARTIALLY_FILLED", "END_OF_DATA", 3)
    assert played.orders["b1"].price == 100.5


def test_one_of_a_group_that_meets_the_other_ends_the_rest_of_its_group(tmp_path: Path) -> None:
    a = offered(group="g").sell(10, "a2", 3, 102, group="g")
    played = shared(tmp_path, Log().buy(100, "b1", 2).buy(200, "b2", 1), a)
    assert played.orders["a2"][:3] == ("CANCELED", "OTHER_FILLED", 0)
    assert played.orders["a2"].closed == 250


def test_reduce_only_goes_by_what_was_sold_to_the_other(tmp_path: Path) -> None:
    """a has sold 2 to b: of 5 to buy back 2 are left."""
    a = offered().buy(300, "a2", 5, 101, reduce_only="true")
    played = shared(tmp_path, Log().buy(100, "b1", 2), a)
    assert ends(played, "a2") == ("FILLED", "NONE", 2)


# --- those that a fill leaves no lots -------------------------------------------------------------


def test_one_order_meets_only_what_a_group_has(tmp_path: Path) -> None:
    """b takes a1, which leaves a2 nothing: the other 2 lots are the market's."""
    a = offered(group="g").sell(10, "a2", 3, 100.75, group="g")
    played = shared(tmp_path, Log().buy(100, "b1", 5, 101), a)
    assert played.brief() == [
        ("a1", 100.5, 3, "COMPANY", 150), ("b1", 100.5, 3, "COMPANY", 150),
        ("b1", 101, 2, "TAKEN", 150),
    ]  # fmt: skip
    a2 = played.orders["a2"]
    assert (a2.status, a2.reason, a2.quantity, a2.closed) == ("CANCELED", "OTHER_FILLED", 3, 150)


def test_one_order_meets_only_the_position_that_another_may_reduce(tmp_path: Path) -> None:
    """a is long 5, and sells them to b: its order behind that may not sell any more."""
    a = Log().buy(5, "in", 5).sell(100, "a1", 5, 100.5)
    a.sell(110, "a2", 5, 100.75, reduce_only="true")
    played = shared(tmp_path, Log().buy(200, "b1", 8, 101), a)
    assert [(f.order, f.lots) for f in played.fills if f.at == 250] == [
        ("a1", 5), ("b1", 5), ("b1", 3)
    ]  # fmt: skip
    assert ends(played, "a2") == ("CANCELED", "REDUCE_ONLY", 0)


def test_one_without_lots_is_no_self_trade(tmp_path: Path) -> None:
    """Its partner takes 2 of the market's first: that ends it, and nothing is left to prevent."""
    tape = Tape().add(0, 1, "B", 100, 5).add(1, 9, "A", 101, 2).tick(300).tick(500)
    log = Log().sell(10, "a1", 2, 101, group="g").buy(10, "a2", 5, 101, group="g")
    played = share(tmp_path, tape, {"a": log}, book="", prevention="cancel_oldest")
    assert ends(played, "a1") == ("CANCELED", "OTHER_FILLED", 0)
    assert played.orders["a1"].quantity == 2
    assert ends(played, "a2") == ("PARTIALLY_FILLED", "END_OF_DATA", 2)


def test_as_a_halt_ends_one_without_lots_meets_nobody(tmp_path: Path) -> None:
    """b1 takes a1's 3 lots, and a2 is gone before b1's other 2 could meet it."""
    a = Log().sell(150, "a1", 3, 100.5, group="g").sell(150, "a2", 3, 100.75, group="g")
    tape = quiet_book().add(120, 20, "B", 101.5, 5).tick(400).cancel(500, 20).tick(800)
    played = share(tmp_path, tape, {"a": a, "b": Log().buy(160, "b1", 5, 100.75)})
    assert played.brief() == [("a1", 100.5, 3, "COMPANY", 500), ("b1", 100.5, 3, "COMPANY", 500)]
    assert ends(played, "a2") == ("CANCELED", "OTHER_FILLED", 0)


# --- what is there at once ------------------------------------------------------------------------


def prevented(folder: Path, prevention: str, lots: int, **terms: Any) -> Played:
    """A buy up to 102 of asks 5 @ 101, own 2 @ 101 behind them, 10 @ 102."""
    tape = Tape().add(0, 1, "B", 100, 5).add(1, 9, "A", 101, 5).add(2, 10, "A", 102, 10)
    log = Log().sell(10, "own", 2, 101).buy(100, "in", lots, 102, **terms)
    return share(folder, tape.tick(300).tick(500), {"a": log}, book="", prevention=prevention)


@pytest.mark.parametrize(
    ("prevention", "lots", "end"),
    [
        ("none", 12, ("FILLED", "NONE", 12)),
        ("cancel_oldest", 12, ("FILLED", "NONE", 12)),
        ("cancel_newest", 12, ("EXPIRED", "MIN_QUANTITY", 0)),
        ("cancel_both", 12, ("EXPIRED", "MIN_QUANTITY", 0)),
        ("decrement", 12, ("EXPIRED", "MIN_QUANTITY", 0)),
        ("cancel_newest", 5, ("FILLED", "NONE", 5)),
        ("cancel_both", 5, ("FILLED", "NONE", 5)),
        ("decrement", 5, ("FILLED", "NONE", 5)),
    ],
)
def test_a_fok_is_not_filled_in_part_by_the_prevention_of_self_trades(
    tmp_path: Path, prevention: str, lots: int, end: tuple[str, str, int]
) -> None:
    played = prevented(tmp_path, prevention, lots, tif="FOK")
    assert ends(played, "in") == end
    if end[0] == "EXPIRED" or lots == 5:
        assert ends(played, "own") == ("NEW", "END_OF_DATA", 0)


def test_a_minimum_is_of_what_decrement_leaves(tmp_path: Path) -> None:
    """Of 12 lots 2 are lost to the own 2: 10 are filled."""
    played = prevented(tmp_path, "decrement", 12, tif="IOC", min_quantity=10)
    assert ends(played, "in") == ("FILLED", "NONE", 10)
    played = prevented(tmp_path, "decrement", 12, tif="IOC", min_quantity=11)
    assert ends(played, "in") == ("EXPIRED", "MIN_QUANTITY", 0)


@pytest.mark.parametrize(("second", "lots", "filled"), [(3, 3, 3), (3, 4, 0), (5, 5, 5), (5, 6, 0)])
def test_a_fok_counts_a_group_once(tmp_path: Path, second: int, lots: int, filled: int) -> None:
    a = offered(group="g").sell(10, "a2", second, 100.75, group="g")
    played = shared(tmp_path, Log().buy(100, "b1", lots, 100.75, "FOK"), a)
    assert played.orders["b1"].filled == filled
    assert played.orders["b1"].reason == ("NONE" if filled else "MIN_QUANTITY")
