"""What a model took, by the wall clock: it says nothing about results, and is in none."""

from typing import Any, Final

#: Up to an hour in microseconds, to three digits.
_HIGHEST: Final = 3_600_000_000
_DIGITS: Final = 3
#: Values that are kept as they come, before they are counted.
_KEPT_MAX: Final = 16_384


class WallHistogram:
    """A histogram that costs next to nothing to add to."""

    def __init__(self) -> None:
        self._kept: list[int] = []
        self._counted: Any = None

    def add(self, value: int) -> None:
        """Count a value; less than 1 counts as 1."""
        self._kept.append(value)
        if len(self._kept) == _KEPT_MAX:
            self.histogram()

    def histogram(self) -> Any:
        """The HdrHistogram of all values so far."""
        if self._counted is None:
            from hdrh.histogram import HdrHistogram

            self._counted = HdrHistogram(1, _HIGHEST, _DIGITS)
        for value in self._kept:
            self._counted.record_value(min(max(value, 1), _HIGHEST))
        self._kept.clear()
        return self._counted


class BridgeFigures:
    """Histograms of one model.

    Attributes
    ----------
    round_trip : WallHistogram
        From sending a message of rows to the answer to its last, µs.
    inference : WallHistogram
        What the model says it took for an answer, µs.
    frame_rows : WallHistogram
        Rows of a message.
    queue_depth : WallHistogram
        Messages unanswered as one was sent, itself included.
    faults : list of str
        Why it was lost, each time.
    """

    def __init__(self) -> None:
        self.round_trip = WallHistogram()
        self.inference = WallHistogram()
        self.frame_rows = WallHistogram()
        self.queue_depth = WallHistogram()
        self.faults: list[str] = []
