"""One measured process of the growth rows: ``python -m tapewire.bench._growth_worker PLAN``.

Reads a plain DBN file chunk by chunk into one buffer and runs it through a simulation; prints one
line of JSON. Only feeding and draining are timed. What else the process holds is Python, NumPy,
the kernels and that buffer: records are made elsewhere.
"""

import json
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.errors import FormatError
from tapewire.market import InstrumentTable
from tapewire.market.records import MBO_DTYPE
from tapewire.replay import BATCH_RECORDS_DEFAULT, ReplayPlan, open_source
from tapewire.router import Simulation, SimulationConfig, StrategySpec
from tapewire.strategies import STRATEGIES

#: Records of the buffer: 15 MB, more than the caches nearest to a core hold.
CHUNK_RECORDS: Final = 262_144
#: Pause in market time between two passes over a file.
_PASS_GAP_NS: Final = 1_000_000_000
#: Counters that stay at zero unless a stream was not what it should be.
_ZERO: Final = (
    "unknown_cancels", "unknown_modifies", "unknown_fills", "duplicate_adds", "ignored_records",
    "missing_last", "clamped_ts_event", "clamped_ts_recv",
)  # fmt: skip

Records = npt.NDArray[Any]


@dataclass(frozen=True)
class GrowthPlan:
    """What one process measures.

    Attributes
    ----------
    path : str
        A plain DBN file.
    records : int
        Records to run in all; the file is passed over again until there are so many. Passes
        after the first are moved on in time; each has to begin with a snapshot then.
    untimed : int
        Records of the first pass before those that are timed.
    strategies : tuple of str
        Types of strategies, with their default parameters, on every instrument.
    """

    path: str
    records: int
    untimed: int = 0
    strategies: tuple[str, ...] = ()

    def to_json(self) -> str:
        """One line for a child process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "GrowthPlan":
        """What ``to_json`` wrote."""
        values = json.loads(text)
        return cls(**values | {"strategies": tuple(values["strategies"])})


@dataclass
class Growth:
    """What one process measured; memory in bytes.

    Attributes
    ----------
    records : int
        Records timed.
    seconds : float
        Feeding and draining them.
    books : int
        Books open at the end.
    start_bytes : int
        Resident with kernels loaded and the simulation made, before the first record.
    rss_bytes, peak_bytes : int
        Resident at the end, and at most.
    held_bytes : int
        What the simulation's own blocks take.
    samples : list of (int, int)
        Records so far and what was resident then, after every chunk.
    """

    records: int = 0
    seconds: float = 0.0
    books: int = 0
    start_bytes: int = 0
    rss_bytes: int = 0
    peak_bytes: int = 0
    held_bytes: int = 0
    samples: list[tuple[int, int]] = field(default_factory=list)


def status_bytes(pid: int | str, name: str) -> int:
    """A line of ``/proc/<pid>/status``, as ``VmRSS`` or ``VmHWM``, in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"expected {name} in the status of process {pid}, found none")


def measure(plan: GrowthPlan, chunk_records: int = CHUNK_RECORDS) -> Growth:
    """Run a plan in this process.

    Raises
    ------
    FormatError
        If the stream was not what it should be: a counter that must stay at zero did not.
    """
    found = Growth()
    buffer = np.empty(chunk_records, MBO_DTYPE)
    _load_kernels(plan)
    simulation: Simulation | None = None
    done = passes = 0
    first_ns = last_ns = shift_ns = 0
    while done < plan.records:
        with open_source(ReplayPlan(files=(plan.path,))) as source:
            if simulation is None:
                mappings = [(m.raw_symbol, m.instrument_id) for m in source.info.mappings]
                simulation = _simulation(plan, InstrumentTable(mappings))
                found.start_bytes = status_bytes("self", "VmRSS")
            if passes:
                shift_ns += last_ns - first_ns + _PASS_GAP_NS
            while done < plan.records:
                # Where timing begins, a chunk begins.
                room = min(chunk_records, plan.records - done)
                if done < plan.untimed:
                    room = min(room, plan.untimed - done)
                count = source.fill(buffer[:room])
                if not count:
                    break
                chunk = buffer[:count]
                if not passes:
                    first_ns = first_ns or int(chunk["ts_recv"][0])
                    last_ns = int(chunk["ts_recv"][-1])
                else:
                    chunk["ts_event"] += np.uint64(shift_ns)
                    chunk["ts_recv"] += np.uint64(shift_ns)
                took_s = _run(simulation, chunk)
                if done >= plan.untimed:
                    found.records += count
                    found.seconds += took_s
                done += count
                found.samples.append((done, status_bytes("self", "VmRSS")))
        passes += 1
    assert simulation is not None
    _require_sound(simulation, done)
    found.books = simulation.counts["books"]
    found.held_bytes = simulation.nbytes
    found.rss_bytes = status_bytes("self", "VmRSS")
    found.peak_bytes = status_bytes("self", "VmHWM")
    return found


def _run(simulation: Simulation, records: Records) -> float:
    """Seconds of feeding and draining records in batches of the usual size."""
    began_s = time.perf_counter()
    for at in range(0, records.size, BATCH_RECORDS_DEFAULT):
        simulation.feed(records[at : at + BATCH_RECORDS_DEFAULT])
        simulation.drain()
    return time.perf_counter() - began_s


def _simulation(plan: GrowthPlan, instruments: InstrumentTable) -> Simulation:
    strategies = tuple(
        StrategySpec(
            name,
            STRATEGIES[name],
            {key: spec.default for key, spec in STRATEGIES[name].parameters.items()},
        )
        for name in plan.strategies
    )
    return Simulation(SimulationConfig(instruments, strategies))


def _load_kernels(plan: GrowthPlan) -> None:
    """Load every kernel by running the file's first records through another simulation."""
    with open_source(ReplayPlan(files=(plan.path,))) as source:
        records = np.empty(4_096, MBO_DTYPE)
        count = source.fill(records)
    simulation = _simulation(plan, InstrumentTable([]))
    simulation.feed(records[:count])
    simulation.drain()


def _require_sound(simulation: Simulation, records: int) -> None:
    counts = simulation.counts
    wrong = {name: counts[name] for name in _ZERO if counts[name]}
    if counts["events"] != records or wrong:
        raise FormatError(
            f"expected {records:,} records and nothing unknown, found {counts['events']:,} and "
            f"{wrong}: the stream is not what it should be"
        )


if __name__ == "__main__":
    print(json.dumps(asdict(measure(GrowthPlan.from_json(sys.argv[1])))))
