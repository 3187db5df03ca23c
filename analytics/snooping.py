"""How much of what is best is luck: many were tried, and the best of many looks good.

All of them go by P&L in equal blocks of time, a column for each trial.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tapewire.analytics.metrics.returns import probability_of_sharpe

#: Blocks by trials, in currency.
Returns = NDArray[np.float64]

#: Blocks below which nothing is said.
BLOCKS_MIN: Final = 8
#: Parts that the blocks are cut into to be combined; of 16 there are 12,870 halves.
PARTS: Final = 16
_PARTS_MIN: Final = 4
#: How often blocks are drawn again.
DRAWS: Final = 2_000
_EULER: Final = 0.5772156649015329
_NORMAL: Final = NormalDist()
#: Stands for the ratio of what makes the same in every block.
_ALWAYS: Final = 1e9
#: Halves times trials that are looked at, before blocks are cut into fewer parts.
_WORK_MAX: Final = 20_000_000


def sharpe(returns: Returns) -> NDArray[np.float64]:
    """Return the Sharpe ratio of each trial by block, not annualised; NaN where nothing differs.

    Parameters
    ----------
    returns
        Shape (blocks, trials).
    """
    deviation = returns.std(axis=0, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = returns.mean(axis=0) / deviation
    return np.where(deviation > 0, found, np.nan)


def expected_best(variance: float, trials: float) -> float:
    """Return the Sharpe ratio that the best of some trials has by luck alone.

    The expected largest of `trials` normal numbers of mean 0 and this variance: D. H. Bailey, M.
    Lopez de Prado, "The Deflated Sharpe Ratio", Journal of Portfolio Management 40 (2014).
    """
    if trials <= 1:
        return 0.0
    first = _NORMAL.inv_cdf(1.0 - 1.0 / trials)
    second = _NORMAL.inv_cdf(1.0 - 1.0 / (trials * math.e))
    return math.sqrt(variance) * ((1.0 - _EULER) * first + _EULER * second)


def deflated_sharpe(returns: Returns, best: int) -> float | None:
    """Return the probability that a trial's Sharpe ratio is not that of the luckiest of all.

    `probability_of_sharpe` against `expected_best` of as many trials whose ratios vary as these
    do (Bailey, Lopez de Prado 2014); None for too few blocks, or where nothing differs.

    Parameters
    ----------
    returns
        Shape (blocks, trials).
    best
        Column of the trial.
    """
    ratios = sharpe(returns)
    known = ratios[np.isfinite(ratios)]
    variance = float(known.var(ddof=1)) if known.size > 1 else 0.0
    return deflated_sharpe_of(returns[:, best], variance, known.size)


def deflated_sharpe_of(mine: Returns, variance: float, trials: float) -> float | None:
    """Return the same of one trial, of how many there were and how their ratios vary.

    Parameters
    ----------
    mine
        P&L by block, shape (blocks,).
    variance
        Of the Sharpe ratios by block of all trials.
    trials
        How many were tried.
    """
    found = ratio_and_shape(mine)
    if found is None:
        return None
    luck = expected_best(variance, trials)
    return probability_of_sharpe(found.ratio, len(mine), found.skewness, found.kurtosis, luck)


class RatioAndShape(NamedTuple):
    """Sharpe ratio by block, skewness and kurtosis (3 for normal numbers) of one series."""

    ratio: float
    skewness: float
    kurtosis: float

    def variance(self, blocks: int) -> float:
        """Return how far the ratio of so many blocks varies by chance.

        (1 - skewness x s + (kurtosis - 1) / 4 x s^2) / (n - 1): E. Mertens, "Comments on variance
        of the IID estimator in Lo (2002)", as Bailey and Lopez de Prado (2012) use it.
        """
        s = self.ratio
        return (1 - self.skewness * s + (self.kurtosis - 1) / 4 * s**2) / (blocks - 1)


def ratio_and_shape(mine: Returns) -> RatioAndShape | None:
    """Return how a series is distributed; None for too few blocks, or where nothing differs.

    Parameters
    ----------
    mine
        P&L by block, shape (blocks,).
    """
    centred = mine - mine.mean() if len(mine) else mine
    spread = math.sqrt(float((centred**2).mean())) if len(mine) else 0.0
    if len(mine) < BLOCKS_MIN or not spread > 0:
        return None
    return RatioAndShape(
        float(mine.mean()) / float(mine.std(ddof=1)),
        float((centred**3).mean()) / spread**3,
        float((centred**4).mean()) / spread**4,
    )


def reality_check(returns: Returns, *, seed: int, draws: int = DRAWS) -> float | None:
    """Return how often luck alone finds a trial as good as the best of these.

    H. White, "A Reality Check for Data Snooping", Econometrica 68 (2000), with the stationary
    bootstrap of D. N. Politis, J. P. Romano (1994): the share of draws in which the largest over
    trials of the mean P&L by block, less the trial's own mean, is at least the largest mean that
    was found. Blocks are drawn in stretches of the cube root of their number on average. None for
    too few blocks.

    Parameters
    ----------
    returns
        Shape (blocks, trials).
    seed
        Of the draws.
    """
    blocks = len(returns)
    if blocks < BLOCKS_MIN:
        return None
    means = returns.mean(axis=0)
    best = float(means.max())
    random = np.random.Generator(np.random.PCG64(seed))
    above = 0
    for _ in range(draws):
        weights = np.bincount(stretches(blocks, random), minlength=blocks) / blocks
        above += float((weights @ returns - means).max()) >= best
    return above / draws


def stretches(blocks: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Draw blocks again, in stretches of random length, as many as there are.

    The stationary bootstrap: a stretch ends after each block with probability 1 / m, m being the
    cube root of their number; behind the last block the first follows.
    """
    ends = random.random(blocks) < 1.0 / max(1.0, round(blocks ** (1 / 3)))
    starts = random.integers(0, blocks, blocks)
    ends[0] = True
    begin = np.flatnonzero(ends)
    lengths = np.diff(np.append(begin, blocks))
    offsets = np.arange(blocks) - np.repeat(begin, lengths)
    found: NDArray[np.int64] = (np.repeat(starts[begin], lengths) + offsets) % blocks
    return found


@dataclass(frozen=True)
class Overfitting:
    """What choosing the best of some blocks is worth in the others.

    Attributes
    ----------
    probability
        That the best of one half is no better than the median trial in the other.
    loss_probability
        That it loses money there.
    slope
        Of the Sharpe ratio in the other half over that in the first, of the chosen.
    halves
        How many ways of halving there were.
    """

    probability: float
    loss_probability: float
    slope: float
    halves: int


def overfitting(returns: Returns, parts: int = PARTS) -> Overfitting | None:
    """Return the probability of backtest overfitting, by combining symmetric halves (CSCV).

    D. H. Bailey, J. M. Borwein, M. Lopez de Prado, Q. J. Zhu, "The Probability of Backtest
    Overfitting", Journal of Computational Finance 20 (2017): blocks are cut into parts of equal
    length (what is left over at the end is left out); of each choice of half of them the trial with
    the best Sharpe ratio is looked up in the other half. None for fewer than two trials or too few
    blocks.

    Parameters
    ----------
    returns
        Shape (blocks, trials).
    parts
        At most so many, an even number; fewer where blocks are few.
    """
    blocks, trials = returns.shape
    parts = min(parts, blocks // 2 // 2 * 2)
    while parts > _PARTS_MIN and math.comb(parts, parts // 2) * trials > _WORK_MAX:
        parts -= 2
    if blocks < BLOCKS_MIN or trials < 2 or parts < _PARTS_MIN:
        return None
    size = blocks // parts
    cut = returns[: size * parts].reshape(parts, size, trials)
    sums, squares = cut.sum(axis=1), (cut**2).sum(axis=1)
    below = losing = count = 0
    chosen: list[tuple[float, float]] = []
    everything = frozenset(range(parts))
    for half in itertools.combinations(range(parts), parts // 2):
        other = sorted(everything - set(half))
        inside = _ratios(sums[list(half)], squares[list(half)], size)
        outside = _ratios(sums[other], squares[other], size)
        best = int(np.argmax(inside))
        # Of equals each counts half: the middle rank is what they share.
        rank = (outside < outside[best]).sum() + ((outside == outside[best]).sum() + 1) / 2
        share = rank / (trials + 1)
        below += share <= 0.5
        losing += sums[other][:, best].sum() < 0
        chosen.append((float(inside[best]), float(outside[best])))
        count += 1
    return Overfitting(float(below) / count, float(losing) / count, _slope(chosen), count)


def _ratios(sums: Returns, squares: Returns, size: int) -> NDArray[np.float64]:
    """Return Sharpe ratios by block of some parts; without a difference the mean decides."""
    count = len(sums) * size
    mean = sums.sum(axis=0) / count
    variance = np.maximum(squares.sum(axis=0) - count * mean**2, 0.0) / (count - 1)
    quiet = variance <= 1e-18 * np.maximum(1.0, mean**2)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = mean / np.sqrt(variance)
    found: NDArray[np.float64] = np.where(quiet, np.sign(mean) * _ALWAYS, ratio)
    return found


def _slope(points: Sequence[tuple[float, float]]) -> float:
    x, y = np.array(points).T
    spread = float(((x - x.mean()) ** 2).sum())
    return float(((x - x.mean()) * (y - y.mean())).sum() / spread) if spread > 0 else float("nan")
