"""What a model took, by the wall clock: it says nothing about results, and is in none."""

from typing import Any, Final

from hdrh.histogram import HdrHistogram

#: Up to an hour in microseconds, to three digits.
_HIGHEST: Final = 3_600_000_000
_DIGITS: Final = 3


def _histogram() -> Any:
    return HdrHistogram(1, _HIGHEST, _DIGITS)


class Figures:
    """Histograms of one model.

    Attributes
    ----------
    round_trip : HdrHistogram
        From sending a message of rows to the answer to its last, µs.
    inference : HdrHistogram
        What the model says it took for an answer, µs.
    frame_rows : HdrHistogram
        Rows of a message.
    queue_depth : HdrHistogram
        Messages unanswered as one was sent, itself included.
    faults : list of str
        Why it was lost, each time.
    """

    def __init__(self) -> None:
        self.round_trip = _histogram()
        self.inference = _histogram()
        self.frame_rows = _histogram()
        self.queue_depth = _histogram()
        self.faults: list[str] = []
