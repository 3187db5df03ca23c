"""Returns and trades that vectorbt 1.2.0 gave for crossovers, from the same candles and signals."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tapewire.candles import BacktestConfig, Candles, Distance
from tapewire.candles.crossovers import sweep_crossovers

#: Its ``from_signals`` with ``init_cash=100``: total return and number of trades by pair.
EXPECTED = {
    (2, 5): (
        (0.031004337691240096, 332),
        (-0.46872011632810046, 332),
        (-0.3482263263345354, 331),
        (0.02028738165227395, 332),
    ),
    (3, 8): (
        (0.036946636713780234, 211),
        (-0.3200388889201415, 211),
        (-0.2323686008143372, 211),
        (0.034872964122513964, 211),
    ),
    (5, 20): (
        (-0.012744053113288203, 110),
        (-0.20770860232456242, 110),
        (-0.14730962702351846, 110),
        (-0.012035599757474102, 110),
    ),
    (10, 30): (
        (-0.00905118790694175, 61),
        (-0.12286331137645476, 61),
        (-0.08945720048398882, 61),
        (0.003986563947317876, 61),
    ),
    (20, 60): (
        (0.001676494390249701, 30),
        (-0.05665662232513739, 30),
        (-0.03817633375099476, 30),
        (-0.001579167177929719, 30),
    ),
    (15, 100): (
        (0.018799984034790926, 30),
        (-0.040530327409236545, 30),
        (-0.024059897040720413, 30),
        (0.010761586693440107, 30),
    ),
}
#: What its arguments were, and what they are here.
CONFIGS: list[dict[str, Any]] = [
    {"entry": "close"},
    {"entry": "close", "commission_rate": 0.001},  # fees=0.001
    # price=open, signals a bar later, slippage=0.0005, fees=0.0002
    {"commission_rate": 0.0002, "slippage_bps": 5.0},
    # sl_stop=0.004, tp_stop=0.007
    {
        "entry": "close", "within_bar": "stop_first", "stop_loss": Distance("percent", 0.4),
        "take_profit": Distance("percent", 0.7),
    },
]  # fmt: skip


def candles() -> Candles:
    """3,000 bars of a walk on quarters."""
    draw, n = np.random.Generator(np.random.PCG64(7)), 3_000
    close = 4_000 + np.cumsum(draw.integers(-6, 7, n))
    opened = np.r_[4_000, close[:-1]] + draw.integers(-1, 2, n)
    high = np.maximum(opened, close) + draw.integers(0, 6, n)
    low = np.minimum(opened, close) - draw.integers(0, 6, n)
    prices = [column * 250_000_000 for column in (opened, high, low, close)]
    times = np.arange(n) * 60 * 10**9
    return Candles.of(times, *prices, np.ones(n, np.int64), tick_size=250_000_000)


@pytest.mark.parametrize("which", range(4), ids=["close", "fees", "next open", "stops"])
def test_crossovers_return_what_vectorbt_says(which: int) -> None:
    config = BacktestConfig(initial_balance=100.0, **CONFIGS[which])
    summaries, _ = sweep_crossovers(candles(), list(EXPECTED), config)
    wanted = np.array([row[which] for row in EXPECTED.values()])
    np.testing.assert_allclose(summaries["balance"] / 100 - 1, wanted[:, 0], rtol=0, atol=1e-9)
    np.testing.assert_array_equal(summaries["trades"], wanted[:, 1])


#: Its results of many more pairs: all fasts 5 to 45 by 5 with slows 60 to 600 by 10 at the close,
#: every sixteenth of them otherwise; what was assumed, as above.
MANY = Path(__file__).with_name("vectorbt-crossovers.csv")


@pytest.mark.parametrize(
    ("assumptions", "which", "count"), [("close", 0, 495), ("next open", 2, 31), ("stops", 3, 31)]
)
def test_hundreds_of_crossovers_return_what_vectorbt_says(
    assumptions: str, which: int, count: int
) -> None:
    with MANY.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["assumptions"] == assumptions]
    pairs = [(int(row["fast"]), int(row["slow"])) for row in rows]
    assert len(set(pairs)) == count
    config = BacktestConfig(initial_balance=100.0, **CONFIGS[which])
    summaries, _ = sweep_crossovers(candles(), pairs, config)
    wanted = [float(row["total_return"]) for row in rows]
    np.testing.assert_allclose(summaries["balance"] / 100 - 1, wanted, rtol=0, atol=1e-9)
    assert summaries["trades"].tolist() == [int(row["trades"]) for row in rows]
    assert summaries["trades"].sum() > 2 * count
