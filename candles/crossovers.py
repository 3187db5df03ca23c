"""Moving averages that cross: the signals of one pair, and thousands of pairs in one call."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.candles._crossovers import cross_codes, sweep, tally_crossings
from tapewire.candles.config import BacktestConfig
from tapewire.candles.data import Candles
from tapewire.candles.engine import Played
from tapewire.candles.layout import (
    ENTER_LONG,
    ENTER_SHORT,
    EXIT_LONG,
    EXIT_SHORT,
    SUMMARY,
    TRADE,
)
from tapewire.candles.ranges import average_true_ranges
from tapewire.candles.signals import Codes, room_for_codes, words_of
from tapewire.candles.tallies import Outline, Tallied, can_tally, empty_planes
from tapewire.errors import ConfigError

#: Sums and their products are whole numbers that float64 holds exactly.
_EXACT_MAX: Final = 2**53
_NOTHING: Final = np.empty(0, np.float64)


def crossover_codes(candles: Candles, fast: int, slow: int, *, short: bool = False) -> Codes:
    """Return the signals of two simple moving averages of closes, one byte a bar.

    Enters long where the fast one goes above the slow one, and leaves where it goes below; with
    ``short``, it turns. The averages are compared exactly; that they meet is no crossing.

    Raises
    ------
    ConfigError
        If the lengths are not 1 to n with fast below slow.
    """
    pairs = _checked_pairs(candles, np.array([[fast, slow]]))
    codes = room_for_codes(len(candles))
    above, below = _codes(short)
    fast, slow = pairs[0].tolist()
    cross_codes(_sums(candles), fast, slow, above, below, codes)
    return codes


def sweep_crossovers(
    candles: Candles,
    pairs: Any,
    config: BacktestConfig | None = None,
    *,
    short: bool = False,
    atr: Any = None,
    like: Played | None = None,
    outline: Outline | None = None,
) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64]]:
    """Trade many pairs of lengths of moving averages; nothing is kept of their trades.

    Parameters
    ----------
    candles
        n bars.
    pairs
        Whole numbers (m, 2): fast and slow.
    config
        Assumptions of all of them.
    short
        Turn at each crossing; else long only.
    atr, like
        See `VectorEngine.run` and `Played.of`; None: Wilder's average true ranges, worked out.
    outline
        Of the candles, where it is there already.

    Returns
    -------
    summaries : record array (m,)
        ``SUMMARY`` of `tapewire.candles.layout`.
    daily : float64 (m, d)
        Equity as each session ends.

    Raises
    ------
    ConfigError
        As `crossover_codes`; also if the array is of another shape.
    """
    config = config or BacktestConfig()
    lengths = _checked_pairs(candles, pairs)
    ranges = average_true_ranges(candles, config.atr_periods) if atr is None else atr
    played = Played.of(candles, config, ranges, like=like)
    if can_tally(played.terms):
        tallied = Tallied(played, outline or Outline.of(candles))
        summaries, places, daily = tallied.room(len(lengths))
        tally_crossings(
            played.terms, played.bars, tallied.outline.tables, tallied.leaves, _sums(candles),
            lengths, int(short), played.ends, empty_planes(len(candles)), summaries,
            places, daily,
        )  # fmt: skip
        return summaries, daily
    codes = room_for_codes(len(candles))
    summaries = np.zeros(len(lengths), SUMMARY)
    daily = np.empty((len(lengths), len(played.ends)), np.float64)
    slots = np.zeros(config.max_positions, TRADE)
    above, below = _codes(short)
    sweep(
        played.terms, played.bars, _sums(candles), lengths, above, below, played.ends,
        words_of(codes), codes, slots, summaries, slots[:0], _NOTHING, daily,
    )  # fmt: skip
    return summaries, daily


def _codes(short: bool) -> tuple[int, int]:
    if short:
        return ENTER_LONG | EXIT_SHORT, ENTER_SHORT | EXIT_LONG
    return ENTER_LONG, EXIT_LONG


def _sums(candles: Candles) -> npt.NDArray[np.float64]:
    return np.concatenate((np.zeros(1), np.cumsum(candles.close))).astype(np.float64)


def _checked_pairs(candles: Candles, pairs: Any) -> npt.NDArray[np.int64]:
    found = np.asarray(pairs)
    if found.ndim != 2 or found.shape[1] != 2 or found.dtype.kind not in "iu":
        raise ConfigError(f"pairs: expected whole numbers (m, 2), found shape {found.shape}")
    lengths = np.ascontiguousarray(found, np.int64)
    wrong = (lengths[:, 0] < 1) | (lengths[:, 0] >= lengths[:, 1]) | (lengths[:, 1] > len(candles))
    if wrong.any():
        fast, slow = lengths[int(wrong.argmax())]
        raise ConfigError(
            f"pairs: expected 1 <= fast < slow <= {len(candles)}, found {fast} and {slow}"
        )
    highest = int(np.abs(candles.close).max())
    longest = int(lengths[:, 1].max(initial=1))
    if highest * max(len(candles), longest**2) >= _EXACT_MAX:
        raise ConfigError(
            f"pairs: {len(candles):,} bars of {highest:,} ticks and a length of {longest:,} are "
            "beyond what is computed exactly; state a larger tick_size, or shorter averages"
        )
    return lengths
