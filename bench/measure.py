"""Timing: several runs of one thing, the best and the median of them."""

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
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


def by_turns(
    group: str,
    events: int,
    works: Mapping[str, Callable[[], float | None]],
    runs: int,
    note: str = "",
) -> Iterator[Row]:
    """Measure things alternately, after a turn that is not counted.

    Work returns nothing, and is timed: its row has its CPU time, too, of all threads. Or it returns
    the wall time (s) of what other processes did.

    Yields
    ------
    Row
        Of each in order; where there are several, with its median time over that of the first.
    """
    walls: dict[str, list[float]] = {name: [] for name in works}
    cpus: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(runs + 1):
        for name, work in works.items():
            wall, cpu = time.perf_counter(), time.process_time()
            told = work()
            if turn > 0:
                walls[name].append(time.perf_counter() - wall if told is None else told)
                if told is None:
                    cpus[name].append(time.process_time() - cpu)
    first = next(iter(works))
    for name in works:
        figures = {}
        if cpus[name]:
            figures["cpu_ns_per_record"] = round(1e9 * statistics.median(cpus[name]) / events, 1)
        for key, times in (("cpu_times_one", cpus), ("wall_times_one", walls)):
            if len(works) > 1 and times[name] and times[first]:
                ratio = statistics.median(times[name]) / statistics.median(times[first])
                figures[key] = round(ratio, 2)
        yield row_of(group, name, events, walls[name], note, figures)
