"""Kernels of the elephant bar: what bars are measured by, which are ones, many exits of them."""

from typing import Any

import numpy as np

from tapewire.candles._kernels import trade
from tapewire.candles._tallies import TILE, tally
from tapewire.candles.layout import BARS_PER_BITS
from tapewire.compiled.jit import jit_entry


@jit_entry
def bodies(
    opens: Any, highs: Any, lows: Any, closes: Any, up: int, down: int, spans: Any, shadows: Any,
    sides: Any,
) -> None:  # fmt: skip
    """Write each bar's amplitude, the share of it that is shadow, and the code of its direction."""
    for i in range(len(closes)):
        span, body = float(highs[i]) - float(lows[i]), float(closes[i]) - float(opens[i])
        spans[i] = span
        shadows[i] = (span - abs(body)) / span if span > 0.0 else 1.0
        sides[i] = 0
        if body != 0.0:
            sides[i] = up if body > 0.0 else down


@jit_entry
def to_mean(values: Any, lookback: int, out: Any) -> None:
    """Write how many times the mean of the last values each is, that one included.

    NaN until there are enough; 0 where all of them are 0. Whole numbers sum up exactly.
    """
    total = 0.0
    for i in range(len(values)):
        value = float(values[i])
        total += value
        if i >= lookback:
            total -= float(values[i - lookback])
        out[i] = float("nan")
        if i >= lookback - 1:
            out[i] = value * lookback / total if total > 0.0 else 0.0


@jit_entry
def elephants(
    spans: Any, volumes: Any, shadows: Any, sides: Any, minutes: Any, p: Any, codes: Any
) -> None:
    """Write what each bar says: ``spans`` and ``volumes`` are in means; see `to_mean`."""
    q = p[0]
    span_min, volume_min, shadow_max = q.amplitude, q.volume, q.shadow
    start, end = q.start, q.end
    codes[:] = 0
    for i in range(len(codes)):
        if spans[i] >= span_min and shadows[i] <= shadow_max and volumes[i] >= volume_min:
            after, before = minutes[i] >= start, minutes[i] < end
            inside = (after and before) if start < end else (after or before)
            if inside or start == end:
                codes[i] = sides[i]


@jit_entry
def trade_exits(
    terms: Any, bars: Any, words: Any, codes: Any, ends: Any, slots: Any, summaries: Any,
    trades: Any, equity: Any, daily: Any,
) -> None:  # fmt: skip
    """Trade the same signals under several terms (v,): a summary and a row of days each."""
    for v in range(len(terms)):
        trade(
            terms[v], bars, words, codes, ends, slots, summaries[v], trades, equity, daily[v]
        )  # fmt: skip


@jit_entry
def tally_elephants(
    terms: Any, bars: Any, outline: Any, leaves: Any, ends: Any, conditions: Any, picked: Any,
    rose: Any, fell: Any, planes: Any, summaries: Any, places: Any, daily: Any,
) -> None:  # fmt: skip
    """Trade variants (v,), of sums alone: see `tapewire.candles._tallies`.

    ``conditions`` (c, words) are bits of bars; a signal is a bar for which all those hold that a
    row of ``picked`` (v, p) names. Rows that are alike, one after the other, share them.
    ``planes`` (4, words) has no exits; there is room for the entries of a tile in ``told``.
    """
    n = len(bars[0])
    told = np.zeros((2, TILE // BARS_PER_BITS), np.int64)
    for start in range(0, n, TILE):
        stop, word = min(start + TILE, n), start // BARS_PER_BITS
        words = min(told.shape[1], planes.shape[1] - word)
        for v in range(len(terms)):
            if v == 0 or (picked[v] != picked[v - 1]).any():
                for k in range(words):
                    held = rose[word + k] | fell[word + k]
                    for place in picked[v]:
                        held &= conditions[place, word + k]
                    told[0, k] = held
                    told[1, k] = held & rose[word + k]
            tally(
                terms[v], bars, outline, planes, told[:, :words], leaves, ends, summaries[v],
                places[v], daily[v], start, stop,
            )  # fmt: skip
