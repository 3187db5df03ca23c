"""Our own rows on the sessions that rivals are measured on, next to theirs in the same table."""

from collections.abc import Callable, Iterator

from tapewire.bench.measure import Row, Scale, timed
from tapewire.bench.runs import measured_run
from tapewire.bench.stages import LOOP_NOTE, whole_loop
from tapewire.bench.workload import LoadedSession, make_simulation


def beside_rivals_rows(name: str, work: LoadedSession, scale: Scale) -> Iterator[Row]:
    """The market maker on a session: whole runs from either file, and the loop from memory."""
    for kind, path in ((".dbn", work.raw), (".dbn.zst", work.compressed)):
        yield measured_run("tapewire", f"run, {kind}, two processes, {name}", work, path,
                           scale.runs, note="market maker; loading is part of it")  # fmt: skip

    def loop() -> Callable[[], None]:
        return whole_loop(make_simulation(work, ("market_maker",)), work.records)

    yield timed("tapewire", f"loop, {name}", work.events, loop, runs=scale.runs,
                note=f"market maker; {LOOP_NOTE}")  # fmt: skip
