"""What it costs a simulation that its rows become the tables of a run folder beside it."""

import dataclasses
import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from tapewire.analytics.collector import Collector
from tapewire.bench.measure import Row, Scale, by_turns
from tapewire.bench.workload import LoadedSession, make_simulation
from tapewire.processes.collecting import TABLES
from tapewire.processes.collector_thread import CollectorThread
from tapewire.replay import BATCH_RECORDS_DEFAULT

ALONE: Final = "loop and touches, nothing collected"
BESIDE: Final = "loop and touches, collected beside"
_NOTE: Final = "market maker, markouts; from memory, a core is free for the collector's thread"
_BATCH: Final = BATCH_RECORDS_DEFAULT
_FILLS_PER_S: Final = 100_000
_TURNS: Final = 4


def collecting_rows(work: LoadedSession, scale: Scale, folder: Path) -> Iterator[Row]:
    """The loop by itself, and by turns with one whose rows are collected in a thread.

    Timed is the loop, until its last row is handed over. Of the second row ``slower_percent`` is by
    how much a simulation that makes 100,000 fills a second is slower for it: so many times the wall
    time that a fill costs more.
    """
    fills = 0
    runs = itertools.count()

    def loop(add: Callable[..., object] | None) -> float:
        nonlocal fills
        simulation = make_simulation(work, ("market_maker",), touches=True)
        fills, began = 0, time.perf_counter()
        for at in range(0, work.events, _BATCH):
            simulation.feed(work.records[at : at + _BATCH])
            drained = simulation.drain()
            fills += len(drained.fills)
            if add is not None:
                add(legs=simulation.legs, **{name: getattr(drained, name) for name in TABLES})
        simulation.digests()
        return time.perf_counter() - began

    def beside() -> float:
        collector = Collector(folder / f"collected-{next(runs)}", "", markouts=True)
        with CollectorThread(collector) as thread:
            return loop(thread.add)

    works = {ALONE: lambda: loop(None), BESIDE: beside}
    turns = _TURNS * scale.runs  # what is looked for is a hundredth of a row
    alone, collected = by_turns("stage", work.events, works, turns, _NOTE)
    yield dataclasses.replace(alone, figures={"fills": fills})
    slower = (collected.median_s - alone.median_s) / max(fills, 1) * _FILLS_PER_S
    figures = collected.figures | {"slower_percent": round(100 * slower, 1)}
    yield dataclasses.replace(collected, figures=figures)
