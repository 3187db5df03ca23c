"""Figures without a run folder: what the folder would say, however rows are cut."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from analytics_rows import E9, NOON_NS, FakeLeg, busy_day, manifest, no_fills, no_orders
from tapewire.analytics import Collector, load_run
from tapewire.analytics.curves import Spread
from tapewire.analytics.exact import total, total_of_squares
from tapewire.analytics.figures import FiguresCollector
from tapewire.errors import SimulationError
from tapewire.execution.rows import TOUCH_DTYPE
from tapewire.market.records import UNDEF_PRICE
from tapewire.positions.rows import SAMPLE_DTYPE


def touches_of(samples: np.ndarray) -> np.ndarray:
    """Best prices a tick around the marks of a leg's samples."""
    mine = samples[samples["leg"] == 0]
    rows = np.zeros(len(mine), TOUCH_DTYPE)
    rows["book"] = mine["leg"]
    rows["ts_event"] = mine["ts"]
    rows["bid"], rows["ask"] = mine["mark"] - E9 // 4, mine["mark"] + E9 // 4
    return rows


@pytest.mark.parametrize("held", [37, 200])
def test_batches_do_not_show_where_strategies_hear_at_other_times(
    held: int, tmp_path: Path
) -> None:
    """Samples of one second are told 0 and 10 ms after it to one strategy, 50 and 60 to another."""
    legs = [FakeLeg(k, "ab"[k % 2], 1, 1 + k // 2, "AB"[k // 2]) for k in range(4)]
    samples = np.zeros(800, SAMPLE_DTYPE)
    samples["leg"] = np.tile(range(4), 200)
    delays = np.tile([0, 50, 10, 60], 200) * (E9 // 1_000)
    samples["ts"] = NOON_NS + np.repeat(np.arange(200), 4) * E9 + delays
    drawn = np.random.Generator(np.random.PCG64(2)).normal(0, 100 * E9, (200, 4))
    samples["cash"] = samples["realized"] = drawn.cumsum(axis=0).astype(np.int64).ravel()
    samples["cash"][-4:] = samples["realized"][-4:] = 0
    samples["mark"] = UNDEF_PRICE

    def feed(collector: Collector | FiguresCollector, size: int) -> None:
        for at in range(0, len(samples), size):
            collector.add(no_fills(), no_orders(), samples[at : at + size], legs)
        collector.finish(manifest=manifest())

    told = []
    for size in (1, 35, 38, 800):
        path = tmp_path / f"run{size}"
        with Collector(path, "seed: 0\n", row_group_rows=held) as folder:
            feed(folder, size)
        told.append(load_run(path).metrics.to_pylist())
        sizes = pq.ParquetFile(path / "equity.parquet")
        groups = [sizes.metadata.row_group(k).num_rows for k in range(sizes.num_row_groups)]
        assert groups == [held] * (800 // held) + [800 % held] * (800 % held > 0)
        with FiguresCollector(tmp_path / "none", held_rows=held) as figures:
            feed(figures, size)
            mine = [row for row in told[-1] if row["scope"] == "strategy"]
            assert figures.table().to_pylist() == mine
    assert told == told[:1] * len(told)


def test_figures_are_those_of_the_folder_to_the_bit(tmp_path: Path) -> None:
    (fills, orders, samples), legs = busy_day(400, 60 * E9)
    touches = touches_of(samples)
    touches["book"] = int(fills["publisher_id"][0]) << 32 | int(fills["instrument_id"][0])
    options = {
        "markouts": True,
        "initial_capital": 10**15,
        "margins": {legs[0].symbol: ((0, 10**12),)},
    }

    def feed(collector: Collector | FiguresCollector, hours: int) -> None:
        ends = samples["ts"][0] + np.arange(1, 25, hours) * 3600 * E9
        before = -1
        for end in [*ends.tolist(), 2**62]:
            part = [
                rows[(rows[at] > before) & (rows[at] <= end)]
                for rows, at in (
                    (fills, "ts_event"), (orders, "ts_sent"), (samples, "ts"),
                    (touches, "ts_event"),
                )
            ]  # fmt: skip
            collector.add(part[0], part[1], part[2], legs, touches=part[3])
            before = end

    with Collector(tmp_path / "run", "seed: 0\n", row_group_rows=100, **options) as folder:
        feed(folder, 5)
        folder.finish("complete", manifest())
    metrics = load_run(tmp_path / "run").metrics
    wanted = [row for row in metrics.to_pylist() if row["scope"] == "strategy"]
    assert {row["fills"] for row in wanted} == {400}
    assert all(row["markout_1s"] is not None for row in wanted)
    for held, hours in ((50, 1), (1_000_000, 24)):
        with FiguresCollector(tmp_path / "none", held_rows=held, **options) as figures:
            feed(figures, hours)
            figures.finish(manifest())
        assert figures.table().to_pylist() == wanted
    assert not (tmp_path / "none").exists()


def test_books_that_do_not_balance_are_refused_as_ever(tmp_path: Path) -> None:
    (fills, orders, samples), legs = busy_day(20, 600 * E9)
    fills["last_qty"][5] += 1
    with FiguresCollector(tmp_path) as figures:
        figures.add(fills, orders, samples, legs)
        with pytest.raises(SimulationError, match="the books do not balance"):
            figures.finish(manifest())


@pytest.mark.parametrize("high", [10, 2**31, 2**62])
def test_sums_are_exact_however_large(high: int) -> None:
    values = np.random.default_rng(high).integers(-high, high, 1_001)
    assert total(values) == sum(values.tolist())
    assert total_of_squares(values) == sum(v * v for v in values.tolist())
    assert total(np.full(3, 2**63 - 1)) == 3 * (2**63 - 1)


def test_a_spread_is_the_same_in_any_chunks() -> None:
    values = np.random.default_rng(1).integers(-(10**11), 10**11, 999)
    whole, parts = Spread(), Spread()
    whole.add(values)
    for part in np.array_split(values, 7):
        parts.add(part)
    assert whole == parts
    assert whole.deviation == pytest.approx(np.std(values / 1e9, ddof=1), rel=1e-13)
    assert whole.mean == pytest.approx(np.mean(values) / 1e9, rel=1e-13)
