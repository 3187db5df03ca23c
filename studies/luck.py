"""What a study's best row is worth, knowing how many were tried: from its blocks, in words, too."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from tapewire.analytics import snooping

if TYPE_CHECKING:
    import pyarrow as pa

_MONEY_UNITS: Final = 1e9
#: Of the draws of the reality check.
_SEED: Final = 1


@dataclass(frozen=True)
class Luck:
    """How much of the best is luck.

    Attributes
    ----------
    trials, blocks
        How many there were.
    deflated_sharpe
        Probability that the best row's Sharpe ratio by block is not the luckiest of all.
    reality_check
        How often luck alone finds a row as good as the best by mean P&L.
    overfitting
        `tapewire.analytics.snooping.Overfitting`.
    why_not
        Why nothing is said.
    """

    trials: int
    blocks: int
    deflated_sharpe: float | None = None
    reality_check: float | None = None
    overfitting: snooping.Overfitting | None = None
    why_not: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)


def returns_of(blocks: "pa.Table") -> tuple[snooping.Returns, list[int], list[int]]:
    """Return net P&L in currency by block and trial, with block starts (ns) and trial numbers.

    A trial without samples in a block made nothing in it; neither did one that was given up before
    it, as far as this says: who judges trials by it has to know of those.

    Parameters
    ----------
    blocks
        ``blocks.parquet``.

    Returns
    -------
    ndarray, list, list
        Shape (blocks, trials).
    """
    import pyarrow as pa

    numbers, at = np.unique(blocks["trial"].to_numpy(), return_inverse=True)
    starts, row = np.unique(blocks["block"].cast(pa.int64()).to_numpy(), return_inverse=True)
    found = np.zeros((len(starts), len(numbers)))
    found[row, at] = blocks["net_pnl"].to_numpy() / _MONEY_UNITS
    return found, starts.tolist(), numbers.tolist()


def luck_of(blocks: "pa.Table", best: int | None, pruned: int = 0) -> Luck:
    """Judge the best row of a study.

    All verdicts ask what each trial made in the same blocks. Nobody knows that of one that was
    given up, and those that are left did well in blocks that they would be judged by.

    Parameters
    ----------
    blocks
        ``blocks.parquet``.
    best
        Its number; None where no row is.
    pruned
        Trials that were given up before the last block.
    """
    returns, starts, numbers = returns_of(blocks)
    count = len(numbers)
    if best is None or best not in numbers:
        return Luck(count, len(starts), why_not="no trial has the objective and keeps all")
    if pruned:
        many = "trial was" if pruned == 1 else "trials were"
        return Luck(
            count,
            len(starts),
            why_not=f"{pruned:,} {many} given up, and what they would have made in later blocks is "
            "what luck is judged by: a study without --prune is judged",
        )
    if len(starts) < snooping.BLOCKS_MIN:
        return Luck(
            count,
            len(starts),
            why_not=f"it takes at least {snooping.BLOCKS_MIN} blocks of P&L, there "
            f"{'is' if len(starts) == 1 else 'are'} {len(starts)}: more days, or shorter blocks "
            "(study.block, --block: minutes)",
        )
    return Luck(
        count,
        len(starts),
        snooping.deflated_sharpe(returns, numbers.index(best)),
        snooping.reality_check(returns, seed=_SEED),
        snooping.overfitting(returns),
    )


def words(luck: Luck) -> list[tuple[str, str, str]]:
    """Return name, value and meaning of each verdict."""
    if luck.why_not:
        return [("Luck", "not judged", luck.why_not)]
    found = []
    if luck.deflated_sharpe is not None:
        meaning = (
            "probability that the best row's Sharpe ratio is more than the luckiest of "
            f"{luck.trials:,} trials would have; above 95 % is usually asked for"
        )
        found.append(("Deflated Sharpe", f"{luck.deflated_sharpe:.1%}", meaning))
    if luck.reality_check is not None:
        meaning = (
            "how often luck alone finds a mean P&L as high among as many; below 5 % is usually "
            "asked for"
        )
        found.append(("Reality check", f"{luck.reality_check:.1%}", meaning))
    if luck.overfitting is not None:
        meaning = (
            "how often the best of one half of the blocks is below the median in the other, over "
            f"{luck.overfitting.halves:,} halves; it loses money there in "
            f"{luck.overfitting.loss_probability:.1%}"
        )
        found.append(("Overfitting", f"{luck.overfitting.probability:.1%}", meaning))
    return found or [("Luck", "not judged", "every block made the same")]
