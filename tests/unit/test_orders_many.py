"""More of everything than the blocks hold at the start: they grow, or the run says why it can't."""

from pathlib import Path

import pytest

from stories import Log, Tape, play
from tapewire.errors import SimulationError

MANY = 17_000  # more than the rows, orders and messages there is room for at the start


def crowd(orders: int) -> Tape:
    """Asks of one lot each at 101, and a bid at 99 to trade through."""
    tape = Tape().add(0, 1, "B", 99, 2 * MANY)
    for k in range(orders):
        tape.add(1, 1_000 + k, "A", 101, 1)
    return tape


def many_bids() -> Log:
    log = Log()
    for k in range(MANY):
        log.buy(10, f"o{k}", 1, 100)
    return log


def test_every_open_order_is_reported_in_the_order_of_sending(tmp_path: Path) -> None:
    played = play(tmp_path, crowd(1).tick(200), many_bids())
    assert played.rows.orders["client_order_id"].tolist() == list(range(1, MANY + 1))
    assert {o.reason for o in played.orders.values()} == {"END_OF_DATA"}


def test_one_event_fills_them_all(tmp_path: Path) -> None:
    tape = crowd(1).tick(200).trade(300, (1, MANY - 1)).tick(400)
    played = play(tmp_path, tape, many_bids(), batch=1)
    assert [f.order for f in played.fills] == [f"o{k}" for k in range(MANY - 1)]
    assert {f.at for f in played.fills} == {300}
    assert played.orders[f"o{MANY - 1}"].status == "NEW"


def test_an_order_may_take_four_thousand_others(tmp_path: Path) -> None:
    played = play(tmp_path, crowd(5_000).tick(200), Log().buy(10, "mine", 4_000).buy(10, "rest", 9))
    assert [(f.order, f.lots) for f in played.fills] == [("mine", 4_000), ("rest", 9)]


def test_one_that_would_take_more_ends_the_run_and_says_so(tmp_path: Path) -> None:
    with pytest.raises(SimulationError, match="strategy log sent an order that would take more"):
        play(tmp_path, crowd(5_000).tick(200), Log().buy(10, "mine", 4_500))


def test_a_thousand_orders_come_and_go(tmp_path: Path) -> None:
    """Records of closed orders are used again: nothing of the old order shows in the new."""
    tape = Tape().add(0, 1, "B", 99, 5).add(1, 9, "A", 101, 5)
    log = Log()
    for k in range(1_000):
        log.buy(10 + 10 * k, f"o{k}", 1 + k % 7, 100 if k % 2 else 100.5)
        log.cancel(15 + 10 * k, f"o{k}")
        tape.tick(12 + 10 * k)
    played = play(tmp_path, tape.tick(20_000), log, entry_us=2, response_us=1)
    assert [o.quantity for o in played.orders.values()] == [1 + k % 7 for k in range(1_000)]
    assert {(o.status, o.queue_ahead) for o in played.orders.values()} == {("CANCELED", 0)}
    assert played.rows.orders["ts_closed"].tolist() == sorted(played.rows.orders["ts_closed"])
