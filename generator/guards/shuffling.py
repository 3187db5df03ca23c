"""Bars without memory: the moves of real ones in another order, from a bar on.

On such bars no rule can know anything, yet they rise or fall as much in all, and their moves are as
large: what a strategy earns on many of them is what it earns by luck.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tapewire.candles import Candles
from tapewire.errors import InputError


def shuffled_bars(candles: Candles, first: int, random: np.random.Generator) -> Candles:
    """Return bars whose moves from one on are in another order; the ones before stay.

    A bar's move is its open over the close before, and high, low and close over its open, as
    ratios; they stay together, with its volume. The times stay. The last close is the same but for
    rounding to ticks.

    Parameters
    ----------
    candles
        Prices above 0.
    first
        Place of the first bar whose move may stand elsewhere; if it is 0, its open is where the
        bars begin.
    random
        Draws the order.

    Raises
    ------
    InputError
        If a price is not above 0.
    """
    order = first + random.permutation(len(candles) - first)
    return reordered_bars(candles, first, order)


def reordered_bars(candles: Candles, first: int, order: NDArray[np.int64]) -> Candles:
    """Return the same in a stated order: places of bars, shape (n - first,), from `first` on."""
    require_positive(candles)
    logs = [np.log(one.astype(np.float64)) for one in _prices(candles)]
    at_open, at_high, at_low, at_close = logs
    before = np.concatenate((at_open[:1], at_close[:-1]))
    gap = (at_open - before)[order]
    begin = at_close[first - 1] if first else at_open[0]
    ended = begin + np.cumsum(gap + (at_close - at_open)[order])
    opens = np.concatenate(([begin], ended[:-1])) + gap
    above, below = (at_high - at_open)[order], (at_low - at_open)[order]
    moved = (opens, opens + above, opens + below, ended)
    columns = [
        np.concatenate((kept[:first], _as_prices(np.exp(one), kept.dtype)))
        for kept, one in zip(_prices(candles), moved, strict=True)
    ]
    opened, _, _, close = columns
    # A close is a running sum, a high is its open and a move: they may round apart.
    high, low = np.maximum.reduce(columns), np.minimum.reduce(columns)
    volume = np.concatenate((candles.volume[:first], candles.volume[order]))
    return Candles(
        candles.ts_event, opened, high, low, close, volume, candles.tick_size, candles.interval_ns,
        candles.symbol, candles.counts,
    )  # fmt: skip


def _as_prices(found: NDArray[np.float64], kind: np.dtype[Any]) -> NDArray[Any]:
    """Return prices of the type of the real ones: whole ticks, 1 at least, or any numbers."""
    if kind.kind == "f":
        return found
    ticks: NDArray[Any] = np.maximum(1, np.rint(found).astype(kind))
    return ticks


def require_positive(candles: Candles) -> None:
    """Refuse bars whose moves are no ratios.

    Raises
    ------
    InputError
        Naming the bar of the lowest price, if that is not above 0.
    """
    row = int(candles.low.argmin())
    if candles.low[row] <= 0:
        raise InputError(
            f"{candles.symbol or 'candles'}: row {row}: expected prices above 0, of which moves "
            f"are ratios, found {candles.price(candles.low[row])}"
        )


def _prices(candles: Candles) -> tuple[NDArray[np.int64], ...]:
    return candles.open, candles.high, candles.low, candles.close
