"""Bars for tests: random walks on a tick grid."""

from typing import Any

import numpy as np

from tapewire.candles.columns import BarColumns

MINUTE_NS = 60 * 10**9


def walk(n: int, seed: int, *, start: int = 4_000, move: int = 2, unit: float = 1.0) -> BarColumns:
    """Bars of whole ticks: many of them equal, some without volume, a session per 50."""
    rng = np.random.default_rng(seed)
    close = start + np.cumsum(rng.integers(-move, move + 1, n))
    opening = np.concatenate((close[:1], close[:-1])) + rng.integers(-1, 2, n)
    high = np.maximum(opening, close) + rng.integers(0, 2, n)
    low = np.minimum(opening, close) - rng.integers(0, 2, n)
    return BarColumns.of(
        np.arange(n) * MINUTE_NS, opening, high, low, close, rng.integers(0, 9, n),
        session=np.arange(n) // 50, price_unit=unit,
    )  # fmt: skip


def bars_of(close: Any, **columns: Any) -> BarColumns:
    """Bars of which the closes matter, and what else is given."""
    close = np.asarray(close, float)
    given = {name: columns.get(name, close) for name in ("open", "high", "low")}
    volume = columns.get("volume", np.ones(len(close)))
    return BarColumns.of(
        np.arange(len(close)) * MINUTE_NS, **given, close=close, volume=volume,
        session=columns.get("session"),
    )  # fmt: skip
