"""Kernels of moving averages that cross: signals of a pair, and many pairs traded in one call."""

from typing import Any

from tapewire.candles._kernels import trade
from tapewire.compiled.jit import jit, jit_entry


@jit_entry
def cross_codes(sums: Any, fast: int, slow: int, above: int, below: int, codes: Any) -> None:
    """Write the codes of one pair; see `crossings`."""
    crossings(sums, fast, slow, above, below, codes)


@jit_entry
def sweep(
    terms: Any, bars: Any, sums: Any, pairs: Any, above: int, below: int, ends: Any,
    words: Any, codes: Any, slots: Any, summaries: Any, trades: Any, equity: Any, daily: Any,
) -> None:  # fmt: skip
    """Trade pairs (m, 2) of lengths one after the other; a summary and a row of days each."""
    for v in range(len(pairs)):
        crossings(sums, pairs[v, 0], pairs[v, 1], above, below, codes)
        trade(
            terms[0], bars, words, codes, ends, slots, summaries[v], trades, equity, daily[v]
        )  # fmt: skip


@jit
def crossings(sums: Any, fast: int, slow: int, above: int, below: int, codes: Any) -> None:
    """Write what each bar says: one code where the fast average goes above the slow one.

    ``sums`` (n + 1,) are running sums of closes in ticks: whole numbers below 2^53, so that
    nothing is rounded. Averages that meet have not crossed yet.
    """
    codes[:] = 0
    of_fast, of_slow = float(slow), float(fast)
    first, last = slow, 0.0
    while first < len(sums) and last == 0.0:
        now = sums[first]
        higher = (now - sums[first - fast]) * of_fast - (now - sums[first - slow]) * of_slow
        last = float((higher > 0.0) - (higher < 0.0))
        first += 1
    # Slices from here on: indices of them are never looked at for being negative.
    ends, fasts, slows = sums[first:], sums[first - fast :], sums[first - slow :]
    told = codes[first - 1 :]
    for k in range(len(ends)):
        now = ends[k]
        higher = (now - fasts[k]) * of_fast - (now - slows[k]) * of_slow
        if higher * last < 0.0:
            last = -last
            told[k] = above if last > 0.0 else below
