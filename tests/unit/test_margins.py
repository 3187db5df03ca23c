"""What positions take as margin, at its most, by hand."""

import numpy as np
import pytest

from analytics_rows import FakeLeg
from tapewire.analytics.margins import MarginPeaks

#: Leg, lots bought (sold: negative), and the position after it.
FILLS = [
    (0, 2, 2),  # a: 2 x 10
    (1, -1, -1),  # a: 20 + 1 x 7
    (2, 3, 3),  # b: 3 x 10; all: 57
    (0, -3, -1),  # through zero: a: 10 + 7; all: 47
    (2, -3, 0),  # b: nothing; all: 17
    (1, -4, -5),  # a: 10 + 35; all: 45
    (3, 9, 9),  # no margin is known
]


def take(peaks: MarginPeaks, fills: list[tuple[int, int, int]], chunk: int = 100) -> None:
    """Fills one after the other, a nanosecond apart from 1 on."""
    leg, signed, position = np.array(fills, np.int64).T
    ts = np.arange(1, len(fills) + 1)
    more = np.abs(position) - np.abs(position - signed)
    for at in range(0, len(fills), chunk):
        some = slice(at, at + chunk)
        peaks.add(leg[some], more[some], ts[some])


@pytest.mark.parametrize("chunk", [1, 3, 7])
def test_margin_of_legs_strategies_and_all_fill_by_fill(chunk: int) -> None:
    legs = [
        FakeLeg(0, "a", symbol="X"), FakeLeg(1, "a", symbol="Y"), FakeLeg(2, "b", symbol="X"),
        FakeLeg(3, "c", symbol="Z"), FakeLeg(4, "d", symbol="X"),
    ]  # fmt: skip
    peaks = MarginPeaks(legs, {"X": [(0, 10)], "Y": [(0, 7)], "unknown": [(0, 5)]})
    take(peaks, FILLS, chunk)
    assert [peaks.of_leg(k) for k in range(5)] == [20, 35, 30, None, 0]
    assert [peaks.of_strategy(name) for name in "abcd"] == [45, 30, None, 0]
    assert peaks.total() == 57


def test_without_margins_there_is_nothing_to_say() -> None:
    peaks = MarginPeaks([FakeLeg(0, "a", symbol="X")], {})
    take(peaks, FILLS[:1])
    assert (peaks.of_leg(0), peaks.of_strategy("a"), peaks.total()) == (None, None, None)


def test_a_margin_beyond_64_bits_is_exact() -> None:
    peaks = MarginPeaks([FakeLeg(0, "a", symbol="X")], {"X": [(0, 10**18)]})
    take(peaks, [(0, 2**31, 2**31)])
    assert peaks.total() == 2**31 * 10**18


@pytest.mark.parametrize("chunk", [1, 2, 9])
def test_what_is_held_takes_another_margin_from_the_time_of_a_rate_on(chunk: int) -> None:
    # X: 2 lots at 10 are 20; from 3 on a lot takes 15: the 2 are 30, and the fill at 3 makes 3 of
    # them, 45. Y has 4 x 7 = 28 from 2 on: all had 48, then 58, then 73. At 5 X falls to 1: 3.
    legs = [FakeLeg(0, "a", symbol="X"), FakeLeg(1, "b", symbol="Y")]
    peaks = MarginPeaks(legs, {"X": [(0, 10), (3, 15), (5, 1)], "Y": [(0, 7)]})
    take(peaks, [(0, 2, 2), (1, -4, -4), (0, 1, 3), (1, 1, -3), (1, -1, -4)], chunk)
    assert [peaks.of_leg(0), peaks.of_leg(1), peaks.total()] == [45, 28, 73]


def test_a_rate_that_changes_behind_the_last_fill_counts_till_the_end() -> None:
    peaks = MarginPeaks([FakeLeg(0, "a", symbol="X")], {"X": [(0, 10), (50, 12), (90, 99)]})
    take(peaks, [(0, 2, 2)])
    peaks.finish(60)
    assert peaks.of_leg(0) == 24
