"""Orders that end at a time of their own: for the day, and good till a date.

The book: 5 bid at 100, 5 offered at 101. Orders take 50 µs to the exchange, word 50 µs back.
"""

from pathlib import Path

from stories import Log, OrderRules, Tape, ns, play


def market() -> Tape:
    return Tape().add(0, 1, "B", 100, 5).add(1, 9, "A", 101, 5)


def test_a_dated_order_expires_at_its_time_though_nothing_happens_then(tmp_path: Path) -> None:
    """The next event is 700 µs later: it has ended at 300, and word of it is there at 350."""
    log = Log().buy(10, "d", 1, 100, "GTD", expire_ns=ns(300))
    found = play(tmp_path, market().tick(1_000), log, event_log=True)
    order = found.orders["d"]
    assert (order.status, order.reason, order.closed) == ("EXPIRED", "GOOD_TILL_DATE", 300)
    assert found.changes("d")[-1] == ("EXPIRED", "GOOD_TILL_DATE", 100, 1, 0, 300, 350)


def test_a_trade_after_its_time_does_not_fill_it(tmp_path: Path) -> None:
    tape = market().trade(299, (1, 5)).add(301, 20, "A", 100, 5)
    late = Log().buy(10, "d", 1, 100, "GTD", expire_ns=ns(301)).buy(11, "e", 1, 100)
    found = play(tmp_path, tape, late)
    assert found.brief() == [("d", 100, 1, "CROSSED", 301), ("e", 100, 1, "CROSSED", 301)]
    early = Log().buy(10, "d", 1, 100, "GTD", expire_ns=ns(300)).buy(11, "e", 1, 100)
    found = play(tmp_path, tape, early)
    assert found.brief() == [("e", 100, 1, "CROSSED", 301)]


def test_expiries_and_arrivals_act_in_order_of_time(tmp_path: Path) -> None:
    """A cancel arrives at 150: of the order that expired at 149 nothing is left to cancel."""
    log = Log().buy(10, "a", 1, 100, "GTD", expire_ns=ns(149)).cancel(100, "a")
    log.buy(11, "b", 1, 100, "GTD", expire_ns=ns(151)).cancel(100, "b")
    found = play(tmp_path, market().tick(1_000), log, event_log=True)
    assert (found.orders["a"].status, found.orders["b"].status) == ("EXPIRED", "CANCELED")
    assert found.changes("a")[-1][:2] == ("REFUSED", "UNKNOWN_ORDER")


def test_an_expiry_comes_before_an_arrival_of_the_same_time(tmp_path: Path) -> None:
    log = Log().buy(10, "a", 1, 100, "GTD", expire_ns=ns(150)).cancel(100, "a")
    order = play(tmp_path, market().tick(1_000), log).orders["a"]
    assert (order.status, order.closed) == ("EXPIRED", 150)


def test_an_order_that_arrives_after_its_time_ends_at_once(tmp_path: Path) -> None:
    log = Log().buy(10, "d", 1, 101, "GTD", expire_ns=ns(55))
    found = play(tmp_path, market().tick(1_000), log)
    order = found.orders["d"]
    assert (found.fills, order.status, order.closed) == ([], "EXPIRED", 60)


def test_many_orders_expire_in_order_of_time_then_age(tmp_path: Path) -> None:
    log = Log()
    for k, at in enumerate((400, 300, 400, 300, 500)):
        log.buy(10 + k, f"o{k}", 1, 99 + k % 2, "GTD", expire_ns=ns(at))
    found = play(tmp_path, market().tick(1_000), log)
    ended = [(name, order.closed) for name, order in found.orders.items()]
    assert ended == [("o1", 300), ("o3", 300), ("o0", 400), ("o2", 400), ("o4", 500)]


def test_an_order_for_the_day_expires_as_the_session_closes(tmp_path: Path) -> None:
    """Sessions close at 200 and 600: an order that arrives at 260 lives until the second one."""
    log = Log().buy(10, "one", 1, 100, "DAY").buy(210, "two", 1, 100, "DAY")
    tape = market().tick(300).tick(1_000)
    found = play(tmp_path, tape, log, session_closes=(ns(200), ns(600)))
    assert [(o.status, o.reason, o.closed) for o in found.orders.values()] == [
        ("EXPIRED", "SESSION_CLOSE", 200), ("EXPIRED", "SESSION_CLOSE", 600),
    ]  # fmt: skip


def test_without_a_close_a_day_is_as_long_as_the_data(tmp_path: Path) -> None:
    order = play(tmp_path, market().tick(1_000), Log().buy(10, "d", 1, 100, "DAY")).orders["d"]
    assert (order.status, order.reason) == ("NEW", "END_OF_DATA")


def test_a_stop_expires_before_it_is_triggered(tmp_path: Path) -> None:
    log = Log().buy(10, "s", 1, None, "GTD", trigger_price=101, expire_ns=ns(200))
    found = play(tmp_path, market().trade(300, (9, 1)).tick(400), log)
    assert (found.fills, found.orders["s"].reason) == ([], "GOOD_TILL_DATE")


def test_a_triggered_stop_keeps_its_time(tmp_path: Path) -> None:
    log = Log().buy(10, "s", 9, None, "GTD", trigger_price=101, expire_ns=ns(500))
    tape = market().trade(300, (9, 1)).tick(1_000)
    found = play(tmp_path, tape, log, rules=OrderRules(protection=0))
    assert found.brief() == [("s", 101, 4, "TAKEN", 300)]
    assert (found.orders["s"].status, found.orders["s"].closed) == ("EXPIRED", 500)


def test_a_replace_keeps_the_time(tmp_path: Path) -> None:
    log = Log().buy(10, "d", 1, 100, "GTD", expire_ns=ns(500)).replace(100, "d", 2, 99)
    order = play(tmp_path, market().tick(1_000), log).orders["d"]
    assert (order.status, order.quantity, order.closed) == ("EXPIRED", 2, 500)


def test_what_expired_no_longer_counts_to_the_position_limit(tmp_path: Path) -> None:
    from tapewire.router import RiskLimits

    log = Log().buy(10, "d", 2, 100, "GTD", expire_ns=ns(200)).buy(100, "no", 2, 100)
    log.buy(300, "yes", 2, 100)
    found = play(tmp_path, market().tick(1_000), log, limits=RiskLimits(max_position=2))
    assert [found.orders[n].status for n in ("no", "yes")] == ["DENIED", "NEW"]
