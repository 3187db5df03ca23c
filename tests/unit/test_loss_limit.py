"""The loss limit is reached: orders are canceled, positions kept or closed, all of it is told.

Latency is 50 µs each way, records are captured 1 µs after they happened. Long 2 at 101; at 300 the
market falls to 90 / 91, shown at 301: -2 * 10.5 = -21.
"""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from stories import PUBLISHER, SYMBOL, Log, Played, Tape, play
from tapewire.router import HaltedPosition, RiskLimits
from tapewire.router._memory import MESSAGES_AT_START

UNIT = 10**9
#: More than the messages that a simulation has room for at its start.
ORDERS = MESSAGES_AT_START + 1_000


def limits(policy: str = "halt", loss: int = 20) -> RiskLimits:
    return RiskLimits(max_loss=loss * UNIT, on_max_loss=policy)


def deep_book() -> Tape:
    return Tape().add(0, 1, "B", 100, 1000).add(1, 9, "A", 101, 1000)


def fall(tape: Tape, t: float = 300) -> Tape:
    return tape.event(t, tape.m(1, price=90), tape.m(9, price=91))


def played(folder: Path, tape: Tape, log: Log, policy: str = "halt", **settings: Any) -> Played:
    settings = {"limits": limits(policy), "event_log": True} | settings
    return play(folder, tape, log, **settings)


@pytest.mark.parametrize("policy", ["halt", "flatten"])
def test_resting_orders_are_canceled_in_time(tmp_path: Path, policy: str) -> None:
    log = Log().buy(10, "long", 2).buy(150, "rest", 1, 85).buy(290, "on its way", 1, 84)
    found = played(tmp_path, fall(deep_book().tick(250)).tick(320).tick(500), log, policy)
    # Sent at 301, at the exchange at 351; the order sent at 290 is there by then.
    for name in ("rest", "on its way"):
        order = found.orders[name]
        assert (order.status, order.reason, order.closed) == ("CANCELED", "LOSS_CANCEL", 351)
    assert found.changes("rest")[-2:] == [
        ("CANCEL_SENT", "LOSS_CANCEL", 85, 1, 0, 0, 301),
        ("CANCELED", "LOSS_CANCEL", 85, 1, 0, 351, 401),
    ]
    assert found.orders["long"].status == "FILLED"


def test_halt_keeps_the_position_and_says_so(tmp_path: Path) -> None:
    log = Log().buy(10, "long", 2).sell(400, "late", 2)
    found = played(tmp_path, fall(deep_book().tick(250)).tick(1_000), log)
    assert found.orders["late"].reason == "MAX_LOSS"
    assert [f.order for f in found.fills] == ["long"]
    (halt,) = found.simulation.loss_halts()
    assert (halt.strategy_id, halt.policy) == ("log", "halt")
    assert (halt.pnl, halt.max_loss) == (-21 * UNIT, 20 * UNIT)
    assert halt.positions == (HaltedPosition(SYMBOL, PUBLISHER, 2, 2),)
    assert (halt.cancels, halt.closing_orders) == (0, 0)
    assert found.counts["loss_halts"] == 1
    assert halt.sentence() == (
        "log reached max_loss 20.00 at 2023-11-14 22:13:20.000301000 UTC with a P&L of -21.00 and "
        f"was halted: 0 open orders canceled, position in {SYMBOL} +2 then, +2 at the end "
        "(on_max_loss: halt)"
    )


def test_flatten_closes_it_with_a_market_order_like_any_other(tmp_path: Path) -> None:
    log = Log().buy(10, "long", 2).sell(400, "late", 2)
    found = played(tmp_path, fall(deep_book().tick(250)).tick(1_000), log, "flatten", fee=UNIT // 2,
                   limits=limits("flatten", 21))  # fmt: skip
    order = found.orders["flatten-1"]
    assert (order.status, order.reason, order.filled) == ("FILLED", "LOSS_FLATTEN", 2)
    assert (order.sent, order.arrived, order.closed) == (301, 351, 351)
    fill = found.fills[-1]
    assert (fill.order, fill.side, fill.price, fill.lots) == ("flatten-1", "SELL", 90, 2)
    assert (fill.liquidity, fill.at, fill.known, fill.commission) == ("TAKER", 351, 401, UNIT)
    assert found.last_sample()["position"] == 0
    assert found.orders["late"].reason == "MAX_LOSS"
    (halt,) = found.simulation.loss_halts()
    assert halt.positions == (HaltedPosition(SYMBOL, PUBLISHER, 2, 0),)
    assert halt.to_dict()["closing_orders"] == 1
    assert "on_max_loss: flatten, 1 closing order sent" in halt.sentence()


def test_no_limit_denies_the_order_that_closes(tmp_path: Path) -> None:
    bounds = RiskLimits(max_loss=20 * UNIT, max_order_size=1, max_orders_per_second=2,
                        max_position=2, on_max_loss="flatten")  # fmt: skip
    log = Log().buy(10, "a", 1).buy(20, "b", 1)
    found = played(tmp_path, fall(deep_book().tick(250)).tick(1_000), log, limits=bounds)
    assert found.fills[-1][:4] == ("flatten-1", "SELL", 90, 2)


def test_a_fill_on_the_way_is_closed_too(tmp_path: Path) -> None:
    """Known to be long 2 at 301, when a third lot has been bought at 260 but is not known."""
    tape = fall(deep_book().tick(205).add(260, 20, "A", 100.5, 1), 300).tick(400).tick(600)
    log = Log().buy(10, "long", 2).buy(150, "rest", 1, 100.5)
    found = played(tmp_path, tape, log, "flatten")
    assert [(f.order, f.side, f.lots, f.at) for f in found.fills] == [
        ("long", "BUY", 2, 60), ("rest", "BUY", 1, 260),
        ("flatten-1", "SELL", 2, 351), ("flatten-2", "SELL", 1, 451),
    ]  # fmt: skip
    assert found.orders["rest"].status == "FILLED"
    assert found.last_sample()["position"] == 0


def test_what_finds_no_buyer_is_tried_again_when_the_price_moves(tmp_path: Path) -> None:
    tape = fall(deep_book().tick(250)).cancel(340, 1).tick(600)
    tape.add(700, 2, "B", 89, 5).tick(1_000)
    found = played(tmp_path, tape, Log().buy(10, "long", 2), "flatten")
    first = found.orders["flatten-1"]
    assert (first.status, first.reason, first.filled) == ("EXPIRED", "LOSS_FLATTEN", 0)
    second = found.orders["flatten-2"]
    assert (second.status, second.sent, second.closed) == ("FILLED", 701, 751)
    assert found.fills[-1].price == 89


def test_a_position_that_could_not_be_closed_is_told(tmp_path: Path) -> None:
    tape = fall(deep_book().tick(250)).cancel(340, 1).tick(600)
    found = played(tmp_path, tape, Log().buy(10, "long", 2), "flatten")
    (halt,) = found.simulation.loss_halts()
    assert halt.positions == (HaltedPosition(SYMBOL, PUBLISHER, 2, 2),)


def test_a_position_too_large_for_the_bids_is_closed_step_by_step(tmp_path: Path) -> None:
    tape = deep_book().tick(250)
    tape.event(300, tape.m(1, price=90, size=1), tape.m(9, price=91)).tick(500)
    tape.add(600, 3, "B", 90.5, 1).tick(900)
    found = played(tmp_path, tape, Log().buy(10, "long", 2), "flatten")
    assert [(f.order, f.lots, f.at) for f in found.fills[1:]] == [
        ("flatten-1", 1, 351), ("flatten-3", 1, 651),
    ]  # fmt: skip
    # The event of 500 shows the bid of 90 as it was; what we took of it is not there any more.
    statuses = [found.orders[f"flatten-{k}"].status for k in (1, 2, 3)]
    assert statuses == ["EXPIRED", "EXPIRED", "FILLED"]


def test_what_is_left_is_tried_again_whatever_the_mark_does(tmp_path: Path) -> None:
    """The bid goes, and others come one by one, without an offer: no middle, so no new mark."""
    tape = deep_book().tick(250)
    tape.event(300, tape.m(1, price=90, size=2), tape.m(9, price=91))
    tape.event(360, tape.c(1)).event(500, tape.c(9))
    tape.add(600, 3, "B", 89.75, 1).add(700, 4, "B", 80, 5).tick(900)
    found = played(tmp_path, tape, Log().buy(10, "long", 5), "flatten")
    assert [(f.order, f.price, f.lots, f.at) for f in found.fills[1:]] == [
        ("flatten-1", 90, 2, 351), ("flatten-2", 89.75, 1, 651), ("flatten-3", 80, 2, 751),
    ]  # fmt: skip
    assert found.last_sample()["position"] == 0


def test_bids_behind_one_that_was_taken_are_tried_too(tmp_path: Path) -> None:
    """The bid of 90 we took stays in the data: neither the best prices nor their sizes change."""
    tape = deep_book().tick(250)
    tape.event(300, tape.m(1, price=90, size=2), tape.m(9, price=91)).tick(500)
    tape.add(600, 3, "B", 89.75, 1).add(700, 4, "B", 80, 5).tick(900)
    found = played(tmp_path, tape, Log().buy(10, "long", 5), "flatten")
    assert [(f.price, f.lots) for f in found.fills[1:]] == [(90, 2), (89.75, 1), (80, 2)]
    assert found.last_sample()["position"] == 0
    sent = [order.sent for name, order in found.orders.items() if name.startswith("flatten")]
    assert sent == sorted(set(sent))
    assert min(b - a for a, b in pairwise(sent)) >= 100, "one at a time"


def test_labels_of_a_log_stay_with_its_own_orders(tmp_path: Path) -> None:
    log = Log().buy(10, "long", 2).sell(400, "late", 2).buy(500, "later", 1)
    found = played(tmp_path, fall(deep_book().tick(250)).tick(1_000), log, "flatten")
    assert set(found.orders) == {"long", "late", "later", "flatten-1"}
    assert found.fills[-1].order == "flatten-1"


def test_more_open_orders_than_there_is_room_for_at_first(tmp_path: Path) -> None:
    """All of several thousand are canceled; the loop makes room and goes on."""
    log = Log().buy(10, "long", 2)
    for k in range(ORDERS):
        log.buy(100 + k // 200, f"o{k}", 1, 85)
    found = played(tmp_path, fall(deep_book().tick(250)).tick(1_000), log, event_log=False)
    (halt,) = found.simulation.loss_halts()
    assert halt.cancels == ORDERS
    closed = [o for name, o in found.orders.items() if name != "long"]
    assert {(o.status, o.reason) for o in closed} == {("CANCELED", "LOSS_CANCEL")}


def test_without_a_loss_there_is_nothing_to_tell(tmp_path: Path) -> None:
    found = played(tmp_path, deep_book().tick(250), Log().buy(10, "long", 2), "flatten")
    assert found.simulation.loss_halts() == []
    assert found.counts["loss_halts"] == 0
