"""What is measured: a session of one instrument as files and in memory, and its simulation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy.typing as npt

from tapewire.market import InstrumentTable
from tapewire.replay import read_records
from tapewire.router import Simulation, SimulationConfig, StrategySpec
from tapewire.strategies import STRATEGIES

Records = npt.NDArray[Any]

#: Of the synthetic future and of the E-mini S&P 500 alike; the tick in 1e-9.
TICK_SIZE: Final = 250_000_000
MULTIPLIER: Final = 50


@dataclass(frozen=True)
class LoadedSession:
    """One session, of one instrument or of several alike.

    Attributes
    ----------
    raw, compressed : Path
        The same records as ``.dbn`` and ``.dbn.zst``.
    records : ndarray
        ``MBO_DTYPE``, shape ``(events,)``.
    symbol : str
    instruments : InstrumentTable
    """

    raw: Path
    compressed: Path
    records: Records
    symbol: str
    instruments: InstrumentTable

    @property
    def events(self) -> int:
        """Number of records."""
        return int(self.records.size)

    @cached_property
    def prepared(self) -> tuple[Path, float]:
        """What ``tapewire data convert`` makes of ``compressed``, and the seconds that took."""
        from tapewire.replay.convert import convert

        path = self.compressed.with_name(f"{self.compressed.name.split('.')[0]}-prepared.dbn")
        return path, convert([self.compressed], path).elapsed_s


def load_session(raw: Path, compressed: Path) -> LoadedSession:
    """Read a session's records into memory; `symbol` is the first where it has several."""
    metadata, records = read_records(raw)
    ids = {symbol: int(spans[0]["symbol"]) for symbol, spans in metadata.mappings.items()}
    symbol = next(iter(ids))
    instruments = InstrumentTable(
        ids.items(), {symbol: (TICK_SIZE, Fraction(MULTIPLIER)) for symbol in ids}
    )
    return LoadedSession(raw, compressed, records, symbol, instruments)


class Workload(LoadedSession):
    """One synthetic future, made in a folder.

    Parameters
    ----------
    folder : Path
    events : int
        Records, start snapshot included.
    seed : int
    """

    def __init__(self, folder: Path, events: int, seed: int) -> None:
        from tapewire.replay.synth import synthesize

        raw, compressed = folder / "session.dbn", folder / "session.dbn.zst"
        for path in (raw, compressed):
            synthesize(path, events=events, instruments=1, seed=seed)
        loaded = load_session(raw, compressed)
        super().__init__(raw, compressed, loaded.records, loaded.symbol, loaded.instruments)


def head_file(work: LoadedSession, events: int, path: Path) -> int:
    """Write the first records of a session, up to the end of an event; return how many."""
    import numpy as np

    from tapewire.market.records import F_LAST, RECORD_BYTES

    count = min(events, work.events)
    count = int(np.flatnonzero(work.records["flags"][:count] & F_LAST)[-1]) + 1
    with work.raw.open("rb") as file:
        head = file.read(8)
        head += file.read(int.from_bytes(head[4:8], "little"))
        path.write_bytes(head + file.read(count * RECORD_BYTES))
    return count


def unpack(compressed: Path, raw: Path) -> None:
    """Write the uncompressed form of a ``.dbn.zst`` file."""
    import zstandard

    with compressed.open("rb") as file, raw.open("wb") as out:
        zstandard.ZstdDecompressor().copy_stream(file, out)


def make_simulation(
    work: LoadedSession,
    names: Sequence[str],
    parameters: Sequence[Mapping[str, Any]] = (),
    *,
    touches: bool = False,
) -> Simulation:
    """Make a simulation of built-in strategies.

    Parameters
    ----------
    work : LoadedSession
        Whose instruments it knows.
    names : sequence of str
        Types of strategies, one per instance; none at all is a book with nobody watching.
    parameters : sequence of mappings, optional
        What differs from the defaults, one per instance.
    touches : bool
        Rows of the market at the strategies' fills, too, as markouts need them.
    """
    strategies = []
    for k, name in enumerate(names):
        defaults = {key: spec.default for key, spec in STRATEGIES[name].parameters.items()}
        given = parameters[k] if parameters else {}
        strategies.append(StrategySpec(f"{name}-{k}", STRATEGIES[name], {**defaults, **given}))
    simulation = Simulation(SimulationConfig(work.instruments, tuple(strategies), touches=touches))
    simulation.touch_memory()  # as a run does
    return simulation
