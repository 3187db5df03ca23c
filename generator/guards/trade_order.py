"""The same trades in another order: how deep they might have fallen, how often to ruin."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class OrderSpread:
    """What other orders of a strategy's closed trades come to.

    Attributes
    ----------
    drawdown
        A quantile of the largest fall of equity from its high, as a share of the high.
    ruin
        Share of orders in which equity falls so far below its begin that it counts as ruin.
    """

    drawdown: float
    ruin: float


def order_spread(
    pnl: Floats,
    initial: float,
    *,
    compounding: bool,
    draws: int,
    seed: int,
    quantile: float = 0.95,
    ruin_loss: float = 0.5,
) -> OrderSpread:
    """Draw orders of closed trades, each as likely as any.

    Parameters
    ----------
    pnl
        Net P&L of each trade in the order they closed, currency, shape (n,).
    initial
        Balance before the first.
    compounding
        Sizes follow the balance: what is drawn is each trade's result as a share of the balance
        before it, else its P&L itself.
    draws
        Orders.
    seed
        Of the draws; each depends on it and its number alone.
    quantile
        Of `OrderSpread.drawdown`.
    ruin_loss
        Share of `initial` that is lost where it is ruin.
    """
    values = pnl
    if compounding:
        before = initial + np.concatenate(([0.0], np.cumsum(pnl)[:-1]))
        if not (before > 0).all():
            return OrderSpread(1.0, 1.0)
        values = pnl / before
    falls = np.empty(draws)
    ruined = 0
    for number in range(draws):
        random = np.random.Generator(np.random.PCG64([seed, number]))
        fall, least = fall_and_least(random.permutation(values), initial, compounding=compounding)
        falls[number] = fall
        ruined += least <= initial * (1 - ruin_loss)
    return OrderSpread(float(np.quantile(falls, quantile)), ruined / draws)


def fall_and_least(values: Floats, initial: float, *, compounding: bool) -> tuple[float, float]:
    """Return the largest fall from a high, as a share of it, and the least equity, of one order."""
    if compounding:
        path = initial * np.cumprod(np.maximum(0.0, 1.0 + values))
    else:
        path = initial + np.cumsum(values)
    high = np.maximum.accumulate(np.maximum(path, initial))
    return float(((high - path) / high).max(initial=0.0)), float(path.min(initial=initial))
