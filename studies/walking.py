"""Walk-forward: what was best until then, held against what it made afterwards.

A trial does not change with what is decided about it, so one study has all there is to know: each
window chooses by the P&L of its blocks and is told the P&L of later ones. What is held over the
border of a window stays held, as it would.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from tapewire.analytics.snooping import Returns, sharpe
from tapewire.errors import ConfigError

#: What a window may choose by, from P&L by block.
SCORES: Final = ("net_pnl", "sharpe", "max_drawdown")
_SHARPE_BLOCKS_MIN: Final = 2
_LAST: Final = -1e300


@dataclass(frozen=True)
class Windows:
    """How blocks are cut into windows.

    Attributes
    ----------
    train, test
        Blocks to choose by, and to be told of.
    anchored
        All blocks from the first on are chosen by, not the last `train` of them.
    purge
        Blocks left out between the two: what was held in the ones may end in the others.
    embargo
        Blocks after each test that no later window chooses by.
    """

    train: int
    test: int
    anchored: bool = False
    purge: int = 0
    embargo: int = 0

    def __post_init__(self) -> None:
        for name in ("train", "test"):
            if getattr(self, name) < 1:
                raise ConfigError(f"--{name}: expected at least 1, found {getattr(self, name)}")
        for name in ("purge", "embargo"):
            if getattr(self, name) < 0:
                raise ConfigError(f"--{name}: expected at least 0, found {getattr(self, name)}")

    def of(self, blocks: int) -> list[tuple[list[int], list[int]]]:
        """Return the blocks of each window: to choose by, and to be told of.

        Raises
        ------
        ConfigError
            If there is no window in so many blocks.
        """
        found = []
        barred: set[int] = set()
        begin = self.train + self.purge
        while begin + self.test <= blocks:
            end = begin - self.purge
            first = 0 if self.anchored else end - self.train
            train = [k for k in range(first, end) if k not in barred]
            tested = list(range(begin, begin + self.test))
            if train:
                found.append((train, tested))
            begin += self.test
            barred |= set(range(begin, begin + self.embargo))
        if not found:
            raise ConfigError(
                f"expected at least {self.train + self.purge + self.test} blocks for --train "
                f"{self.train}, --purge {self.purge} and --test {self.test}, found {blocks}"
            )
        return found


@dataclass(frozen=True)
class Step:
    """One window: what it chose, and what that made.

    Attributes
    ----------
    train_from, train_to, test_from, test_to
        Begins of the first and last block of each, ns.
    trial
        What was chosen.
    score
        By what it was.
    in_sample, out_of_sample
        Net P&L of the chosen, in currency, over the blocks of each.
    rank
        Place of the chosen by P&L among all in the blocks after, 1 being the best.
    """

    train_from: int
    train_to: int
    test_from: int
    test_to: int
    trial: int
    score: float
    in_sample: float
    out_of_sample: float
    rank: int


@dataclass(frozen=True)
class Walk:
    """Windows of one study, one after the other.

    Attributes
    ----------
    steps
        Each window.
    blocks
        Begins of the blocks that were tested, ns.
    returns
        Net P&L of the chosen in each of them, in currency.
    efficiency
        P&L by block out of sample over that in sample; None where there was none in sample.
    changes
        How often the next window chose another trial.
    trials
        How many there were to choose from.
    """

    steps: tuple[Step, ...]
    blocks: tuple[int, ...]
    returns: tuple[float, ...]
    efficiency: float | None
    changes: int
    trials: int

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


def walk(
    returns: Returns,
    starts: Sequence[int],
    numbers: Sequence[int],
    windows: Windows,
    by: str,
    kept: Mapping[int, bool] | None = None,
) -> Walk:
    """Choose the best of each window's blocks; say what it made in the blocks after.

    Parameters
    ----------
    returns
        Net P&L in currency, shape (blocks, trials).
    starts
        Begin of each block, ns.
    numbers
        Trial of each column. Of equals the first is chosen.
    windows
        How blocks are cut.
    by
        One of `SCORES`.
    kept
        Trials that may be chosen, by number; all, if it is not given.

    Raises
    ------
    ConfigError
        If there is no window, or none may be chosen.
    """
    may = np.array([kept is None or kept.get(number, False) for number in numbers])
    if not may.any():
        raise ConfigError("expected a trial to choose, found none that keeps all constraints")
    steps: list[Step] = []
    blocks: list[int] = []
    made: list[float] = []
    inside = 0.0
    trained = 0
    for train, tested in windows.of(len(starts)):
        scores = np.where(may, _scores(returns[train], by), -np.inf)
        chosen = int(np.argmax(scores))
        after = returns[tested].sum(axis=0)
        before = float(returns[train][:, chosen].sum())
        inside += before
        trained += len(train)
        steps.append(
            Step(
                int(starts[train[0]]), int(starts[train[-1]]), int(starts[tested[0]]),
                int(starts[tested[-1]]), int(numbers[chosen]), float(scores[chosen]), before,
                float(after[chosen]), 1 + int((after > after[chosen]).sum()),
            )
        )  # fmt: skip
        blocks += [int(starts[k]) for k in tested]
        made += returns[tested][:, chosen].tolist()
    efficiency = None
    if inside:
        efficiency = (sum(made) / len(made)) / (inside / trained)
    changes = sum(a.trial != b.trial for a, b in itertools.pairwise(steps))
    return Walk(tuple(steps), tuple(blocks), tuple(made), efficiency, changes, len(numbers))


def _scores(returns: Returns, by: str) -> Returns:
    """Return how good each trial is over some blocks, more being better."""
    if by == "net_pnl":
        total: Returns = returns.sum(axis=0)
        return total
    if by == "sharpe":
        if len(returns) < _SHARPE_BLOCKS_MIN:
            raise ConfigError(
                f"--train: expected at least {_SHARPE_BLOCKS_MIN} blocks with --by sharpe, found "
                f"{len(returns)}"
            )
        # What never differs comes behind all that do.
        found: Returns = np.nan_to_num(sharpe(returns), nan=_LAST)
        return found
    if by == "max_drawdown":
        sums = np.cumsum(returns, axis=0)
        highs = np.maximum.accumulate(np.maximum(sums, 0.0), axis=0)
        drawdown: Returns = -(highs - sums).max(axis=0)
        return drawdown
    raise ConfigError(f"--by: expected one of {', '.join(SCORES)}, found {by!r}")
