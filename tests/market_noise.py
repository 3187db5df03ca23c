"""Bars for tests that no rule can know anything of, made of real ones, and bars that one can."""

import numpy as np

from tapewire.candles import Candles

HOUR_NS = 3_600 * 10**9
MINUTES = 60
#: A Monday, midnight UTC.
_BEGIN_NS = 1_709_510_400 * 10**9


def hours_of_noise(real: Candles, hours: int, seed: int) -> Candles:
    """Hours of sixty moves each, drawn with replacement from those of real minutes.

    A move is the open against the close before, high, low and close against the open, in ticks;
    each one, or the same turned over, so that the bars lead nowhere.
    """
    random = np.random.Generator(np.random.PCG64([seed, hours]))
    drawn = random.integers(1, len(real), (hours, MINUTES))
    sign = random.choice([-1, 1], drawn.shape)
    gap = (real.open[drawn] - real.close[drawn - 1]) * sign
    up, down = real.high - real.open, real.low - real.open
    high = np.where(sign > 0, up[drawn], -down[drawn])
    low = np.where(sign > 0, down[drawn], -up[drawn])
    body = (real.close - real.open)[drawn] * sign
    ended = int(real.close[0]) + np.cumsum((gap + body).ravel()).reshape(drawn.shape)
    opens = ended - body
    return Candles.of(
        _BEGIN_NS + np.arange(hours) * HOUR_NS,
        *(
            one * real.tick_size
            for one in (
                opens[:, 0], (opens + high).max(axis=1), (opens + low).min(axis=1), ended[:, -1]
            )
        ),
        real.volume[drawn].sum(axis=1), tick_size=real.tick_size, interval_ns=HOUR_NS,
        symbol="NOISE",
    )  # fmt: skip


def hours_with_trends(hours: int, seed: int, *, stays: int = 60, drift: float = 0.35) -> Candles:
    """Hours whose drift keeps its direction for a while: what rose lately goes on to rise.

    Moves are normal numbers of deviation 8 ticks, their mean is so many deviations up or down, and
    turns round after each hour with probability 1 / `stays`.
    """
    random = np.random.Generator(np.random.PCG64([seed, hours]))
    turns = np.where(random.random(hours) < 1 / stays, -1, 1)
    moves = np.rint(8 * (random.normal(size=hours) + drift * np.cumprod(turns))).astype(np.int64)
    close = 20_000 + np.cumsum(moves)
    opened = close - moves
    beyond = random.integers(0, 6, (2, hours))
    return Candles.of(
        _BEGIN_NS + np.arange(hours) * HOUR_NS,
        *(
            one * 250_000_000
            for one in (
                opened, np.maximum(opened, close) + beyond[0],
                np.minimum(opened, close) - beyond[1], close,
            )
        ),
        np.ones(hours, np.int64), tick_size=250_000_000, interval_ns=HOUR_NS, symbol="TRENDS",
    )  # fmt: skip
