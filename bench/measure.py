"""Timing: several runs of one thing, the best and the median of them."""

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Scale:
    """How much one bench measures.

    Attributes
    ----------
    events : int
        Records of the session most rows are measured on.
    runs : int
        Counted runs per row.
    seed : int
    quick : bool
        The short bench: fewer sizes where a row has several.
    """

    events: int
    runs: int
    seed: int
    quick: bool = False


@dataclass(frozen=True)
class Row:
    """One line of the bench.

    Attributes
    ----------
    group, name : str
    events : int
        Records per run.
    best_s, median_s : float
        Wall time of one run.
    runs : int
    note : str
        What the time includes.
    figures : dict
        What was measured beside time, by name with its unit (``peak_mb``, ``p99_us``).
    """

    group: str
    name: str
    events: int
    best_s: float
    median_s: float
    runs: int
    note: str = ""
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def best_m_per_s(self) -> float:
        """Millions of records per second in the best run."""
        return self.events / self.best_s / 1e6

    @property
    def median_m_per_s(self) -> float:
        """Millions of records per second in the median run."""
        return self.events / self.median_s / 1e6

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        rates = {"best_m_per_s": self.best_m_per_s, "median_m_per_s": self.median_m_per_s}
        return asdict(self) | {key: round(value, 3) for key, value in rates.items()}


def row_of(
    group: str,
    name: str,
    events: int,
    seconds: list[float],
    note: str = "",
    figures: dict[str, float] | None = None,
) -> Row:
    """Make a row of measured wall times."""
    best, median = min(seconds), statistics.median(seconds)
    return Row(group, name, events, best, median, len(seconds), note, figures or {})


def timed(
    group: str,
    name: str,
    events: int,
    prepare: Callable[[], Callable[[], object]],
    *,
    runs: int,
    note: str = "",
) -> Row:
    """Time what ``prepare`` returns, once per run, after one run that is not counted.

    The warm-up compiles or loads kernels and fills the page cache; what ``prepare`` does is not
    timed.
    """
    seconds = []
    for k in range(runs + 1):
        work = prepare()
        gc.collect()
        began = time.perf_counter()
        work()
        took = time.perf_counter() - began
        if k > 0:
            seconds.append(took)
    return row_of(group, name, events, seconds, note)
