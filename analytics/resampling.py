"""A series drawn again and again: blocks of it with replacement, or its order shuffled.

Neighbours of a series hang together (a losing streak, a day's trend), so stretches of it are drawn,
not single values. Each draw depends on the seed and its number alone.
"""

import math
from collections.abc import Callable, Iterator
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Places = NDArray[np.int64]
Scheme = Literal["stationary", "circular", "shuffle"]

#: Values below which nothing is drawn.
VALUES_MIN: Final = 8
#: Points of a path that are kept of each draw.
PATH_POINTS: Final = 121
#: Autocorrelations in a row that have to be as good as none (Politis, White 2004: K_N, c).
_QUIET_MIN: Final = 5
_QUIET: Final = 2.0


def block_length(values: Floats, scheme: Scheme) -> float:
    """Return the length of blocks that the bootstrap of a mean is best with.

    D. N. Politis, H. White, "Automatic Block-Length Selection for the Dependent Bootstrap",
    Econometric Reviews 23 (2004), as corrected by A. Patton, D. N. Politis, H. White (28, 2009):
    (2 G^2 / D)^(1/3) n^(1/3), with G = sum of w(k/M) |k| R(k) and g = sum of w(k/M) R(k) over lags
    from -M to M, w being 1 up to a half and falling to 0 at 1, R the autocovariance, and D = 2 g^2
    for the stationary bootstrap, 4/3 g^2 for the circular one. M is twice the first lag of
    max(5, root of log10 n) in a row whose autocorrelations are below 2 root(log10 n / n), as the
    authors' own program has it. At least 1, at most 3 root n and n / 3.

    Parameters
    ----------
    values
        Shape (n,).
    scheme
        ``stationary`` (the mean length) or ``circular`` (the length, to be rounded).
    """
    n = len(values)
    centred = values - values.mean()
    if n < 2 or not centred.any():
        return 1.0
    lags = min(n - 1, math.ceil(math.sqrt(n)) + _QUIET_MIN)
    r = np.array([centred[k:] @ centred[: n - k] for k in range(lags + 1)]) / n
    quiet = np.abs(r) < _QUIET * math.sqrt(math.log10(n) / n) * r[0]
    row = max(_QUIET_MIN, math.ceil(math.sqrt(math.log10(n))))
    first = next((m for m in range(1, lags - row + 2) if quiet[m : m + row].all()), lags)
    window = min(2 * first, lags)
    k = np.arange(1, window + 1)
    weights = np.minimum(1.0, 2.0 * (1.0 - k / window))
    spread = 2.0 * float((weights * k * r[1 : window + 1]).sum())
    long_run = float(r[0] + 2.0 * (weights * r[1 : window + 1]).sum())
    most = max(1.0, math.ceil(min(3.0 * math.sqrt(n), n / 3.0)))
    if long_run == 0.0:
        return most
    divisor = (2.0 if scheme == "stationary" else 4.0 / 3.0) * long_run**2
    return float(min(max(1.0, (2.0 * spread**2 / divisor * n) ** (1.0 / 3.0)), most))


def places(n: int, scheme: Scheme, length: float, random: np.random.Generator) -> Places:
    """Draw the places of one series, shape (n,), each from 0 to n - 1.

    ``stationary`` (Politis, Romano 1994): a block ends behind each value with probability
    1 / `length`. ``circular`` (Politis, Romano 1992): blocks of the rounded `length`, the last cut
    off. In both a block begins anywhere, and behind the last value the first follows. ``shuffle``
    is every value once, in any order.
    """
    if scheme == "shuffle":
        return random.permutation(n)
    if scheme == "circular":
        size = min(max(1, round(length)), n)
        starts = random.integers(0, n, -(-n // size))
        found: Places = (starts[:, None] + np.arange(size)).ravel()[:n] % n
        return found
    begins = random.random(n) * length < 1.0
    begins[0] = True
    begin = np.flatnonzero(begins)
    lengths = np.diff(begin, append=n)
    starts = random.integers(0, n, len(begin))
    drawn: Places = (np.repeat(starts - begin, lengths) + np.arange(n)) % n
    return drawn


def draws(
    values: Floats, scheme: Scheme, length: float, count: int, seed: int, purpose: int
) -> Iterator[Floats]:
    """Yield `count` series drawn again, each of the length of `values`.

    Parameters
    ----------
    purpose
        Tells draws of one seed for different ends from one another.
    """
    for number in range(count):
        random = np.random.Generator(np.random.PCG64([seed, purpose, number]))
        yield values[places(len(values), scheme, length, random)]


def drawdown(values: Floats) -> float:
    """Return the largest fall of the running sum from its high so far, which begins at 0."""
    path = np.cumsum(values)
    high = np.maximum.accumulate(np.maximum(path, 0.0))
    return float((high - path).max(initial=0.0))


def losses_in_a_row(values: Floats) -> float:
    """Return the most values below 0 in a row."""
    edges = np.diff(np.concatenate(([0], (values < 0).astype(np.int8), [0])))
    begins, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return float((ends - begins).max(initial=0))


def profit_factor(values: Floats) -> float:
    """Return what was won over what was lost; NaN where nothing was lost."""
    lost = -float(values[values < 0].sum())
    return float(values[values > 0].sum()) / lost if lost > 0 else math.nan


def sharpe_by_value(values: Floats) -> float:
    """Return mean over sample standard deviation, not annualised; NaN where nothing differs."""
    deviation = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return float(values.mean()) / deviation if deviation > 0 else math.nan


Figure = Callable[[Floats], float]
#: What is told of trades, by the names of metrics; money in currency.
TRADE_FIGURES: Final[dict[str, Figure]] = {
    "net_pnl": lambda v: float(v.sum()),
    "max_drawdown": drawdown,
    "avg_trade_pnl": lambda v: float(v.mean()),
    "win_rate": lambda v: float((v > 0).mean()),
    "profit_factor": profit_factor,
    "largest_loss": lambda v: max(0.0, -float(v.min())),
    "max_consecutive_losses": losses_in_a_row,
}
#: What an order of trades changes.
ORDER_FIGURES: Final[dict[str, Figure]] = {
    name: TRADE_FIGURES[name] for name in ("max_drawdown", "max_consecutive_losses")
}
#: What is told of blocks of time.
BLOCK_FIGURES: Final[dict[str, Figure]] = {
    "net_pnl": lambda v: float(v.sum()),
    "max_drawdown": drawdown,
    "sharpe_by_block": sharpe_by_value,
    "winning_blocks": lambda v: float((v > 0).mean()),
    "worst_block": lambda v: float(v.min()),
}


def path_places(n: int) -> Places:
    """Return after how many values a path is looked at: 0, n, and evenly between."""
    return np.unique(np.linspace(0, n, min(n + 1, PATH_POINTS)).round().astype(np.int64))


def resampled(
    values: Floats,
    figures: dict[str, Figure],
    scheme: Scheme,
    length: float,
    count: int,
    seed: int,
    purpose: int,
) -> tuple[dict[str, Floats], Floats]:
    """Draw a series again; return figures of each draw, and its running sum.

    Returns
    -------
    dict, ndarray
        Figures by name, shape (count,), and sums at `path_places`, shape (count, points).
    """
    at = path_places(len(values))
    told = {name: np.empty(count) for name in figures}
    paths = np.empty((count, len(at)))
    for k, drawn in enumerate(draws(values, scheme, length, count, seed, purpose)):
        for name, figure in figures.items():
            told[name][k] = figure(drawn)
        paths[k] = np.concatenate(([0.0], np.cumsum(drawn)))[at]
    return told, paths
