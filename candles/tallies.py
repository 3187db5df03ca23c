"""Backtests of which only sums are wanted: candles and signals as the quick kernel takes them."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from tapewire.candles._bits import pack_codes
from tapewire.candles._outline import draw_outline
from tapewire.candles._tallies import tally_all
from tapewire.candles.data import Candles
from tapewire.candles.engine import Played
from tapewire.candles.layout import (
    BARS_PER_BITS,
    LEAVE_AT_CLOSE,
    LEAVE_AT_OPEN,
    PLACE,
    PLANES,
    SUMMARY,
)
from tapewire.candles.signals import Codes, words_of

Planes = npt.NDArray[np.int64]

#: What the quick kernel knows of terms; it takes those that ask for nothing else.
_KNOWN: Final = (
    "initial", "tick_value", "commission_rate", "commission_per_unit", "slippage", "quantity",
    "sizing", "whole_units", "max_positions", "entry", "within_bar", "stop_kind", "stop",
    "target_kind", "target",
)  # fmt: skip


def can_tally(terms: npt.NDArray[Any]) -> bool:
    """Whether the quick kernel is for these terms: one position at a time, plain exits."""
    others = [name for name in terms.dtype.names or () if name not in _KNOWN]
    return bool((terms["max_positions"] == 1).all()) and not any(
        terms[name].any() for name in others
    )


@dataclass(frozen=True)
class Outline:
    """Extremes of eight and of 64 bars of some candles: made once, shared by threads.

    Attributes
    ----------
    tables : tuple of float64 (4, k)
        Rows: lowest low, highest high, lowest and highest close, in ticks.
    """

    tables: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]

    @classmethod
    def of(cls, candles: Candles) -> Self:
        """Look at candles once."""
        n = len(candles)
        few, many = (np.empty((4, -(-n // size) + 8)) for size in (8, 64))
        draw_outline(candles.high, candles.low, candles.close, few, many)
        return cls((few, many))


@dataclass(frozen=True)
class Tallied:
    """Candles under one configuration, as the quick kernel takes them.

    Attributes
    ----------
    played : Played
    outline : Outline
    """

    played: Played
    outline: Outline

    @cached_property
    def leaves(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Bars at whose open, and at whose close, the clock ends positions; then n."""
        marks, n = self.played.bars[4], len(self.played.bars[0])
        at_open, at_close = (
            np.append(np.flatnonzero(marks & code), n) for code in (LEAVE_AT_OPEN, LEAVE_AT_CLOSE)
        )
        return at_open, at_close

    def room(
        self, count: int
    ) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[np.float64]]:
        """Return summaries (count,), places (count,) and days (count, d) to be written."""
        daily = np.empty((count, len(self.played.ends)))
        return np.zeros(count, SUMMARY), np.zeros(count, PLACE), daily


def planes_of(codes: Codes) -> Planes:
    """Return signals as bits: entries, the long ones, long exits, short exits (4, words)."""
    planes = empty_planes(len(codes))
    pack_codes(words_of(codes), planes)
    return planes


def empty_planes(n: int) -> Planes:
    """Return bits of n bars, all clear, shape (4, words)."""
    return np.zeros((PLANES, -(-n // BARS_PER_BITS)), np.int64)


def tally_planes(
    tallied: Tallied, planes: Planes, terms: npt.NDArray[Any] | None = None
) -> tuple[npt.NDArray[Any], npt.NDArray[np.float64]]:
    """Trade the same signals under each of some terms; nothing is kept of the trades.

    Parameters
    ----------
    tallied
        Candles of n bars.
    planes
        Signals, see `planes_of`.
    terms : record array (v,), optional
        By default, the one of the configuration. `can_tally` says whether they can be taken.

    Returns
    -------
    summaries : record array (v,)
    daily : float64 (v, d)
        Equity as each session ends.
    """
    played = tallied.played
    asked = played.terms if terms is None else terms
    summaries, places, daily = tallied.room(len(asked))
    tally_all(
        asked, played.bars, tallied.outline.tables, planes, tallied.leaves, played.ends, summaries,
        places, daily,
    )  # fmt: skip
    return summaries, daily
