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


@pytest.mark.parametrize("chunk", [1, 3, 7])
def test_margin_of_legs_strategies_and_all_fill_by_fill(chunk: int) -> None:
    legs = [
        FakeLeg(0, "a", symbol="X"), FakeLeg(1, "a", symbol="Y"), FakeLeg(2, "b", symbol="X"),
        FakeLeg(3, "c", symbol="Z"), FakeLeg(4, "d", symbol="X"),
    ]  # fmt: skip
    peaks = MarginPeaks(legs, {"X": 10, "Y": 7, "unknown": 5})
    rows = np.array(FILLS, np.int64)
    for at in range(0, len(rows), chunk):
        peaks.add(*rows[at : at + chunk].T)
    assert [peaks.of_leg(k) for k in range(5)] == [20, 35, 30, None, 0]
    assert [peaks.of_strategy(name) for name in "abcd"] == [45, 30, None, 0]
    assert peaks.total() == 57


def test_without_margins_there_is_nothing_to_say() -> None:
    peaks = MarginPeaks([FakeLeg(0, "a", symbol="X")], {})
    peaks.add(*np.array(FILLS[:1], np.int64).T)
    assert (peaks.of_leg(0), peaks.of_strategy("a"), peaks.total()) == (None, None, None)


def test_a_margin_beyond_64_bits_is_exact() -> None:
    peaks = MarginPeaks([FakeLeg(0, "a", symbol="X")], {"X": 10**18})
    peaks.add(*np.array([(0, 2**31, 2**31)], np.int64).T)
    assert peaks.total() == 2**31 * 10**18
