"""Size beside the market and the multiple of it that impact eats, by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analytics_rows import E9, NOON_NS, Book, FakeLeg, drained, manifest, rows
from tapewire.analytics import Collector, load_run
from tapewire.analytics.capacity import Capacity, MarketActivity, market_of
from tapewire.analytics.metrics import METRICS
from tapewire.analytics.metrics.inputs import FillTotals, ImpactTotals, Pnl
from tapewire.execution.rows import TOUCH_DTYPE
from tapewire.market.records import UNDEF_PRICE

METRIC = {metric.column: metric for metric in METRICS}
STEP = 1 << 30


def value(column: str, **inputs: Any) -> Any:
    return METRIC[column].compute(**inputs)


def orders(*filled: int, reason: str = "NONE") -> dict[str, np.ndarray]:
    return {"filled_qty": np.array(filled), "reason": np.array([reason] * len(filled), object)}


def test_the_square_root_law_by_hand() -> None:
    """400 lots traded while squared moves added up to 9 points: 3 x sqrt(Q / 400) a lot.

    Orders of 4 and 1 lots, at 50 a point: 3 x (0.1 x 4 + 0.05 x 1) x 50 = 67.50.
    """
    mine = Capacity()
    mine.add(orders(4, 0), 50, 1)
    mine.add(orders(1), 50, 1)
    mine.add(orders(9, reason="SETTLEMENT"), 50, 1)  # nobody sent it
    mine.finish(1, MarketActivity(400, 9.0))
    fills = FillTotals(maker_volume=3, taker_volume=2)
    assert value("market_volume", capacity=mine) == 400
    assert value("participation", capacity=mine, fills=fills) == 5 / 400
    assert value("expected_impact", capacity=mine) == pytest.approx(67.5)
    # 150 gross of an impact of 15, less 30 of fees: 135 before impact, twice 67.5. With 4 times the
    # lots impact costs 67.5 x 8, as much as is made: 135 x 4.
    pnl, impact = Pnl(realized=150 * E9, fees=30 * E9), ImpactTotals(15 * E9)
    found = value("capacity_multiple", capacity=mine, pnl=pnl, impact=impact)
    assert found == pytest.approx(4)
    assert 135 * found == pytest.approx(67.5 * found**1.5)


def test_where_nothing_is_made_or_known_there_is_no_capacity() -> None:
    mine = Capacity()
    mine.add(orders(4), 50, 1)
    mine.finish(1, MarketActivity(400, 9.0))
    lost = Pnl(realized=-1)
    assert value("capacity_multiple", capacity=mine, pnl=lost, impact=ImpactTotals()) is None
    unknown = Capacity()
    unknown.add(orders(4), 50, 1)
    unknown.finish(1, None)
    made = Pnl(realized=E9)
    for column in ("market_volume", "expected_impact"):
        assert value(column, capacity=unknown) is None
    assert value("participation", capacity=unknown, fills=FillTotals(maker_volume=4)) is None
    assert value("capacity_multiple", capacity=unknown, pnl=made, impact=ImpactTotals()) is None
    together = mine + unknown
    assert value("expected_impact", capacity=together) is None
    assert value("market_volume", capacity=together) == 400


def test_books_of_several_strategies_count_once() -> None:
    one, other, third = Capacity(), Capacity(), Capacity()
    for each, book in ((one, 1), (other, 1), (third, 2)):
        each.add(orders(4), 50, 1)
        each.finish(book, MarketActivity(400, 9.0))
    together = one + other + third
    assert value("market_volume", capacity=together) == 800
    assert value("expected_impact", capacity=together) == pytest.approx(3 * 60)


def test_moves_of_the_mid_step_by_step() -> None:
    # Steps 0, 0, 1, 3: mids of 100, 101, 103 (no ask: none), 99; the last of each step counts.
    spans = np.array(
        [
            [99 * E9, 101 * E9, 5], [100 * E9, 102 * E9, 9], [103 * E9, UNDEF_PRICE, 12],
            [98 * E9, 100 * E9, 20],
        ]
    )  # fmt: skip
    assert market_of(spans, np.array([0, 0, 1, 3])) == MarketActivity(20, 4.0)
    assert market_of(spans[:0], np.array([], np.int64)) == MarketActivity(0, 0.0)


def test_a_run_by_hand(tmp_path: Path) -> None:
    """Mids of 100, 102, 101 a step apart, 500 lots: sigma is sqrt(5), and 5 / 500 is 0.01.

    Of two orders of 4 and 4 lots each costs 0.1 x 8 points, at 10 a point 8: 16 together. They made
    4 points on 4 lots: 160, ten times that: a hundred times the size.
    """
    leg = FakeLeg(symbol="X", multiplier_num=10)
    story = Book(leg).fill(4, 100 * E9, after_ns=1).fill(-4, 104 * E9, after_ns=1)
    story.sample(104 * E9, after_ns=1)
    book = leg.publisher_id << 32 | leg.instrument_id
    mids = [(0, 100, 0), (STEP, 102, 100), (2 * STEP, 101, 500)]
    touches = rows(TOUCH_DTYPE, [
        {"book": book, "ts_event": NOON_NS + at, "bid": (mid - 1) * E9, "ask": (mid + 1) * E9,
         "volume": volume}
        for at, mid, volume in mids
    ])  # fmt: skip
    fills, sent, samples = drained(story)
    with Collector(tmp_path / "run", "seed: 0\n", markouts=True) as collector:
        collector.add(fills, sent, samples, [leg], touches=touches)
        collector.finish("complete", manifest())
    found = load_run(tmp_path / "run").metrics.to_pylist()[0]
    assert (found["market_volume"], found["participation"]) == (500, 8 / 500)
    assert found["expected_impact"] == pytest.approx(16)
    assert found["capacity_multiple"] == pytest.approx(100)
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Capacity, multiples of its size" in page
