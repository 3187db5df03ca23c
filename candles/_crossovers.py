"""Kernels of moving averages that cross: signals of a pair, and many pairs traded in one call."""

from typing import Any

from numba.cpython.unsafe.numbers import trailing_zeros

from tapewire.candles._kernels import trade
from tapewire.candles._tallies import tally
from tapewire.candles.layout import BARS_PER_BITS
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


@jit_entry
def tally_crossings(
    terms: Any, bars: Any, outline: Any, leaves: Any, sums: Any, pairs: Any, short: int, ends: Any,
    planes: Any, summaries: Any, places: Any, daily: Any,
) -> None:  # fmt: skip
    """Trade pairs (m, 2) as `sweep` does, of sums alone: see `tapewire.candles._tallies`.

    ``planes`` (4, words) is room for the bits of one pair; ``short``: 1 turns at each crossing.
    """
    above, below = planes[1], planes[2]
    for v in range(len(pairs)):
        _cross_bits(sums, pairs[v, 0], pairs[v, 1], above, below)
        for k in range(len(above)):
            planes[0, k] = above[k] | below[k] if short else above[k]
            planes[3, k] = above[k] if short else 0
        tally(
            terms[0], bars, outline, planes, planes, leaves, ends, summaries[v], places[v],
            daily[v], 0, len(sums) - 1,
        )  # fmt: skip


@jit
def _cross_bits(sums: Any, fast: int, slow: int, above: Any, below: Any) -> None:
    """Set the bits of bars at which the fast average goes above the slow one, and below it.

    A word at a time: where it is higher and where lower, then only changes of that.
    """
    n = len(sums) - 1
    of_fast, of_slow = float(slow), float(fast)
    above[:] = 0
    below[:] = 0
    last = 0
    for at in range((slow - 1) // BARS_PER_BITS, len(above)):
        first = max(at * BARS_PER_BITS, slow - 1)
        stop = min((at + 1) * BARS_PER_BITS, n)
        ends, fasts, slows = (
            sums[first + 1 : stop + 1],
            sums[first + 1 - fast :],
            sums[first + 1 - slow :],
        )
        high, low = 0, 0
        for k in range(len(ends)):
            now = ends[k]
            higher = (now - fasts[k]) * of_fast - (now - slows[k]) * of_slow
            high |= (1 if higher > 0.0 else 0) << k
            low |= (1 if higher < 0.0 else 0) << k
        shift = first - at * BARS_PER_BITS
        high <<= shift
        low <<= shift
        if last == 0:
            if high | low == 0:
                continue
            start = min(trailing_zeros(high), trailing_zeros(low))
            last = 1 if (high >> start) & 1 else -1
        while True:
            other = low if last > 0 else high
            if other == 0:
                break
            place = trailing_zeros(other)
            bit = 1 << place
            # Nothing before it counts any more.
            high &= -bit
            low &= -bit
            if last > 0:
                below[at] |= bit
            else:
                above[at] |= bit
            last = -last
