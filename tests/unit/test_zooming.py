"""Charts of a run between two times: few points, every extreme among them."""

from pathlib import Path

import numpy as np
import pytest

from analytics_rows import E9, Book, FakeLeg
from analytics_runs import run_of
from tapewire.analytics.zooming import POINTS_MIN, reduced, zoomed
from tapewire.errors import ConfigError

P = 4800 * E9


def naive(ts, values, first, last, buckets):
    """Each bucket's points one by one: first, last, lowest and highest; and one on either side."""
    width = max(1, -(-(last - first + 1) // buckets))
    chosen = set()
    for bucket in range(buckets):
        inside = [k for k in range(len(ts))
                  if first <= ts[k] <= last and (ts[k] - first) // width == bucket]  # fmt: skip
        if inside:
            chosen |= {inside[0], inside[-1]}
            # Of several, the first lowest and the last highest.
            chosen.add(min(inside, key=lambda k: (values[k], k)))
            chosen.add(max(inside, key=lambda k: (values[k], k)))
    before = [k for k in range(len(ts)) if ts[k] < first]
    behind = [k for k in range(len(ts)) if ts[k] > last]
    return sorted(chosen | set(before[-1:]) | set(behind[:1]))


@pytest.mark.parametrize("seed", range(12))
def test_every_extreme_of_every_bucket_survives(seed: int):
    random = np.random.Generator(np.random.PCG64(seed))
    ts = np.cumsum(random.integers(1, 9, 700))
    values = np.cumsum(random.integers(-5, 6, 700))
    first, last = sorted(random.integers(0, int(ts[-1]) + 50, 2).tolist())
    points = int(random.integers(POINTS_MIN, 200))
    found = reduced(ts, values, first, last, points)
    inside = np.flatnonzero((ts >= first) & (ts <= last))
    assert len(found) <= points
    if len(inside) > points - 2:
        slow = naive(ts.tolist(), values.tolist(), first, last, (points - 2) // 4)
        assert found.tolist() == slow
    else:
        assert set(inside.tolist()) <= set(found.tolist())


def test_the_value_that_holds_into_a_stretch_is_told():
    ts, values = np.array([10, 20, 30, 40]), np.array([1, 2, 3, 4])
    assert reduced(ts, values, 22, 28, 100).tolist() == [1, 2]
    assert reduced(ts, values, 30, 30, 100).tolist() == [1, 2, 3]
    assert reduced(ts, values, 50, 60, 100).tolist() == [3]
    assert reduced(ts[:0], values[:0], 1, 2, 100).tolist() == []


def two_legs() -> tuple[Book, Book]:
    maker = Book(FakeLeg())
    maker.fill(2, P, E9).sample(P + E9).fill(-1, P + 2 * E9, E9).sample(P - 3 * E9)
    taker = Book(FakeLeg(leg=1, strategy_id="taker"))
    taker.fill(1, P, 0).sample(P + E9).sample(P + 5 * E9)
    return maker, taker


def test_a_chart_is_the_rows_of_the_tables(tmp_path: Path):
    books = two_legs()
    run = run_of(tmp_path, *books)
    equity, columns = zoomed(run, "equity"), run.equity.to_pydict()
    names = [line.name for line in equity.lines]
    assert names == ["total", *dict.fromkeys(leg["strategy_id"] for leg in run.manifest["legs"])]
    last = dict(zip(columns["leg"], columns["pnl"], strict=True))
    assert equity.lines[0].values[-1] == sum(last.values()) / 1e9
    drawdown = zoomed(run, "drawdown").lines[0]
    highest = np.maximum.accumulate(np.maximum(equity.lines[0].values, 0))
    assert drawdown.values.tolist() == (equity.lines[0].values - highest).tolist()


def test_a_price_chart_has_the_fills_of_its_leg(tmp_path: Path):
    run = run_of(tmp_path, *two_legs())
    (first, *_), rows = run.manifest["legs"], run.fills.to_pydict()
    chart = zoomed(run, "price", strategy=first["strategy_id"])
    mine = [k for k, leg in enumerate(rows["leg"]) if leg == first["leg"]]
    assert chart.fills_total == len(mine)
    assert chart.fills["last_px"].tolist() == [rows["last_px"][k] for k in mine]
    taker = zoomed(run, "price", strategy="taker")
    assert taker.fills["last_qty"].tolist() == [1]
    stretch = zoomed(run, "price", first_ns=chart.whole_last_ns + 1, last_ns=2**62)
    assert stretch.fills_total == 0


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"chart": "map"}, "chart: expected one of equity, drawdown, position, price, found 'map'"),
        ({"chart": "price", "strategy": "nobody"}, "expected one of"),
        ({"chart": "equity", "points_max": 5}, "points_max: expected 6 to 10,000, found 5"),
        ({"chart": "equity", "points_max": 10_001}, "found 10,001"),
        ({"chart": "equity", "first_ns": 9, "last_ns": 3}, "first_ns: expected one up to last_ns"),
    ],
)
def test_what_there_is_no_chart_of_is_said(tmp_path: Path, asked, said: str):
    with pytest.raises(ConfigError, match=said):
        zoomed(run_of(tmp_path, *two_legs()), **asked)
