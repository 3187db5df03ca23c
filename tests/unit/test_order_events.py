"""The trace an order leaves: its replaces, and every change of it where a log is asked for.

Latency is 50 µs each way: sent at 10, at the exchange at 60, known at 110.
"""

from pathlib import Path

import numpy as np

from stories import Log, Tape, play, us
from tapewire.execution.codes import OrderEvent
from tapewire.market.records import UNDEF_PRICE
from tapewire.router import RiskLimits

UNIT = 10**9


def market() -> Tape:
    return Tape().add(0, 1, "B", 100, 5).add(1, 9, "A", 101, 10)


def test_replaces_are_counted_with_the_time_of_the_last(tmp_path: Path) -> None:
    log = Log().buy(10, "a", 3, 99).replace(100, "a", 2, 99).replace(200, "a", 2, 98)
    log.buy(10, "b", 1, 99).replace(210, "b", 2**31, 99)
    found = play(tmp_path, market().tick(500), log)
    assert (found.orders["a"].replaces, found.orders["a"].replaced) == (2, 250)
    assert (found.orders["b"].replaces, found.orders["b"].replaced) == (0, 0)


def test_replaces_stay_out_of_the_digest(tmp_path: Path) -> None:
    """Two roads to the same price and size, the same place in the queue and the same times."""
    digests = set()
    for k, steps in enumerate(([(120, 4), (180, 3)], [(180, 3)])):
        log = Log().buy(10, "a", 5, 99)
        for at, lots in steps:
            log.replace(at, "a", lots, 99)
        (folder := tmp_path / str(k)).mkdir()
        found = play(folder, market().tick(500), log)
        assert found.orders["a"].replaces == len(steps)
        digests.add(found.digest)
    assert len(digests) == 1


def test_a_whole_life(tmp_path: Path) -> None:
    tape = market().tick(70).trade(300, (1, 5), rest=(20, 100, 2)).tick(500).tick(900)
    log = Log().buy(10, "a", 3, 99).replace(100, "a", 5, 100).cancel(400, "a").cancel(600, "a")
    found = play(tmp_path, tape, log, event_log=True)
    assert found.changes("a") == [
        ("SENT", "NONE", 99, 3, 0, 0, 10),
        ("ACCEPTED", "NONE", 99, 3, 0, 60, 110),
        ("REPLACE_SENT", "NONE", 100, 5, 0, 0, 100),
        ("REPLACED", "NONE", 100, 5, 0, 150, 200),
        ("PARTIALLY_FILLED", "NONE", 100, 5, 2, 300, 350),
        ("CANCEL_SENT", "NONE", 100, 5, 2, 0, 400),
        ("CANCELED", "USER_CANCEL", 100, 5, 2, 450, 500),
    ]
    events = found.rows.events
    assert found.counts["requests_stale"] == 1  # the cancel of 600 named a closed order
    replaced = events[events["event"] == OrderEvent.REPLACED][0]
    assert (replaced["old_price"], replaced["old_quantity"]) == (99 * UNIT, 3)
    fill = events[events["event"] == OrderEvent.PARTIALLY_FILLED][0]
    assert (fill["last_px"], fill["last_qty"]) == (100 * UNIT, 2)
    others = events[(events["event"] != OrderEvent.REPLACED)
                    & (events["event"] != OrderEvent.REPLACE_SENT)]  # fmt: skip
    assert (others["old_price"] == UNDEF_PRICE).all()
    assert (others["old_quantity"] == 0).all()


def test_what_is_denied_refused_expired_and_filled_in_parts(tmp_path: Path) -> None:
    tape = market().add(2, 10, "A", 102, 10).tick(70).trade(155, (9, 1)).tick(900)
    log = Log().buy(10, "large", 50, 99).buy(11, "take", 12, 102).buy(12, "none", 1, 98, "IOC")
    log.sell(100, "rest", 1, 103).replace(300, "rest", 50, 103).buy(310, "x", 2, 101.5)
    log.cancel(400, "rest").cancel(420, "rest")
    found = play(tmp_path, tape, log, event_log=True, limits=RiskLimits(max_order_size=20))
    assert found.changes("large") == [("DENIED", "MAX_ORDER_SIZE", 99, 50, 0, 0, 10)]
    assert found.changes("take") == [
        ("SENT", "NONE", 102, 12, 0, 0, 11),
        ("ACCEPTED", "NONE", 102, 12, 0, 61, 111),
        ("PARTIALLY_FILLED", "NONE", 102, 12, 10, 61, 111),
        ("FILLED", "NONE", 102, 12, 12, 61, 111),
    ]
    assert found.changes("none")[-1] == ("EXPIRED", "NO_LIQUIDITY", 98, 1, 0, 62, 112)
    assert found.changes("rest")[2:] == [
        ("REFUSED", "MAX_ORDER_SIZE", 103, 50, 0, 0, 300),
        ("CANCEL_SENT", "NONE", 103, 1, 0, 0, 400),
        ("CANCEL_SENT", "NONE", 103, 1, 0, 0, 420),
        ("CANCELED", "USER_CANCEL", 103, 1, 0, 450, 500),
        ("REFUSED", "UNKNOWN_ORDER", 103, 1, 0, 470, 520),
    ]


def test_a_replace_that_came_too_late_says_what_was_wanted(tmp_path: Path) -> None:
    tape = market().tick(70).add(120, 20, "A", 100.5, 3).tick(190).tick(500)
    log = Log().buy(10, "a", 3, 100.5).replace(100, "a", 5, 99)
    found = play(tmp_path, tape, log, event_log=True)
    refused = found.rows.events[found.rows.events["event"] == OrderEvent.REFUSED][0]
    assert (refused["price"], refused["quantity"]) == (99 * UNIT, 5)
    assert (refused["old_price"], refused["old_quantity"]) == (100 * UNIT + UNIT // 2, 3)
    assert us(int(refused["ts_event"])) == 150


def test_the_log_changes_nothing_else_and_survives_small_batches(tmp_path: Path) -> None:
    tape = market()
    log = Log()
    for k in range(300):
        tape.trade(100 + 10 * k, (9 if k % 2 else 1, 1)).modify(105 + 10 * k, 9 if k % 2 else 1, 5)
        log.buy(50 + 10 * k, f"o{k}", 1 + k % 3, 100 + k % 2).replace(52 + 10 * k, f"o{k}", 2, 100)
    plain = play(tmp_path, tape, log)
    logged = [play(tmp_path, tape, log, event_log=True, batch=batch) for batch in (0, 7)]
    assert plain.rows.events.size == 0
    assert {plain.digest} == {played.digest for played in logged}
    assert np.array_equal(logged[0].rows.events, logged[1].rows.events)
    assert logged[0].rows.events.size > 1_000
