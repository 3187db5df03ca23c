"""An instrument expires: its orders end, none is taken any more, what is held is settled.

The book: 5 bid at 100, 5 offered at 101. Orders take 50 µs to the exchange, word 50 µs back. It
expires at 300, where nothing happens until 1,000.
"""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stories import Log, Tape, models_of, play
from tapewire.analytics.ledger import Ledger, account_money
from tapewire.execution.models import built_in

UNIT = 10**9


def market() -> Tape:
    return Tape().add(0, 1, "B", 100, 5).add(1, 9, "A", 101, 5)


def played(folder: Path, log: Log, price: Any = 104, **settings: Any) -> Any:
    tape = settings.pop("tape", None) or market().tick(1_000)
    return play(folder, tape, log, event_log=True, expires=(300, price), **settings)


def money(found: Any, num: int, den: int = 1) -> dict[str, int]:
    """The last account, rebuilt by the ledger and compared, in 1e-9 currency."""
    books = Ledger()
    books.add_fills(found.rows.fills, found.simulation.legs)
    books.add_orders(found.rows.orders)
    books.add_samples(found.rows.samples, found.simulation.legs)
    assert books.check(found.simulation.legs)["result"] == "exact"
    row = found.rows.samples[-1:]
    figures = account_money(row, np.array([num]), np.array([den]))
    return {name: int(value[0]) for name, value in figures.items()}


def test_a_long_position_is_settled_at_the_price_without_a_fee(tmp_path: Path) -> None:
    """Bought 2 at 101, settled at 104: (104 - 101) * 2 * 50 = 300, less 2 * 0.50 for the buy."""
    found = played(tmp_path, Log().buy(10, "long", 2), multiplier=50, fee=UNIT // 2)
    assert found.brief() == [
        ("long", 101, 2, "TAKEN", 60),
        ("settlement", 104, 2, "SETTLEMENT", 300),
    ]
    last = found.fills[-1]
    assert (last.side, last.position, last.commission, last.known) == ("SELL", 0, 0, 350)
    order = found.orders["settlement"]
    assert (order.status, order.reason, order.sent, order.closed) == (
        "FILLED",
        "SETTLEMENT",
        300,
        300,
    )
    assert money(found, 50) == {
        "realized_pnl": 300 * UNIT, "unrealized_pnl": 0, "fees": UNIT, "pnl": 299 * UNIT,
    }  # fmt: skip
    assert [what[0] for what in found.changes("settlement")] == ["SENT", "ACCEPTED", "FILLED"]


def test_a_short_position_that_went_through_zero_is_settled(tmp_path: Path) -> None:
    """Long 1 at 101, sold 3 at 100: -1 realised, short 2 at 100; settled at 97.5: +5."""
    log = Log().buy(10, "long", 1).sell(100, "flip", 3)
    found = played(tmp_path, log, "97.5")
    assert [f.position for f in found.fills] == [1, -2, 0]
    last = found.fills[-1]
    assert (last.side, last.price, last.lots) == ("BUY", Decimal("97.5"), 2)
    assert money(found, 1)["realized_pnl"] == 4 * UNIT


def test_a_multiplier_in_another_currency_counts_as_ever(tmp_path: Path) -> None:
    """25 euros a point at 1.0842: 3 points on 1 lot are 81.315."""
    worth = 25 * Fraction("1.0842")
    found = played(tmp_path, Log().buy(10, "long", 1), multiplier=worth)
    assert money(found, worth.numerator, worth.denominator)["pnl"] == 81_315_000_000


@pytest.mark.parametrize("force", ["GTC", "DAY"])
def test_orders_end_with_their_instrument(tmp_path: Path, force: str) -> None:
    """The trade at 500 would fill it; the one sent at 240 is there at 290, that of 260 too late."""
    log = Log().buy(10, "rests", 1, 99, force).buy(240, "in time", 1, 99, force)
    log.buy(260, "late", 1, 101, force).buy(450, "later", 1)
    found = played(tmp_path, log, tape=market().add(500, 20, "A", 98, 5).tick(1_000))
    assert found.fills == []
    ends = {name: (o.status, o.reason, o.closed) for name, o in found.orders.items()}
    why = "SESSION_CLOSE" if force == "DAY" else "GOOD_TILL_DATE"
    assert ends["rests"] == ends["in time"] == ("EXPIRED", why, 300)
    assert ends["late"] == ("REJECTED", "MARKET_CLOSED", 310)
    assert ends["later"] == ("DENIED", "HAS_EXPIRED", 450)


def test_without_a_price_positions_are_settled_at_their_mark(tmp_path: Path) -> None:
    """The middle is 100.5; from 200 on, with a bid of 102 and 104 offered, 103."""
    log = Log().buy(10, "long", 1)
    assert played(tmp_path, log, None).fills[-1].price == Decimal("100.5")
    tape = market()
    tape = tape.event(200, tape.m(9, price=104), tape.m(1, price=102)).tick(1_000)
    assert played(tmp_path, log, None, tape=tape).fills[-1].price == 103


def test_nothing_is_settled_that_is_flat_or_expires_after_the_data(tmp_path: Path) -> None:
    log = Log().buy(10, "long", 1).sell(100, "flat", 1)
    assert [f.order for f in played(tmp_path, log).fills] == ["long", "flat"]
    held = play(tmp_path, market().tick(299), Log().buy(10, "a", 1), expires=(301, 104))
    assert [f.order for f in held.fills] == ["a"]
    assert held.last_sample()["position"] == 1


def test_it_is_the_same_whatever_the_batches(tmp_path: Path) -> None:
    log = Log().buy(10, "long", 2).buy(30, "rests", 1, 99).sell(260, "late", 1)
    digests = {played(tmp_path, log, batch=batch).digest for batch in (0, 1, 2)}
    assert len(digests) == 1


def test_lines_of_fees_have_none_of_it(tmp_path: Path) -> None:
    """A schedule's lines are asked again behind the loop: they add up to what was charged."""
    fees = built_in("fees", "schedule", rows=[{"line": "exchange", "taker": Decimal("0.5")}])
    found = played(tmp_path, Log().buy(10, "long", 2), models=replace(models_of(), fees=fees))
    assert found.simulation.fee_lines()["log"]["exchange"] == UNIT
    assert [f.commission for f in found.fills] == [UNIT, 0]
