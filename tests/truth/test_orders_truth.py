"""Orders of all kinds on a real market, held to what the file itself says, without any book.

ESH4 on 25 December 2023, from the pre-open on. One log is sent through it; each kind of order has
a truth that can be read off its trades or its own rows.
"""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from generated import write
from naive.dbn import read_mbo
from naive.queues import Row
from stories import INSTRUMENT, configure, run
from tapewire.execution.codes import Liquidity, OrderStatus, Reason
from tapewire.market.records import UNDEF_PRICE

TICK = 250_000_000
ENTRY_NS = 100_000
PER_KIND = 150


@pytest.fixture(scope="module")
def records(data_file: Callable[[str], Path]) -> np.ndarray:
    found = read_mbo(data_file("glbx/esh4-glbx-mdp3-20231225.mbo.dbn.zst"))[:60_000].copy()
    found["instrument_id"] = INSTRUMENT
    return found


@pytest.fixture(scope="module")
def trades(records: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Exchange times and prices of the trades; a clock that goes back waits."""
    clock = np.maximum.accumulate(records["ts_event"].astype(np.int64))
    is_trade = (records["action"] == ord("T")) & (records["price"] != UNDEF_PRICE)
    return clock[is_trade], records["price"][is_trade]


@pytest.fixture(scope="module")
def played(
    records: np.ndarray, trades: tuple[np.ndarray, np.ndarray], tmp_path_factory: Any
) -> dict[str, tuple[Row, Any, np.ndarray]]:
    """Each order of the log by name: its row in the log, its row in the results, its fills."""
    draw = random.Random(25)
    log: list[Row] = []
    for kind in ("stop", "limit", "post", "reprice", "dated", "fok"):
        for k in range(PER_KIND):
            j = draw.randrange(len(trades[0]) - 50)
            at, near = int(trades[0][j]) + draw.randint(0, 3_000_000), int(trades[1][j])
            side = draw.choice("BA")
            sign = 1 if side == "B" else -1
            price: int | None = near + draw.randint(-3, 3) * TICK
            terms: dict[str, Any] = {}
            if kind in ("stop", "limit"):
                terms["trigger"] = near + sign * draw.randint(-1, 4) * TICK
                price = None if kind == "stop" else terms["trigger"] + sign * 2 * TICK
            elif kind == "post":
                terms["post"] = "reject"
            elif kind == "reprice":
                terms["post"] = "reprice"
            elif kind == "dated":
                terms = {"tif": "GTD", "expire": at + draw.choice((1_000_000, 60 * 10**9))}
            else:
                terms["tif"] = "FOK"
            lots = draw.choice((1, 2, 5, 30))
            log.append(Row(at, "new", f"{kind}{k}", side, price, lots, **terms))
    path = write(log, tmp_path_factory.mktemp("log"))
    simulation, rows = run(
        configure(path, entry_us=ENTRY_NS // 1000, response_us=20_000, tick="0.25"), records
    )
    labels = simulation.legs[0].client_order_labels or ()
    by_name = {row.name: row for row in log}
    found = {}
    for order in rows.orders:
        name = labels[int(order["client_order_id"]) - 1]
        own = rows.fills["client_order_id"] == order["client_order_id"]
        found[name] = (by_name[name], order, rows.fills[own])
    assert len(found) == 6 * PER_KIND
    return found


def of(played: Any, *kinds: str) -> list[tuple[Row, Any, np.ndarray]]:
    return [found for name, found in played.items() if name.rstrip("0123456789") in kinds]


def test_stops_are_triggered_by_the_first_trade_at_or_through_their_trigger(
    played: Any, trades: tuple[np.ndarray, np.ndarray]
) -> None:
    times, prices = trades
    outcomes = {"passed": 0, "triggered": 0, "never": 0}
    for row, order, fills in of(played, "stop", "limit"):
        sign = 1 if row.side == "B" else -1
        arrived = int(order["ts_arrived"])
        first = int(np.searchsorted(times, arrived, "right"))  # trades after it arrived
        reached = (prices - row.trigger) * sign >= 0
        if first > 0 and reached[first - 1]:
            outcomes["passed"] += 1
            assert order["status"] == OrderStatus.REJECTED
            assert order["reason"] == Reason.TRIGGER_PASSED
            continue
        hits = np.flatnonzero(reached[first:])
        if hits.size == 0:
            outcomes["never"] += 1
            assert (order["ts_triggered"], len(fills)) == (0, 0)
            continue
        outcomes["triggered"] += 1
        assert order["ts_triggered"] == times[first + hits[0]]
        assert (fills["ts_event"] >= order["ts_triggered"]).all()
    assert min(outcomes.values()) > 10, outcomes


def test_post_only_orders_never_take(played: Any) -> None:
    found = of(played, "post", "reprice")
    statuses = {OrderStatus(int(order["status"])) for _, order, _ in found}
    assert {OrderStatus.REJECTED, OrderStatus.FILLED} <= statuses
    for _, _, fills in found:
        assert (fills["liquidity"] == Liquidity.MAKER).all()


def test_repriced_orders_are_no_better_than_asked_and_some_are_moved(played: Any) -> None:
    moved = 0
    for row, order, _ in of(played, "reprice"):
        sign = 1 if row.side == "B" else -1
        assert order["status"] != OrderStatus.REJECTED
        assert (row.price - int(order["price"])) * sign >= 0
        moved += int(order["price"]) != row.price
    assert moved > 10


def test_dated_orders_end_at_their_time_and_fill_before_it(played: Any) -> None:
    expired = 0
    for row, order, fills in of(played, "dated"):
        assert row.expire is not None
        assert (fills["ts_event"] <= row.expire).all()
        if order["status"] == OrderStatus.EXPIRED:
            expired += 1
            assert order["ts_closed"] == max(row.expire, order["ts_arrived"])
    assert expired > 10


def test_fill_or_kill_orders_fill_whole_as_they_arrive_or_not_at_all(played: Any) -> None:
    lots = []
    for row, order, fills in of(played, "fok"):
        filled = int(fills["last_qty"].sum())
        lots.append(filled)
        assert filled in (0, row.quantity)
        assert (fills["ts_event"] == order["ts_arrived"]).all()
    assert 10 < np.count_nonzero(lots) < PER_KIND - 10
