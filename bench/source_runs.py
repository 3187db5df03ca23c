"""Runs held against what they take turns with: merged files and one, a run and decompression."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from tapewire.bench.limits import decompression
from tapewire.bench.measure import Row, Scale, by_turns
from tapewire.bench.runs import APART, run_config, run_once
from tapewire.bench.targets import FILES
from tapewire.bench.workload import LoadedSession, load_session, make_simulation
from tapewire.market.records import MBO_DTYPE
from tapewire.replay import BATCH_RECORDS_DEFAULT, ReplayPlan, open_source

_GROUP: Final = "source"


def merged_run_rows(one: Path, parts: Sequence[Path], ending: str, scale: Scale) -> Iterator[Row]:
    """The market maker over one file of several instruments, and over a file for each.

    Once in this process, where CPU time tells what merging adds to all that a record costs, and
    once as ``tapewire run``, whose replay merges beside the simulation.
    """
    session = load_session(one, one)
    yield from by_turns(
        _GROUP,
        session.events,
        {
            f"played, one file, {ending}": _player(session, [one]),
            f"played, {FILES} files merged, {ending}": _player(session, parts),
        },
        scale.runs,
        "market maker; read and simulated by one process, in turns",
    )
    with (
        run_config(session, one, APART) as alone,
        run_config(session, parts, APART) as merged,
    ):
        yield from by_turns(
            _GROUP,
            session.events,
            {
                f"run, one file, {ending}": _runner(alone),
                f"run, {FILES} files merged, {ending}": _runner(merged),
            },
            scale.runs,
            "market maker, two processes, in turns; first batch to last event",
        )


def decompression_rows(work: LoadedSession, scale: Scale) -> Iterator[Row]:
    """Decompression by the library, the replay's decoding, and whole runs of the same file.

    Of these one reads and simulates in this process, so that its CPU time is what a record costs
    in all: half of it is what two cores could do at best. ``tapewire run`` shares the work out.
    """
    with run_config(work, work.compressed, APART) as config:
        yield from by_turns(
            _GROUP,
            work.events,
            {
                "zstd decompression alone": decompression(work.compressed),
                "decoded, .dbn.zst": decoder([work.compressed]),
                "played, .dbn.zst": _player(work, [work.compressed]),
                "run, .dbn.zst": _runner(config),
            },
            scale.runs,
            "one file of one frame, in turns; market maker, played: one process, run: two",
        )


def _runner(config: Path) -> Callable[[], float]:
    return lambda: float(run_once(config)[0]["elapsed_s"])


def decoder(paths: Sequence[Path], threads: int = 1) -> Callable[[], None]:
    """Return what reads all records of files, as a replay does, into one buffer."""
    plan = ReplayPlan(files=tuple(str(path) for path in paths))

    def go() -> None:
        out = np.empty(BATCH_RECORDS_DEFAULT, MBO_DTYPE)
        with open_source(plan, threads=threads) as source:
            while source.fill(out):
                pass

    return go


def _player(session: LoadedSession, paths: Sequence[Path]) -> Callable[[], None]:
    plan = ReplayPlan(files=tuple(str(path) for path in paths))

    def go() -> None:
        out = np.empty(BATCH_RECORDS_DEFAULT, MBO_DTYPE)
        simulation = make_simulation(session, ("market_maker",))
        with open_source(plan, threads=1) as source:
            while count := source.fill(out):
                simulation.feed(out[:count])
                simulation.drain()
        simulation.digests()

    return go
