"""The run rolls out of a contract: its orders end, what is held is closed as its book stands.

The book: 5 bid at 100, 5 offered at 101. Orders take 50 µs to the exchange, word 50 µs back. The
run leaves it at 300, where nothing happens until 1,000.
"""

import random
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from markets import spec
from stories import Log, Tape, configure, play, run
from tapewire.execution.codes import OrderStatus

UNIT = 10**9


def market(bids: int = 5) -> Tape:
    return Tape().add(0, 1, "B", 100, bids).add(1, 9, "A", 101, 5)


def rolled(folder: Path, log: Log, tape: Tape | None = None, **settings: Any) -> Any:
    return play(
        folder, tape or market().tick(1_000), log, expires=(300, None), rolls=True,
        entry_us=50, response_us=50, event_log=True, **settings,
    )  # fmt: skip


@pytest.mark.parametrize("side", ["long", "short"])
def test_a_position_is_closed_across_the_spread_and_pays_fees(tmp_path: Path, side: str) -> None:
    log = Log().buy(10, "it", 2) if side == "long" else Log().sell(10, "it", 2)
    found = rolled(tmp_path, log, fee=UNIT // 2)
    last = found.fills[-1]
    price = 100 if side == "long" else 101
    assert found.brief()[1] == ("roll", price, 2, "TAKEN", 300)
    assert (last.position, last.commission, last.known) == (0, UNIT, 350)
    order = found.orders["roll"]
    assert (order.status, order.reason, order.sent, order.closed) == ("FILLED", "ROLL", 300, 300)
    assert [what[0] for what in found.changes("roll")] == ["SENT", "ACCEPTED", "FILLED"]


def test_it_walks_the_book(tmp_path: Path) -> None:
    """One is bid at 100, the others at 99."""
    tape = market(1).add(2, 2, "B", 99, 5).tick(1_000)
    found = rolled(tmp_path, Log().buy(10, "long", 3), tape)
    assert [(f.price, f.lots) for f in found.fills[1:]] == [(100, 1), (99, 2)]


def test_what_finds_nothing_is_settled_at_the_mark(tmp_path: Path) -> None:
    """One lot is bid; the other is worth the middle, 100.5, and pays no fee."""
    found = rolled(tmp_path, Log().buy(10, "long", 2), market(1).tick(1_000))
    assert [(f.order, f.price, f.lots) for f in found.fills[1:]] == [
        ("roll", 100, 1),
        ("settlement", Decimal("100.5"), 1),
    ]
    order = found.orders["roll"]
    assert (order.status, order.reason) == ("EXPIRED", "ROLL")


def test_orders_end_at_the_roll_and_none_is_taken_behind_it(tmp_path: Path) -> None:
    """The trade at 500 would fill it; one that is on its way meets a market that is over."""
    log = Log().buy(10, "rests", 1, 99).buy(260, "late", 1, 101).buy(450, "later", 1)
    found = rolled(tmp_path, log, market().add(500, 20, "A", 98, 5).tick(1_000))
    assert found.fills == []
    ends = {name: (o.status, o.reason) for name, o in found.orders.items()}
    assert ends == {
        "rests": ("EXPIRED", "GOOD_TILL_DATE"),
        "late": ("REJECTED", "MARKET_CLOSED"),
        "later": ("DENIED", "HAS_EXPIRED"),
    }


@pytest.mark.parametrize("seed", range(8))
def test_it_is_as_a_market_order_of_the_strategy_just_before(tmp_path: Path, seed: int) -> None:
    """Books at random: the same fills, at the same prices with impact and fees, a tick earlier."""
    draw = random.Random(seed)
    tape = market(draw.randint(1, 4))
    for order_id in range(20, 30):
        tape = tape.add(order_id, order_id, "B", draw.randint(90, 99), draw.randint(1, 5))
        tape = tape.add(order_id, 100 + order_id, "A", draw.randint(101, 110), draw.randint(1, 5))
    tape = tape.tick(1_000)
    lots = draw.randint(1, 12)
    own = Log().sell(100, "it", lots) if seed % 2 else Log().buy(100, "it", lots)
    by_roll = rolled(tmp_path, own, tape, fee=UNIT, impact_ppm=700)
    back = own.buy(249, "back", lots) if seed % 2 else own.sell(249, "back", lots)
    by_order = rolled(tmp_path, back, tape, fee=UNIT, impact_ppm=700)

    def rows(found: Any, name: str) -> list[Any]:
        return [(f.price, f.lots, f.commission) for f in found.fills if f.order == name]

    assert rows(by_roll, "roll") == rows(by_order, "back") != []
    assert by_roll.fills[-1].position == by_order.fills[-1].position == 0


def test_the_batches_do_not_matter(tmp_path: Path) -> None:
    log = Log().buy(10, "long", 3).buy(30, "rests", 1, 99)
    tape = market(1).add(2, 2, "B", 99, 1).tick(1_000)
    digests = {rolled(tmp_path, log, tape, batch=batch).digest for batch in (0, 1, 2)}
    assert len(digests) == 1


def test_a_market_maker_quotes_no_more_in_what_is_over(tmp_path: Path) -> None:
    """Word that its bid and its ask have ended reaches it at 350; it sends no other two."""
    config = configure(None, expires=(300, None), rolls=True)
    maker = replace(config, strategies=(spec("maker", "market_maker"),))
    simulation, rows = run(maker, market().tick(1_000).records())
    ends = [OrderStatus(row["status"]).name for row in rows.orders]
    assert ends == ["EXPIRED", "EXPIRED"]
    assert simulation.counts["orders_denied"] == 0
